package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

// putConfig is the configuration of the test's own nodes.
type putConfig struct {
	Name string `flow:"name,main"`
}

type put struct{ n int }

func (p put) Run(ctx context.Context, in engine.Inlet) error {
	for i := range p.n {
		if err := in.Put(ctx, &engine.Event{ID: fmt.Sprint(i), Type: "t"}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

type take struct {
	name string
	in   *enginetest.Inlet
}

func (s take) Write(ctx context.Context, batch []*engine.Event) error { return s.in.Put(ctx, batch...) }

func TestATopicLeadsFromOneFlowToManyInOrder(t *testing.T) {
	got := map[string]*enginetest.Inlet{"a": {}, "b": {}}
	reg := engine.NewRegistry(nil, TopicIn, TopicOut,
		engine.SourceSpec[putConfig]{About: engine.About{Type: "put"}, New: func(putConfig) (engine.Source, error) { return put{300}, nil }},
		engine.SinkSpec[putConfig]{About: engine.About{Type: "take"}, New: func(c putConfig) (engine.Sink, error) {
			return take{c.Name, got[c.Name]}, nil
		}},
	)
	path := filepath.Join(t.TempDir(), "flows.yaml")
	const yaml = `
flows:
  to-a: {nodes: [topic: calls, take: a]}
  to-b: {nodes: [topic: calls, take: b]}
  from: {nodes: [put, topic: calls]}
`
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		t.Fatal(diags)
	}
	eng := engine.New(reg, engine.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if _, err := eng.Apply(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	go func() { ended <- eng.Run(ctx) }()
	for name, in := range got {
		events := in.Wait(ctx, 300)
		if len(events) != 300 {
			t.Fatalf("%s got %d events, want 300", name, len(events))
		}
		for i, e := range events {
			if e.ID != fmt.Sprint(i) {
				t.Fatalf("%s got event %s as number %d", name, e.ID, i)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type unopenable struct{}

func (unopenable) Open(context.Context, *engine.Env) error      { return errors.New("no such place") }
func (unopenable) Write(context.Context, []*engine.Event) error { return nil }

func TestATopicIsReadOnThoughAReloadFails(t *testing.T) {
	got := &enginetest.Inlet{}
	feed := make(chan string)
	reg := engine.NewRegistry(nil, TopicIn, TopicOut,
		engine.SourceSpec[putConfig]{About: engine.About{Type: "put"}, New: func(putConfig) (engine.Source, error) { return fed(feed), nil }},
		engine.SinkSpec[putConfig]{About: engine.About{Type: "take"}, New: func(putConfig) (engine.Sink, error) { return take{"", got}, nil }},
		engine.SinkSpec[putConfig]{About: engine.About{Type: "broken"}, New: func(putConfig) (engine.Sink, error) { return unopenable{}, nil }},
	)
	apply := func(e *engine.Engine, yaml string) error {
		path := filepath.Join(t.TempDir(), "flows.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, diags := flows.Load([]string{path}, os.LookupEnv)
		if diags.Failed() {
			t.Fatal(diags)
		}
		_, err := e.Apply(t.Context(), doc)
		return err
	}
	eng := engine.New(reg, engine.Options{Log: slog.New(slog.DiscardHandler)})
	if err := apply(eng, "flows: {to: {nodes: [topic: calls, {take: }]}, from: {nodes: [{put: }, topic: calls]}}"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	go func() { ended <- eng.Run(ctx) }()
	feed <- "1"
	got.Wait(ctx, 1)
	if err := apply(eng, "flows: {to: {nodes: [topic: {name: calls}, {take: }, {broken: }]}, from: {nodes: [{put: }, topic: calls]}}"); err == nil {
		t.Fatal("the reload does not fail")
	}
	feed <- "2"
	for n := 2; ; n++ { // what was not committed before the reload comes again
		events := got.Wait(ctx, n)
		if len(events) < n {
			t.Fatal("the event behind the reload never comes")
		}
		if events[n-1].ID == "2" {
			break
		}
	}
	cancel()
	<-ended
}

// fed puts in an event for each id.
type fed chan string

func (f fed) Run(ctx context.Context, in engine.Inlet) error {
	for {
		select {
		case id := <-f:
			if err := in.Put(ctx, &engine.Event{ID: id}); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}
