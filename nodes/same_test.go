package nodes_test

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

const seen = `
flows:
  f:
    nodes:
      - feed:
      - transform: {data: {a: data.a, was: data, kind: "type(data.a)", sum: "data.n * 1"}}
      LOG
      - transform: {set: {kinds: "[type(data.a), type(data.sum), type(meta.n), type(meta.b)]", at: time, text: "{{ data.a }} {{ data.sum }} {{ meta.b }} {{ time.Hour() }}"}}
      - collect:
`

// What a flow makes of an event must not change with a log on the way, and so
// not with a restart.
func TestAFlowGivesTheSameWithAndWithoutALog(t *testing.T) {
	run := func(log string, events []*engine.Event) []string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "flows.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(seen, "LOG", log, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, diags := flows.Load([]string{path}, os.LookupEnv)
		if diags.Failed() {
			t.Fatal(diags)
		}
		c := &collect{}
		types := nodes.All().With(
			engine.SourceSpec[struct{}]{
				About: engine.About{Type: "feed", Summary: "Puts in what a program may."},
				New:   func(struct{}) (engine.Source, error) { return feed(events), nil },
			},
			engine.SinkSpec[struct{}]{
				About: engine.About{Type: "collect", Summary: "Keeps what comes."},
				New:   func(struct{}) (engine.Sink, error) { return c, nil },
			})
		e := engine.New(types, engine.Options{Log: slog.New(slog.DiscardHandler)})
		if _, err := e.Apply(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c.got
	}
	want := run("# none", allKinds())
	if len(want) != len(allKinds()) {
		t.Fatalf("%d of %d came: %q", len(want), len(allKinds()), want)
	}
	for _, got := range [][]string{run("- queue:", allKinds()), run("# none", keptOnDisk(t, allKinds()))} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// keptOnDisk is what a store gives back of events after a restart.
func keptOnDisk(t *testing.T, events []*engine.Event) []*engine.Event {
	fs := memfs.New()
	opened := func() (*journal.Journal, engine.Log) {
		store, err := journal.Open("", journal.Options{FS: fs, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		log, err := store.Log(t.Context(), "f")
		if err != nil {
			t.Fatal(err)
		}
		return store, log
	}
	store, log := opened()
	if err := log.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	store.Close()
	store, log = opened()
	defer store.Close()
	back := make([]*engine.Event, len(events))
	if n, err := log.(engine.KeptLog).Kept(t.Context(), 0, back); n != len(back) || err != nil {
		t.Fatalf("%d came back: %v", n, err)
	}
	return back
}

// allKinds are events of all kinds, of which JSON knows but some.
func allKinds() []*engine.Event {
	meta := engine.Meta{"n": 3, "b": []byte("bytes"), "headers": map[string]any{"x": []string{"1", "2"}}}
	at := time.Date(2026, 1, 31, 18, 0, 0, 5, time.FixedZone("JST", 9*3600))
	var events []*engine.Event
	for _, a := range []any{
		4.0, 4.5, 7, uint8(7), uint64(math.MaxUint64), math.Copysign(0, -1), float64(1 << 60), 1e300, "\xff", []byte("x"), nil, true, []string{"a"}, map[string]int{"k": 1}, at,
	} {
		events = append(events, &engine.Event{Time: at, Meta: meta, Data: engine.Value(map[string]any{"a": a, "n": 2.0})})
	}
	for _, text := range []string{`{"a":1.0,"n":1e0}`, ` {"a" : {"z":1.50, "z":2}, "n" : 9007199254740993} `, `{"a":"\ud800\u0041","\u0061":-0,"n":1}`} {
		events = append(events, &engine.Event{Time: at, Meta: meta, Data: engine.JSON([]byte(text))})
	}
	return events
}

type feed []*engine.Event

func (f feed) Run(ctx context.Context, in engine.Inlet) error { return in.Put(ctx, f...) }

type collect struct {
	mu  sync.Mutex
	got []string
}

func (c *collect) Write(_ context.Context, batch []*engine.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range batch {
		text, err := e.Data.Bytes()
		if err != nil {
			return err
		}
		c.got = append(c.got, string(text))
	}
	return nil
}
