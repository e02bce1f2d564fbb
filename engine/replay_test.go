package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

// startOn runs a document on a store of its own folder.
func startOn(t *testing.T, dir, yaml string, log io.Writer, more ...engine.Declaration) *running {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	store, err := journal.Open(dir, journal.Options{Fsync: journal.Never, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{bench: newBench(), store: store, ended: make(chan error, 1)}
	r.Engine = engine.New(r.registry().With(more...), engine.Options{Store: store, Log: logger, Drain: drain})
	if _, err := r.Apply(t.Context(), document(t, yaml)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.ended <- r.Run(ctx) }()
	r.stop = func() {
		if cancel(); r.ended == nil {
			return
		}
		select {
		case <-r.ended:
		case <-time.After(2 * drain):
			t.Error("the engine did not stop")
		}
		r.ended = nil
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { r.stop() })
	return r
}

// settle waits until all that came in is settled.
func (r *running) settle(t *testing.T, flow string) {
	t.Helper()
	until(t, "flow "+flow+" is settled", func() bool { return status(t, r, flow).Lag() == 0 })
}

func at(minute int, ids ...int) []*engine.Event {
	batch := events(ids...)
	for _, e := range batch {
		e.Time = time.Date(2026, 11, 23, 12, minute, 0, 0, time.UTC)
	}
	return batch
}

func TestAReplayTakesDeliveredEventsThroughTheFlowAsItIsNow(t *testing.T) {
	r := startOn(t, t.TempDir(), "flows: {f: {nodes: [feed, {tag: a}, {collect: one}]}}", io.Discard)
	r.put(t, at(0, 1, 2)...)
	r.put(t, append(at(10, 3), &engine.Event{ID: "4", Type: "other", Time: at(10, 0)[0].Time})...)
	r.put(t, at(20, 5)...)
	r.wait(t, "one", 5)
	r.settle(t, "f")
	r.apply(t, "flows: {f: {nodes: [feed, {tag: a}, {tag: b}, {collect: one}, {collect: new}]}}")
	o := engine.ReplayOptions{Since: time.Date(2026, 11, 23, 12, 10, 0, 0, time.UTC), Types: []string{"t", "u"}, DryRun: true}
	for _, dry := range []bool{true, false} {
		o.DryRun = dry
		if n, err := r.Replay(t.Context(), "f", o); n != 2 || err != nil {
			t.Fatalf("got %d and %v, want 2 events", n, err)
		}
	}
	want(t, r.wait(t, "new", 2), "3", "5")
	r.settle(t, "f")
	want(t, r.ids("one"), "1", "2", "3", "4", "5", "3", "5")
	first, again := r.events("one")[2], r.events("one")[5]
	if first.Replay() != "" || again.Replay() == "" || again.Subject != "ab" || again.Offset <= first.Offset || again.MetaValue()["replayed"] != again.Replay() {
		t.Errorf("the event came as %+v, and was %+v", again, first)
	}
	// What the replay has put in is not taken by the next.
	if n, err := r.Replay(t.Context(), "f", engine.ReplayOptions{}); n != 5 || err != nil {
		t.Fatalf("got %d and %v, want 5 events", n, err)
	}
	r.wait(t, "one", 12)
	if next := r.events("one")[7]; next.Replay() == again.Replay() {
		t.Error("two replays have one name")
	}
}

func TestAReplayEntersAtTheNodeItIsSentTo(t *testing.T) {
	r := startOn(t, t.TempDir(), queued, io.Discard)
	r.put(t, events(1, 2)...)
	r.wait(t, "slow", 2)
	r.settle(t, "f")
	n, err := r.Replay(t.Context(), "f", engine.ReplayOptions{To: "collect"}) // behind the queue and the tag
	if n != 2 || err != nil {
		t.Fatalf("got %d and %v, want 2 events", n, err)
	}
	want(t, r.wait(t, "slow", 4), "1", "2", "1", "2")
	if e := r.events("slow")[2]; e.Subject != "" || e.At != "" || e.Node != "feed" {
		t.Errorf("the event came as %+v, want it as it went into the queue", e)
	}
	want(t, r.ids("quick"), "1", "2")
	for flow, node := range map[string]string{"f": "feed", "g": "", "": ""} {
		if _, err := r.Replay(t.Context(), flow, engine.ReplayOptions{To: node}); !errors.Is(err, engine.ErrNoFlow) {
			t.Errorf("to %q of flow %q: got %v", node, flow, err)
		}
	}
	if _, err := start(t, queued).Replay(t.Context(), "f", engine.ReplayOptions{}); !errors.Is(err, engine.ErrNotKept) {
		t.Errorf("in memory: got %v", err)
	}
}

func TestALongReplayLeavesRoomForWhatComesIn(t *testing.T) {
	r := startOn(t, t.TempDir(), "flows: {f: {nodes: [feed, {collect: one}]}}", io.Discard)
	const n = 5000
	for i := 0; i < n; i += 250 {
		var ids []int
		for id := i; id < i+250; id++ {
			ids = append(ids, id)
		}
		r.put(t, events(ids...)...)
	}
	r.wait(t, "one", n)
	r.settle(t, "f")
	_, release := r.hold("one")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan string, 1)
	waits := make(chan int, 1)
	go func() {
		told, same := 0, 0
		got, err := r.Replay(ctx, "f", engine.ReplayOptions{Progress: func(n int) {
			if same++; n != told {
				told, same = n, 0
			}
			if same == 3 { // it waits
				waits <- n
			}
		}})
		result <- fmt.Sprint(got, err)
	}()
	select {
	case n := <-waits:
		if n > 2000 {
			t.Errorf("%d events were put in while nothing was delivered", n)
		}
	case <-time.After(time.Minute):
		t.Fatal("it never waits")
	}
	r.put(t, events(-1)...)
	release()
	if got := <-result; got != fmt.Sprint(n, error(nil)) {
		t.Fatalf("got %s", got)
	}
	ids := r.wait(t, "one", 2*n+1)[n:]
	live := 0
	for ids[live] != "-1" {
		live++
	}
	if live > 2000 {
		t.Errorf("the event that came meanwhile was delivered behind %d", live)
	}
	if ids := append(ids[:live:live], ids[live+1:]...); strings.Join(ids, " ") != strings.Join(r.ids("one")[:n], " ") {
		t.Error("the order is another")
	}
}

func TestAReplayIsCountedInAStoreThatNobodyRuns(t *testing.T) {
	dir := t.TempDir()
	r := startOn(t, dir, queued, io.Discard)
	r.put(t, events(1, 2, 3)...)
	r.wait(t, "slow", 3)
	r.settle(t, "f")
	r.stop()
	store, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for node, wanted := range map[string]int{"": 3, "collect": 3, "collect-2": 3} {
		if n, err := engine.CountReplay(t.Context(), store, document(t, queued), r.registry(), "f", engine.ReplayOptions{To: node}); n != wanted || err != nil {
			t.Errorf("to %q: got %d and %v", node, n, err)
		}
	}
	if _, err := engine.CountReplay(t.Context(), store, document(t, queued), r.registry(), "g", engine.ReplayOptions{}); !errors.Is(err, engine.ErrNoFlow) {
		t.Errorf("of a flow that is not there: got %v", err)
	}
}
