package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

// A safeBuffer is written and read at the same time.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestWhatWaitsForAFlowThatWasTakenOutIsToldAndWaitsForIt(t *testing.T) {
	dir := t.TempDir()
	r := startOn(t, dir, queued, io.Discard)
	r.failWith(down("slow"))
	r.put(t, events(1, 2, 3)...)
	r.wait(t, "quick", 3)
	r.stop()

	var log safeBuffer
	const others = "flows: {g: {nodes: [{feed: x}, {collect: other}]}}"
	r = startOn(t, dir, others, &log)
	orphan := []engine.Orphan{{Log: "f.queue", Cursor: "f.queue", Events: 3}}
	if diff := cmp.Diff(orphan, r.Orphans()); diff != "" {
		t.Error(diff)
	}
	told := func() int { return strings.Count(log.String(), "flow=f.queue log=f.queue events=3") }
	if told() != 1 {
		t.Errorf("told %d times:\n%s", told(), &log)
	}
	r.apply(t, others)
	if told() != 2 {
		t.Errorf("told %d times after a reload", told())
	}
	for _, name := range []string{"g", "queue", "f.queu"} {
		if n, err := r.Forget(t.Context(), name); n != 0 || !errors.Is(err, engine.ErrNoOrphan) {
			t.Errorf("forgetting %s: %d and %v", name, n, err)
		}
	}
	r.apply(t, queued)
	want(t, r.wait(t, "slow", 3), "1", "2", "3")
	if got := r.Orphans(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestAFlowThatIsForgottenBeginsBehindWhatWasDropped(t *testing.T) {
	dir := t.TempDir()
	r := startOn(t, dir, queued, io.Discard)
	r.failWith(down("slow"))
	r.put(t, events(1, 2, 3)...)
	r.wait(t, "quick", 3)
	if _, err := r.Forget(t.Context(), "f"); !errors.Is(err, engine.ErrNoOrphan) {
		t.Errorf("a flow that runs is forgotten: %v", err)
	}
	r.stop()

	store, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.ForgetStored(t.Context(), store, document(t, queued), r.registry(), "f"); !errors.Is(err, engine.ErrNoOrphan) {
		t.Errorf("a flow of the document is forgotten: %v", err)
	}
	if n, err := engine.ForgetStored(t.Context(), store, document(t, "flows: {g: {nodes: [feed, {collect: other}]}}"), r.registry(), "f"); n != 3 || err != nil {
		t.Errorf("got %d and %v, want 3 events", n, err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	r = startOn(t, dir, queued, io.Discard)
	r.put(t, events(4)...)
	want(t, r.wait(t, "slow", 1), "4")
}

// reader is a source that reads a topic and nothing else.
type reader struct {
	name string
	log  engine.Log
}

func (s *reader) Open(ctx context.Context, env *engine.Env) (err error) {
	if s.log, err = env.Topic(ctx, s.name); err == nil {
		_, err = s.log.Cursor(ctx, env.Flow+"."+env.Node)
	}
	return err
}

func (s *reader) Run(ctx context.Context, _ engine.Inlet) error {
	<-ctx.Done()
	return nil
}

func TestATopicHasAnOrphanWhenItsReaderGoesOrReadsAnother(t *testing.T) {
	spec := engine.SourceSpec[nameConfig]{
		About: engine.About{Type: "reader"},
		New:   func(c nameConfig) (engine.Source, error) { return &reader{name: c.Name}, nil },
	}
	const both = `
flows:
  f: {nodes: [feed, {collect: one}]}
  g: {nodes: [reader: calls, {collect: two}]}
`
	r := startOn(t, t.TempDir(), both, io.Discard, spec)
	topic, err := r.store.Queue(t.Context(), "topic:calls")
	if err != nil {
		t.Fatal(err)
	}
	if err := topic.Append(t.Context(), events(1, 2)); err != nil {
		t.Fatal(err)
	}
	orphan := []engine.Orphan{{Log: "topic:calls", Cursor: "g.reader", Events: 2}}
	for _, change := range []struct {
		document string
		want     []engine.Orphan
	}{
		{both, nil},
		{strings.Replace(both, "calls", "other", 1), orphan},
		{both, nil},
		{"flows: {f: {nodes: [feed, {collect: one}]}}", orphan},
	} {
		r.apply(t, change.document)
		// A flow that goes has its cursors until it has delivered all.
		until(t, fmt.Sprintf("with %s, %v waits", change.document, change.want), func() bool { return cmp.Equal(change.want, r.Orphans()) })
	}
	if n, err := r.Forget(t.Context(), "g"); n != 2 || err != nil {
		t.Errorf("got %d and %v, want 2 events", n, err)
	}
	if got := r.Orphans(); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestATopicInMemoryKeepsNothingForAReaderThatIsNotWanted(t *testing.T) {
	store := engine.MemoryStore()
	defer store.Close()
	topic, err := store.Queue(t.Context(), "topic:calls")
	if err != nil {
		t.Fatal(err)
	}
	cursors := map[string]engine.Cursor{}
	for _, name := range []string{"gone", "here"} {
		if cursors[name], err = topic.Cursor(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	batch := make([]*engine.Event, 256)
	for i := range 1000 {
		if i == 100 {
			store.(engine.TendedStore).Tend(func(log, cursor string) bool { return log == "topic:calls" && cursor == "here" })
		}
		if err := topic.Append(t.Context(), events(make([]int, 256)...)); err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
		n, err := cursors["here"].Next(t.Context(), batch)
		if err == nil {
			err = cursors["here"].Commit(t.Context(), batch[n-1].Offset)
		}
		if n != 256 || err != nil {
			t.Fatalf("batch %d: read %d and %v", i, n, err)
		}
	}
	if _, err := cursors["gone"].Next(t.Context(), batch); err == nil {
		t.Error("the cursor that is not wanted still reads")
	}
}
