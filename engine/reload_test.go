package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

func TestAnEventThatComesAfterAReloadGoesByTheNewDocument(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: b}]}}")
	for i := range 400 {
		to := []string{"a", "b"}[i%2]
		r.apply(t, fmt.Sprintf("flows: {f: {nodes: [feed, {collect: %s}]}}", to))
		r.put(t, events(i)...)
		if got := r.wait(t, to, i/2+1); got[i/2] != fmt.Sprint(i) {
			t.Fatalf("event %d did not come to %s", i, to)
		}
	}
}

// doors are a registry of sources that take a path for themselves, and the
// paths of those that were made.
func doors() (*engine.Registry, *[]string) {
	made := &[]string{}
	return engine.NewRegistry(language{}, engine.Queue,
		engine.SourceSpec[nameConfig]{About: engine.About{Type: "door"}, New: func(c nameConfig) (engine.Source, error) {
			*made = append(*made, c.Name)
			return door{path: c.Name}, nil
		}},
		engine.SinkSpec[nameConfig]{About: engine.About{Type: "gone"}, New: func(nameConfig) (engine.Sink, error) {
			return sinkFunc(func(context.Context, []*engine.Event) error { return nil }), nil
		}},
	), made
}

type door struct {
	engine.Routed
	path string
}

func (d door) Routes(engine.Inlet) []engine.Route {
	return []engine.Route{{Path: d.path, Alone: true}}
}

func TestAReloadLooksOnlyAtFlowsThatSaySomethingElse(t *testing.T) {
	reg, made := doors()
	e := engine.New(reg, engine.Options{Listen: "127.0.0.1:0"})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	apply := func(yaml string) engine.Changes {
		t.Helper()
		doc := document(t, yaml)
		if diags := e.Check(doc); diags.Failed() {
			t.Fatal(diags)
		}
		changes, err := e.Apply(t.Context(), doc)
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	apply(`
flows:
  f: {nodes: [door: /f, queue: , gone: ]}
  g: {nodes: [door: /g, gone: ]}
  doubtful: {nodes: [door: /d]}
`)
	*made = nil
	changes := apply(`
flows:
  # everything stands at another place now
  g: {nodes: [door: /gate, gone: ]}
  f:
    nodes:
      - door: "/f"
      - queue:
      - gone:
  doubtful: {nodes: [door: /d]}
`)
	want(t, changes.Kept, "g.gone", "f.door", "f.queue", "f.gone", "doubtful.door")
	want(t, changes.Changed, "g.door")
	// By Check and by Apply; what there are warnings about is looked at for them.
	if diff := cmp.Diff([]string{"/gate", "/d", "/gate", "/d"}, *made); diff != "" {
		t.Error(diff)
	}

	diags := e.Check(document(t, `
flows:


  f: {nodes: [door: /f, queue: , gone: ]}
  g: {nodes: [door: /f, gone: ]}
`))
	if !diags.Failed() || diags[0].Span.Line != 6 || !strings.Contains(diags[0].Message, ":5:15") {
		t.Errorf("got %v", diags)
	}
}
