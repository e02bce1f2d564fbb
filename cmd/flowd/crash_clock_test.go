package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
	"github.com/flowd/flowd/flows"
)

// A handFed flow gets its events from the test, which also sees what comes of
// them.
type handFed struct {
	engine.Inlet

	mu        sync.Mutex
	down      bool
	delivered []string
}

func (h *handFed) fail(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

func (h *handFed) Run(ctx context.Context, in engine.Inlet) error {
	h.Inlet = in
	<-ctx.Done()
	return nil
}

func (h *handFed) Write(_ context.Context, batch []*engine.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return engine.Unavailable(errors.New("down"), 0)
	}
	for _, e := range batch {
		h.delivered = append(h.delivered, e.ID)
	}
	return nil
}

// on runs a flow with a dedupe on a disk, in the time of the bubble that it is
// called in, and kills it behind act. It returns the disk as that leaves it.
func (h *handFed) on(t *testing.T, fs *memfs.FS, act func(put func(ids ...string))) *memfs.FS {
	t.Helper()
	j, err := journal.Open("", journal.Options{FS: fs, KeepAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.With(
		engine.SourceSpec[struct{}]{About: engine.About{Type: "hand"}, New: func(struct{}) (engine.Source, error) { return h, nil }},
		engine.SinkSpec[struct{}]{About: engine.About{Type: "eye"}, New: func(struct{}) (engine.Sink, error) { return h, nil }},
	)
	e := engine.New(reg, engine.Options{Store: j, Log: slog.New(slog.DiscardHandler)})
	doc, diags := flows.Load([]string{"testdata/crash/clock.yaml"}, nil)
	if diags.Failed() {
		t.Fatal(diags)
	}
	if _, err := e.Apply(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	act(func(ids ...string) {
		synctest.Wait()
		for _, id := range ids {
			if err := h.Put(t.Context(), &engine.Event{ID: id}); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Millisecond) // a cursor waits a little for the next events
		synctest.Wait()
	})
	after := fs.Kill()
	fs.CutAfter(1) // what is done from now on is done by nobody
	cancel()
	<-ended
	j.Close()
	return after
}

func (h *handFed) want(t *testing.T, ids ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.delivered, ids) {
		t.Errorf("delivered %q, want %q", h.delivered, ids)
	}
	h.delivered = nil
}

// TestAClockThatJumps has the clock jump between lives: a bubble's begins at
// the start of 2000, however long another has slept.
func TestAClockThatJumps(t *testing.T) {
	fs := memfs.New()
	h := &handFed{}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * 24 * time.Hour)
		fs = h.on(t, fs, func(put func(ids ...string)) {
			put("a", "b", "a")
			h.want(t, "a", "b")
			h.fail(true)
			put("c")
		})
	})
	synctest.Test(t, func(t *testing.T) { // 26 years back
		fs = h.on(t, fs, func(put func(ids ...string)) {
			h.fail(false)
			time.Sleep(10 * time.Minute) // more than the longest wait between two attempts
			h.want(t, "c")
			put("a", "c", "d")
			h.want(t, "d")
			time.Sleep(2 * time.Hour)
			put("a") // its key lasts no longer for having been claimed in the future
			h.want(t, "a")
			h.fail(true)
			put("e")
		})
	})
	synctest.Test(t, func(t *testing.T) { // and 26 years on
		time.Sleep(26 * 365 * 24 * time.Hour)
		fs = h.on(t, fs, func(put func(ids ...string)) {
			h.fail(false)
			time.Sleep(48 * time.Hour) // far beyond the age up to which what is delivered is kept
			h.want(t, "e")
			put("f", "f")
			h.want(t, "f")
		})
	})
}
