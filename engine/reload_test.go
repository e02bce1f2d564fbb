package engine_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
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

func TestAFlowIsCheckedAnewWhenAFileThatItDependsOnHasChanged(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type config struct {
		Schema engine.SchemaFiles `flow:"schema"`
		CA     flows.Path         `flow:"ca"`
	}
	leaning := engine.ProcessorSpec[config]{About: engine.About{Type: "leaning"}, New: func(config) (engine.Processor, error) {
		return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
			out.Emit(e)
			return nil
		}), nil
	}}
	yaml := "flows: {f: {nodes: [feed, {leaning: {schema: order.json}, id: a}, {leaning: {ca: ca.pem}, id: b}, {collect: one}]}}"
	write("order.json", `{"total": 1}`)
	r := start(t, yaml, leaning)

	write("order.json", `{"total": 1, "more": 2}`)
	changes := r.apply(t, yaml)
	want(t, changes.Changed, "f.a")
	want(t, changes.Kept, "f.feed", "f.b", "f.collect")
	write("ca.pem", "it need not be there before")
	want(t, r.apply(t, yaml).Changed, "f.b")
	if changes := r.apply(t, yaml); !changes.None() {
		t.Errorf("where nothing had changed, got %v", changes)
	}

	write("order.json", `{`)
	if _, err := r.Apply(t.Context(), document(t, yaml)); err == nil || !strings.Contains(err.Error(), "order.json holds neither") {
		t.Errorf("got %v", err)
	}
	write("order.json", `{"total": 1, "more": 2}`)
	if changes := r.apply(t, yaml); !changes.None() {
		t.Errorf("after the mistake, got %v", changes)
	}
}

func TestTheFilesThatADocumentDependsOnAreWatched(t *testing.T) {
	t.Chdir(t.TempDir())
	certify(t, "cert.pem", "key.pem", 1)
	yaml := "server: {listen: 127.0.0.1:0, tls: {cert: cert.pem, key: key.pem}}\n" +
		"flows: {f: {nodes: [{web: /in}, {leaning: ca.pem}, {collect: one}]}}"
	type config struct {
		CA flows.Path `flow:"ca,main"`
	}
	r := start(t, yaml, engine.SinkSpec[config]{About: engine.About{Type: "leaning"}, New: func(config) (engine.Sink, error) {
		return sinkFunc(func(context.Context, []*engine.Event) error { return nil }), nil
	}})
	for _, file := range []string{"ca.pem", "cert.pem", "key.pem"} {
		doc := document(t, yaml)
		if _, err := r.Apply(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		told := false
		over := make(chan error)
		go func() {
			over <- doc.Watch(ctx, func() *flows.Document {
				told = true
				cancel()
				return doc
			})
		}()
		text, _ := os.ReadFile(file)
		if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := <-over; err != nil || !told {
			t.Errorf("%s: a change was not told: %v", file, err)
		}
	}
}
