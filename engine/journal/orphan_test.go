package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

func nobody(string, string) bool    { return false }
func everybody(string, string) bool { return true }

// orphans lists them when it is known who is wanted.
func (f *fixture) orphans(wanted func(log, cursor string) bool) []engine.Orphan {
	f.Tend(wanted)
	return f.Orphans()
}

func TestWhatWaitsForNobodyIsListedAndCanBeDropped(t *testing.T) {
	f := newFixture(t, journal.Options{})
	topic := must(f.Queue(bg, "topic:calls"))(f)
	for _, name := range []string{"b.topic", "a.topic"} {
		must(topic.Cursor(bg, name))(f)
	}
	for range 3 {
		if err := f.add(10); err != nil {
			t.Fatal(err)
		}
		if err := topic.Append(bg, []*engine.Event{{ID: "t"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.cursor.Commit(bg, 1); err != nil {
		t.Fatal(err)
	}
	f.Close()
	f.Journal = mustOpen(t, "", journal.Options{FS: f.fs.Crash(nil)})
	if got := f.orphans(everybody); got != nil {
		t.Errorf("got %v though all are wanted", got)
	}
	want := []engine.Orphan{
		{Log: "f", Cursor: "main", Events: 2},
		{Log: "topic:calls", Cursor: "a.topic", Events: 3},
		{Log: "topic:calls", Cursor: "b.topic", Events: 3},
	}
	if diff := cmp.Diff(want, f.orphans(nobody)); diff != "" {
		t.Error(diff)
	}
	if err := errors.Join(f.Drop(bg, "f", ""), f.Drop(bg, "topic:calls", "a.topic")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[2:], f.orphans(nobody)); diff != "" {
		t.Error(diff)
	}
	f.use(f.Journal) // the flow comes back
	if err := f.add(10); err != nil {
		t.Fatal(err)
	}
	batch := make([]*engine.Event, 10)
	if n, err := f.cursor.Next(bg, batch); n != 1 || batch[0].Offset != 4 || err != nil {
		t.Errorf("read %d and %v, want the one event behind those that were dropped", n, err)
	}
}

func TestWhatWaitsForNobodyGoesWhenItIsOldAndIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		opt := journal.Options{KeepAge: time.Hour, SegmentSize: 16 << 10, Log: slog.New(slog.NewTextHandler(&log, nil))}
		f := newFixture(t, opt)
		for range 100 {
			if err := f.add(1000); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.cursor.Commit(bg, 10); err != nil {
			t.Fatal(err)
		}
		f.Close()
		opt.FS = f.fs.Crash(nil)
		f.Journal = mustOpen(t, "", opt)
		before := f.Stats().Segments
		time.Sleep(2 * time.Hour)
		if n := f.Stats().Segments; n < before {
			t.Fatal("events are gone before it was known whether anybody wants them")
		}
		f.Tend(everybody)
		time.Sleep(2 * time.Minute)
		if n := f.Stats().Segments; n < before {
			t.Fatal("events are gone that are wanted")
		}
		waited := f.orphans(nobody)
		time.Sleep(2 * time.Minute)
		if n := f.Stats().Segments; n > 1 {
			t.Errorf("%d segments are left", n)
		}
		left := f.orphans(nobody)
		f.use(f.Journal)
		f.Close()
		var gone, n uint64
		for line := range strings.Lines(log.String()) {
			if _, count, ok := strings.Cut(line, "log=f flow=main events="); ok {
				fmt.Sscan(count, &n)
				gone += n
			}
		}
		if len(waited) != 1 || waited[0].Events != 90 || len(left) != 1 || gone != 90-left[0].Events || gone < 60 {
			t.Errorf("%v waited, %v are left, %d are told to be gone", waited, left, gone)
		}
	})
}

func TestALogWithoutAReaderDoesNotFillTheStore(t *testing.T) {
	f := newFixture(t, journal.Options{KeepSize: 256 << 10, SegmentSize: 16 << 10})
	f.Tend(everybody)
	topic := must(f.Queue(bg, "topic:calls"))(f)
	body := engine.JSON([]byte(`"` + strings.Repeat("x", 1000) + `"`))
	for range 1000 {
		if err := topic.Append(bg, []*engine.Event{{ID: "t", Data: body}}); err != nil {
			t.Fatal(err)
		}
	}
}
