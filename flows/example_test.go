package flows_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/flowd/flowd/flows"
)

// folder is a folder for an example.
func folder() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	return dir
}

func put(path, text string) string {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return path
}

func ExampleLoad() {
	dir := folder()
	defer os.RemoveAll(dir)
	path := put(filepath.Join(dir, "flows.yaml"), `
flows:
  greet:
    nodes:
      - webhook: {path: "/${NAME}"}
      - debug:
`)
	doc, diags := flows.Load([]string{path}, func(name string) (string, bool) { return "in", name == "NAME" })
	if diags.Failed() {
		fmt.Print(diags.Format())
		return
	}
	for _, n := range doc.Flows[0].Nodes {
		fmt.Println(n.ID, n.Type, n.Config.Any())
	}
	// Output:
	// webhook webhook map[path:/in]
	// debug debug <nil>
}

func ExampleReadFile() {
	dir := folder()
	defer os.RemoveAll(dir)
	v, diags := flows.ReadFile(put(filepath.Join(dir, "a.yaml"), "a: [1, b]"))
	fmt.Println(v.Any(), v.Get("a").Items[1].Span.Column, diags.Failed())
	// Output: map[a:[1 b]] 8 false
}

func ExampleParseValue() {
	v, diags := flows.ParseValue("{size: 64KiB, list: [1, true, 2.5]}")
	fmt.Println(v.Any(), diags.Failed())
	// Output: map[list:[1 true 2.5] size:64KiB] false
}

// bell is a configuration: its tags name the keys, its comments document them.
type bell struct {
	// Sound is what is heard.
	Sound string `flow:"sound,main,required"`
	// Every is the pause between two.
	Every flows.Duration `flow:"every"`
}

// bellSource is what go:embed gives a node.
const bellSource = `package bell

type bell struct {
	// Sound is what is heard.
	Sound string ` + "`flow:\"sound,main,required\"`" + `
	// Every is the pause between two.
	Every flows.Duration ` + "`flow:\"every\"`" + `
}`

func ExampleDecode() {
	v, _ := flows.ParseValue("{sound: ding, evry: 5m}")
	config := bell{Every: flows.Duration(1e9)}
	for _, d := range flows.Decode(v, &config) {
		fmt.Println(d.Severity, d.Message+",", d.Hint)
	}
	fmt.Println(config.Sound, config.Every)
	// Output:
	// error unknown key "evry", did you mean "every"?
	// ding 1s
}

func ExampleDescribe() {
	for _, f := range flows.Describe(bell{Every: flows.Duration(1e9)}, bellSource) {
		fmt.Printf("%s: %s, default %q, required %t: %s\n", f.Key, f.Type, f.Default, f.Required, f.Doc)
	}
	// Output:
	// sound: text, default "", required true: sound is what is heard.
	// every: duration, default "1s", required false: every is the pause between two.
}

func ExampleFields() {
	for _, f := range flows.Fields(reflect.TypeFor[bell]()) {
		fmt.Println(f.Key, f.Name, f.Main)
	}
	// Output:
	// sound Sound true
	// every Every false
}

func ExampleSchemaOf() {
	schema := flows.SchemaOf(bell{}, bellSource)
	fmt.Println(len(schema) > 0, len(flows.Definitions()) > 0)
	// Output: true true
}
