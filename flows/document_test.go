package flows

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// load reads a document from a file of its own.
func load(t *testing.T, text string) *Document {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "flows.yaml", text)
	doc, diags := Load([]string{"flows.yaml"}, func(name string) (string, bool) {
		value, ok := map[string]string{"HOST": "example.org", "EMPTY": "", "MAP": "{a: b}", "DOLLAR": "${HOST}"}[name]
		return value, ok
	})
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestADocumentIsRead(t *testing.T) {
	doc := load(t, `
x-anything: {goes: "${HERE}"}
x-base: &base {url: "http://${HOST}"}
server: {listen: ":1"}
store:
flows:
  a:
    description: one line
    lanes: 4
    order_by: data.x
    nodes:
      - livekit: {path: /x}
      - http: *base
        id: send
        from: [livekit, livekit.error]
        when: data.x == 1
        retry: {attempts: 3}
        timeout: 5s
        on_error: drop
      - debug
`)
	f := doc.Flows[0]
	if f.Name != "a" || f.Description != "one line" || f.Lanes != 4 || f.OrderBy.Text != "data.x" || doc.Server.Get("listen").Text != ":1" || doc.Store.Kind != Null || doc.Admin != nil {
		t.Errorf("%+v %+v", doc, f)
	}
	n := f.Nodes[1]
	if n.ID != "send" || n.Type != "http" || n.At.Span.Line != n.Config.Span.Line+10 || n.Config.Get("url").Text != "http://example.org" ||
		n.When.Text != "data.x == 1" || n.Retry.Get("attempts").Text != "3" || n.Timeout.Text != "5s" || n.OnError != Drop || n.Above != f.Nodes[0] {
		t.Errorf("%+v", n)
	}
	if len(n.From) != 2 || n.From[0].Node != f.Nodes[0] || n.From[1].Port != "error" || n.From[1].ID != "livekit" {
		t.Errorf("%+v", n.From)
	}
	if d := f.Nodes[2]; d.ID != "debug" || d.Config.Kind != Null || d.OnError != ToDeadLetters || d.From != nil {
		t.Errorf("%+v", d)
	}
}

func TestNodesAreNamedByTheirType(t *testing.T) {
	doc := load(t, `flows: {a: {nodes: [
  debug, debug: , {debug: , id: debug-3}, debug, {debug: , id: x}, debug, {filter: , id: slack}, slack]}}`)
	var ids []string
	for _, n := range doc.Flows[0].Nodes {
		ids = append(ids, n.ID)
	}
	if got := strings.Join(ids, " "); got != "debug debug-2 debug-3 debug-4 x debug-6 slack slack-2" {
		t.Error(got)
	}
}

func TestVariablesAreTextAndNeverShape(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "token", "  sécret\n\n")
	doc := load(t, `flows: {a: {nodes: [debug]}}
server:
  host: https://${HOST}:${PORT:-443}/
  map: ${MAP}
  once: ${DOLLAR}
  empty: "[${EMPTY}]"
  default-for-empty: ${EMPTY:-x}
  nested: ${PORT:-${HOST}}
  empty-default: "[${PORT:-}]"
  braces: ${PORT:-{}
  dollars: $$ $${HOST} $HOST $1 a$ $
  ${HOST}: key
  list: ["${HOST}", {a: "${HOST}"}]
  number: 5
`)
	want := map[string]any{
		"host": "https://example.org:443/", "map": "{a: b}", "once": "${HOST}", "empty": "[]", "default-for-empty": "x",
		"nested": "example.org", "empty-default": "[]", "braces": "{", "dollars": "$ ${HOST} $HOST $1 a$ $",
		"${HOST}": "key", "list": []any{"example.org", map[string]any{"a": "example.org"}}, "number": int64(5),
	}
	if diff := cmp.Diff(want, doc.Server.Any()); diff != "" {
		t.Error(diff)
	}
}

func TestAFileOfASecretIsReadWithoutTheSpaceAroundIt(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "token", "  one\ntwo\n\n")
	write(t, "large", strings.Repeat("x", mostSecret+1))
	write(t, "flows.yaml", "admin: {token: \"<${file:./token}>\"}\nflows: {a: {nodes: [debug]}}")
	doc, diags := Load([]string{"flows.yaml"}, os.LookupEnv)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	if got := doc.Admin.Get("token").Text; got != "<one\ntwo>" {
		t.Errorf("%q", got)
	}
	if diff := cmp.Diff([]string{"flows.yaml", "token"}, doc.Files); diff != "" {
		t.Error(diff)
	}
	write(t, "flows.yaml", "admin: {token: \"${file:large}\"}\nflows: {a: {nodes: [debug]}}")
	if _, diags := Load([]string{"flows.yaml"}, os.LookupEnv); !strings.Contains(diags.Error(), "large: is larger than 1MiB") {
		t.Error(diags)
	}
}

func TestFilesAndFoldersAreMerged(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, folder := range []string{"conf", "conf/inner.yaml"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	flow := func(name string) string { return fmt.Sprintf("flows: {%s: {nodes: [debug]}}", name) }
	write(t, "one.yaml", "server: {listen: x}\n"+flow("one"))
	write(t, "conf/b.yaml", flow("b"))
	write(t, "conf/a.yml", flow("a"))
	write(t, "conf/empty.yaml", "# nothing yet\n")
	for _, name := range []string{"a_test.yaml", "b_test.yml", ".hidden.yaml", "notes.txt", "b.yaml~", "inner.yaml/c.yaml"} {
		write(t, "conf/"+name, flow("unwanted"))
	}
	doc, diags := Load([]string{"one.yaml", "conf", "./conf/b.yaml", "one.yaml"}, os.LookupEnv)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	var names []string
	for _, f := range doc.Flows {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "one a b" {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{"conf", "conf/a.yml", "conf/b.yaml", "conf/empty.yaml", "one.yaml"}, doc.Files); diff != "" {
		t.Error(diff)
	}
}

func TestALoopByWayOfTheNodeAboveIsFoundWhereItIsNoSource(t *testing.T) {
	doc := load(t, `flows: {a: {nodes: [
  {filter: x, from: [tail, transform]}, transform: y, tail: z, debug]}}`)
	f := doc.Flows[0]
	if diags := f.Loops(func(n *Node) bool { return n.Type == "tail" }); len(diags) != 1 || diags[0].Message != "a loop: filter → transform → filter" {
		t.Error(diags)
	}
	if diags := f.Loops(func(n *Node) bool { return n.Type != "filter" }); len(diags) != 0 {
		t.Error(diags)
	}
}
