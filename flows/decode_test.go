package flows

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample has a field of every kind that a configuration may have.
type sample struct {
	Shared
	Text    string            `flow:"text"`
	Flag    bool              `flow:"flag"`
	Number  int               `flow:"number"`
	Ratio   float64           `flow:"ratio"`
	Size    Size              `flow:"size"`
	Wait    Duration          `flow:"wait"`
	Token   Secret            `flow:"token"`
	Tokens  map[string]Secret `flow:"tokens"`
	Events  []string          `flow:"events"`
	Waits   []Duration        `flow:"waits"`
	Headers map[string]string `flow:"headers"`
	TLS     *tlsSample        `flow:"tls"`
	Any     any               `flow:"any"`
	Expr    upper             `flow:"expr"`
	Ports   ports             `flow:"ports"`
	Filter  condition         `flow:"filter"`
}

type Shared struct {
	Name string `flow:"name,required"`
}

type tlsSample struct {
	Cert string `flow:"cert,required"`
	Key  string `flow:"key,required"`
	Min  string `flow:"min"`
}

func (c *tlsSample) Validate(report Report) {
	if c.Cert == c.Key {
		report("key", "cert and key are the same file")
	}
	if c.Min == "1.1" {
		report("", "TLS 1.1 is not safe")
	}
}

type ports struct {
	All   bool             `flow:"all"`
	Ports map[string]upper `flow:",main,required"`
}

type condition struct {
	Where string `flow:"where,main,required"`
	Not   bool   `flow:"not"`
}

// upper is a type that decodes itself.
type upper struct{ text string }

func (u *upper) DecodeValue(v *Value) Diagnostics {
	if v.Kind != String {
		return Diagnostics{v.Errorf("want an expression")}
	}
	if i := strings.IndexRune(v.Text, '!'); i >= 0 {
		return Diagnostics{{Span: v.At(len([]rune(v.Text[:i])), 1), Message: "no shouting"}}
	}
	u.text = strings.ToUpper(v.Text)
	return nil
}

func (u *upper) FlowType() string { return "expression" }

func (c *sample) Validate(report Report) {
	if c.Number < 0 {
		report("number", "number must be 0 or more")
	}
	if c.TLS != nil && c.TLS.Cert == "bad" {
		report("tls.cert", "cert is bad")
	}
}

func decodeArchive(settings map[string]string) Diagnostics {
	text, err := os.ReadFile("config.yaml")
	if err != nil {
		return Diagnostics{{Message: err.Error()}}
	}
	v, diags := parse(&File{Name: "config.yaml", Text: string(text)})
	env := &expander{seen: map[string]string{}, done: map[*Value]bool{}, lookup: func(name string) (string, bool) {
		got, ok := strings.CutPrefix(settings["env"], name+"=")
		return got, ok
	}}
	env.expand(v)
	diags = append(diags, env.diags...)
	for _, e := range v.Entries { // each stands for a configuration of its own
		diags = append(diags, Decode(e.Value, &sample{})...)
	}
	return diags
}

func TestEveryMistakeOfAConfigurationIsShownAtItsPlace(t *testing.T) {
	golden(t, "decode", decodeArchive)
}

func mustParse(t *testing.T, text string) *Value {
	t.Helper()
	v, diags := ParseValue(text)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAConfigurationIsDecoded(t *testing.T) {
	v := mustParse(t, `
name: n
text: 007
flag: True
number: 010
ratio: 1e3
size: 64KiB
wait: 1h30m
token: 12345
tokens: {a: b}
events: one
waits: [1s, 2d]
headers: {x: 1.10, y: "true"}
tls: {cert: c, key: k}
any: {list: [1, 2.5, ~, true, text]}
expr: hello
ports: {all: true, low: a, else: b}
filter: x > 1
`)
	got := sample{Headers: map[string]string{"gone": "yes"}}
	if err := Decode(v, &got).Err(); err != nil {
		t.Fatal(err)
	}
	want := sample{
		Shared: Shared{Name: "n"}, Text: "007", Flag: true, Number: 10, Ratio: 1000, Size: 64 << 10, Wait: Duration(90 * 60e9),
		Token: "12345", Tokens: map[string]Secret{"a": "b"}, Events: []string{"one"}, Waits: []Duration{1e9, 2 * 24 * 3600e9},
		Headers: map[string]string{"x": "1.10", "y": "true"}, TLS: &tlsSample{Cert: "c", Key: "k"},
		Any:    map[string]any{"list": []any{int64(1), 2.5, nil, true, "text"}},
		Expr:   upper{"HELLO"},
		Ports:  ports{All: true, Ports: map[string]upper{"low": {"A"}, "else": {"B"}}},
		Filter: condition{Where: "x > 1"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestWhatADocumentLeavesOutKeepsItsDefault(t *testing.T) {
	defaults := sample{Text: "kept", Events: []string{"a"}, TLS: &tlsSample{Min: "1.3"}, Any: "kept"}
	got := defaults
	if err := Decode(mustParse(t, "{name: n, tls: {cert: c, key: k}, any: null}"), &got).Err(); err != nil {
		t.Fatal(err)
	}
	if got.Text != "kept" || !cmp.Equal(got.Events, []string{"a"}) || *got.TLS != (tlsSample{Cert: "c", Key: "k", Min: "1.3"}) || got.Any != nil {
		t.Errorf("got %+v", got)
	}
	if defaults.TLS.Key != "" {
		t.Errorf("the default itself was given the key %q", defaults.TLS.Key)
	}
}

func TestNothingAtAllIsEveryDefault(t *testing.T) {
	got := tlsSample{Cert: "c", Key: "k"}
	type optional struct {
		A string `flow:"a,main"`
		B int    `flow:"b"`
	}
	o := optional{A: "x", B: 2}
	if err := Decode(mustParse(t, ""), &o).Err(); err != nil || o != (optional{"x", 2}) {
		t.Errorf("got %+v, %v", o, err)
	}
	if diags := Decode(mustParse(t, ""), &got); len(diags) != 2 {
		t.Errorf("required keys that are left out: %v", diags)
	}
}

func TestAValueFromTheEnvironmentIsDecodedByItsField(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "flows.yaml", `flows: {a: {lanes: "${LANES}", nodes: [debug]}}`)
	doc, diags := Load([]string{"flows.yaml"}, func(string) (string, bool) { return "7", true })
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	if got := doc.Flows[0].Lanes; got != 7 {
		t.Errorf("lanes: %d", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
