package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
)

// A shakyStore fails some commits, or takes its time.
type shakyStore struct {
	engine.Store
	fails atomic.Int64    // commits left to fail
	slow  <-chan struct{} // closed when commits are done; nil if they don't wait
}

func (s *shakyStore) Log(ctx context.Context, flow string) (engine.Log, error) {
	log, err := s.Store.Log(ctx, flow)
	return shakyLog{log, s}, err
}

type shakyLog struct {
	engine.Log
	store *shakyStore
}

func (l shakyLog) Cursor(ctx context.Context, name string) (engine.Cursor, error) {
	c, err := l.Log.Cursor(ctx, name)
	return shakyCursor{c, l.store}, err
}

type shakyCursor struct {
	engine.Cursor
	store *shakyStore
}

func (c shakyCursor) Commit(ctx context.Context, o engine.Offset) error {
	if c.store.fails.Add(-1) >= 0 {
		return errors.New("the disk is gone")
	}
	if c.store.slow != nil {
		<-c.store.slow
	}
	return c.Cursor.Commit(ctx, o)
}

// startWith runs a document of flows on a store.
func startWith(t *testing.T, store engine.Store, yaml string) *running {
	t.Helper()
	r := &running{bench: newBench(), store: store, ended: make(chan error, 1)}
	r.Engine = engine.New(r.registry(), engine.Options{Store: store, Log: slog.New(slog.DiscardHandler), Drain: drain})
	if _, err := r.Apply(t.Context(), document(t, yaml)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-r.ended
		store.Close()
	})
	return r
}

func TestACommitThatFailsIsTriedAgainAndNothingIsDeliveredTwice(t *testing.T) {
	for _, lanes := range []int{1, 3} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			store := &shakyStore{Store: engine.MemoryStore()}
			r := startWith(t, store, fmt.Sprintf("flows: {f: {lanes: %d, nodes: [feed, {collect: one}]}}", lanes))
			store.fails.Store(3)
			r.put(t, events(1)...) // which returns when its source takes the next batch: when 1 is committed
			r.put(t, events(2)...)
			r.put(t, events(3)...)
			want(t, r.wait(t, "one", 3), "1", "2", "3")
		})
	}
}

func TestALaneGoesOnWhileACommitIsWrittenButNotFar(t *testing.T) {
	j, err := journal.Open("", journal.Options{FS: memfs.New()})
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	r := startWith(t, &shakyStore{Store: j, slow: written}, "flows: {f: {nodes: [feed, {collect: one}]}}")
	r.put(t, events(1)...)
	r.wait(t, "one", 1) // and its commit takes its time
	const more = 5000
	batch := make([]*engine.Event, more)
	for i := range batch {
		batch[i] = &engine.Event{ID: fmt.Sprint("more ", i)}
	}
	for part := range slices.Chunk(batch, 250) {
		r.put(t, part...)
	}
	r.wait(t, "one", 2)
	time.Sleep(50 * time.Millisecond)
	if got := len(r.ids("one")); got > 4*512 {
		t.Errorf("%d events are delivered and not committed", got)
	}
	close(written)
	r.wait(t, "one", 1+more)
	if got := len(r.ids("one")); got != 1+more {
		t.Errorf("%d events were delivered, of %d", got, 1+more)
	}
}

// What is delivered behind an event that is not comes twice after a crash.
func TestALaneThatIsHeldUpHoldsUpTheOthersBeforeTooMuchWouldComeTwice(t *testing.T) {
	j, err := journal.Open("", journal.Options{FS: memfs.New()})
	if err != nil {
		t.Fatal(err)
	}
	r := startWith(t, j, "flows: {f: {lanes: 8, order_by: type, nodes: [feed, {collect: one}]}}")
	var mended atomic.Bool
	r.failWith(func(_ string, e *engine.Event) error {
		if e.Type == "stuck" && !mended.Load() {
			return engine.Unavailable(errors.New("down"), 0)
		}
		return nil
	})
	r.put(t, &engine.Event{ID: "stuck", Type: "stuck"})
	const sent = 100
	for i := range sent {
		r.put(t, &engine.Event{ID: fmt.Sprint(i), Type: fmt.Sprint(i)})
	}
	key := r.wait(t, "one", sent/2)[0] // about one in eight is of the lane that is held up
	const more = 20_000
	batch := make([]*engine.Event, more)
	for i := range batch {
		batch[i] = &engine.Event{ID: fmt.Sprint("more ", i), Type: key}
	}
	for part := range slices.Chunk(batch, 500) {
		r.put(t, part...)
	}
	time.Sleep(50 * time.Millisecond)
	if got := len(r.ids("one")); got > 8*4*512 {
		t.Errorf("%d events are delivered and can't be committed", got)
	}
	mended.Store(true)
	r.wait(t, "one", 1+sent+more)
}
