package core

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// wanting is a source of one type of event, whose data is known.
var wanting = engine.SourceSpec[putConfig]{
	About: engine.About{Type: "put"},
	Schema: func(putConfig) engine.Schema {
		item := engine.ClosedMap(map[string]engine.Shape{"name": engine.TextShape})
		return engine.Schema{{
			Of: "a test event", Type: engine.OneOf("made"),
			Data: engine.ClosedMap(map[string]engine.Shape{"room": engine.TextShape, "n": engine.NumberShape, "people": engine.ListShape(item)}),
		}}
	},
	New: func(putConfig) (engine.Source, error) { return put{}, nil },
}

func TestWhatANodeMakesIsKnownBehindIt(t *testing.T) {
	for _, c := range []struct{ node, fine, wrong, want string }{
		{`delay: 1s`, `data.room == ""`, `data.rom == ""`, `"rom"`},
		{`throttle: 1/s`, `data.room == ""`, `data.rom == ""`, `"rom"`},
		{`split: data.people`, `data.name == ""`, `data.nme == ""`, `"nme"`},
		{`split: "filter(data.people, .name != nil)"`, `data.name == ""`, `data.nme == ""`, `"nme"`},
		{`split: data.people`, `type == "made"`, `data.room == ""`, `"room"`},
		{`batch: 3`, `data[0].room == ""`, `data[0].rom == ""`, `"rom"`},
		{`batch: 3`, `len(data) > 1`, `data == "x"`, ``},
		{`aggregate: {window: 1m, by: data.room, sum: {total: data.n}, last: {who: data.people}}`,
			`data.total > 1 and data.count > 2 and data.key == "" and data.who[0].name == ""`, `data.who[0].nme == ""`, `"nme"`},
		{`aggregate: 1m`, `data.from > ""`, `data.key == ""`, `"key"`},
		{`aggregate: {window: 1m, max: {peak: data.n}}`, `data.peak > 1 and data.peak > ""`, `data.peek > 1`, `"peek"`},
		{`silence: {after: 1m, by: data.room}`, `type == "silence" and data.key == "" and data.last.room == ""`, `type == "made"`, `made`},
		{`silence: 1m`, `data.since > ""`, `data.last.rom == ""`, `"rom"`},
	} {
		for condition, want := range map[string]string{c.fine: "", c.wrong: c.want} {
			said := checked(t, c.node, condition)
			if condition == c.fine && len(said) > 0 || condition == c.wrong && !strings.Contains(said, want) || condition == c.wrong && said == "" {
				t.Errorf("%s, then %s: %q, want one with %q", c.node, condition, said, want)
			}
		}
	}
}

// checked is what a check says of a condition behind a node.
func checked(t *testing.T, node, condition string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flows.yaml")
	yaml := "flows:\n  f:\n    nodes:\n      - put:\n      - " + node + "\n      - filter: '" + condition + "'\n      - topic: x\n"
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	reg := engine.NewRegistry(expr.Language, wanting, Delay, Throttle, Split, Batch, Aggregate, Silence, Filter, TopicOut)
	var said []string
	for _, d := range append(diags, engine.Check(doc, reg)...) {
		said = append(said, d.Message)
	}
	return strings.Join(said, "\n")
}
