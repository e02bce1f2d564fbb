package flows

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sampleSource = `package a

// Config is the configuration.
type Config struct {
	Base
	// Path is where webhooks arrive. It
	// begins with a slash.
	//
	// A second paragraph.
	Path string ` + "`flow:\"path,main,required\"`" + `
	Wait, Limit Duration // how long
	TLS *TLS
	none int
}

package a // another file of the package

type Base struct {
	// Name is its name.
	Name string
}

func f() {
	type TLS struct {
		// Cert is a file.
		Cert string
	}
}
`

type Config struct {
	Base
	Path   string            `flow:"path,main,required"`
	Wait   Duration          `flow:"wait"`
	Limit  Size              `flow:"limit"`
	Events []string          `flow:"events"`
	Waits  []Duration        `flow:"waits"`
	Token  Secret            `flow:"token"`
	Keys   map[string]Secret `flow:"keys"`
	Lists  map[string][]int  `flow:"lists"`
	TLS    *TLS              `flow:"tls"`
	Hosts  []TLS             `flow:"hosts"`
	Ratio  float64           `flow:"ratio"`
	Flag   bool              `flow:"flag"`
	Expr   upper             `flow:"expr"`
	Any    any               `flow:"any"`
	Rest   map[string]upper  `flow:",main"`
	Self   *Config           `flow:"self"`
	Hidden int
}

type Base struct {
	Name string `flow:"name"`
}

type TLS struct {
	Cert string `flow:"cert,required"`
}

func TestSettingsAreDocumentedByTheirDeclaration(t *testing.T) {
	got := Describe(Config{
		Base: Base{Name: "n"}, Wait: Duration(90e9), Limit: 1 << 20, Events: []string{"a", "b"}, Token: "hunter2", Flag: true, Ratio: .5, TLS: &TLS{Cert: "file"},
	}, sampleSource)
	want := []FieldDoc{
		{Key: "name", Type: "text", Default: "n", Doc: "name is its name."},
		{Key: "path", Type: "text", Required: true, Main: true, Doc: "path is where webhooks arrive. It begins with a slash.\nA second paragraph."},
		{Key: "wait", Type: "duration", Default: "1m30s", Doc: "how long"},
		{Key: "limit", Type: "size", Default: "1MiB", Doc: "how long"},
		{Key: "events", Type: "list of text", Default: "[a, b]"},
		{Key: "waits", Type: "list of durations"},
		{Key: "token", Type: "secret", Default: "***"},
		{Key: "keys", Type: "map of secrets"},
		{Key: "lists", Type: "map of lists of whole numbers"},
		{Key: "tls", Type: "map", Fields: []FieldDoc{{Key: "cert", Type: "text", Default: "file", Required: true, Doc: "cert is a file."}}},
		{Key: "hosts", Type: "list of maps", Fields: []FieldDoc{{Key: "cert", Type: "text", Required: true, Doc: "cert is a file."}}},
		{Key: "ratio", Type: "number", Default: "0.5"},
		{Key: "flag", Type: "true or false", Default: "true"},
		{Key: "expr", Type: "expression"},
		{Key: "any", Type: "any value"},
		{Type: "map of expressions", Main: true},
		{Key: "self", Type: "map"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommentsOfABrokenSourceAreThoseThatCanBeRead(t *testing.T) {
	got := Comments("package a\ntype A struct {\n\t// B is b.\n\tB int\n}\nfunc (")
	if diff := cmp.Diff(map[string]string{"A.B": "B is b."}, got); diff != "" {
		t.Error(diff)
	}
	if got := Comments(""); len(got) != 0 {
		t.Error(got)
	}
}
