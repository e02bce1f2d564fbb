package expr

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
)

// made are payloads and metadata that only a node written in Go can make.
var made = map[string]func(e *engine.Event){
	"a channel": func(e *engine.Event) { e.Data = engine.Value(map[string]any{"x": make(chan int)}) },
	"deep": func(e *engine.Event) {
		e.Data = engine.JSON([]byte(strings.Repeat("[", 9999) + strings.Repeat("]", 9999)))
	},
	"a deep list": func(e *engine.Event) {
		var list any
		for range 10001 {
			list = []any{list}
		}
		e.Data = engine.Value(list)
	},
	"metadata": func(e *engine.Event) { e.Meta = map[string]any{"x": make(chan int), "y": math.NaN()} },
	"a list in itself": func(e *engine.Event) {
		list := make([]any, 1)
		list[0] = list
		e.Data = engine.Value(list)
	},
}

// TestEveryFailureSaysWhatFailed evaluates what a check accepts on events that
// it fails for.
func TestEveryFailureSaysWhatFailed(t *testing.T) {
	const file, golden = "testdata/failures.yaml", "testdata/failures.golden"
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	var got strings.Builder
	for _, item := range yaml(t, string(source)).Items {
		kind, v := item.Entries[0].Key.Text, item.Entries[0].Value
		e := &engine.Event{ID: "1", Type: "t"}
		for _, given := range item.Entries[1:] {
			switch given.Key.Text {
			case "data":
				e.Data = engine.Value(given.Value.Any())
			case "json":
				e.Data = engine.JSON([]byte(given.Value.Text))
			case "made":
				made[given.Value.Text](e)
			}
		}
		fmt.Fprintf(&got, "%d: %s\n", v.Span.Line, strings.TrimPrefix(lines[v.Span.Line-1], "- "))
		what := decoder(kind)
		if diags := what.DecodeValue(v); len(diags) > 0 {
			t.Errorf("%d: %v", v.Span.Line, diags)
			continue
		}
		var failed error
		switch x := what.(type) {
		case *Expr:
			_, failed = x.Data(e)
		case *Condition:
			_, failed = x.True(e)
		case *Text:
			_, failed = x.Render(e)
		}
		if failed == nil {
			t.Errorf("%d: it did not fail", v.Span.Line)
			continue
		}
		fmt.Fprintf(&got, "\terror: %s\n", failed)
	}
	wantGolden(t, golden, got.String())
}
