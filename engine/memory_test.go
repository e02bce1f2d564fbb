package engine_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

func TestTheStoreInMemoryIsAStore(t *testing.T) {
	enginetest.TestStore(t, func(*testing.T) engine.Store { return engine.MemoryStore() }, nil)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestALogInMemoryKeepsItsOrderWhileItIsTrimmed(t *testing.T) {
	log, err := engine.MemoryStore().Queue(t.Context(), "q")
	must(t, err)
	c, err := log.Cursor(t.Context(), "c")
	must(t, err)
	batch := make([]*engine.Event, 300)
	put, taken := 0, 0
	for i := range 2000 {
		var more []*engine.Event
		for range i*7919%100 + 1 {
			put++
			more = append(more, &engine.Event{ID: strconv.Itoa(put)})
		}
		must(t, log.Append(t.Context(), more))
		for put-taken > i*104729%200 { // what lags behind
			n, err := c.Next(t.Context(), batch[:min(50, put-taken)])
			must(t, err)
			for _, e := range batch[:n] {
				if taken++; e.ID != strconv.Itoa(taken) || e.Offset != engine.Offset(taken) {
					t.Fatalf("event %d is %s at %d", taken, e.ID, e.Offset)
				}
			}
			must(t, c.Commit(t.Context(), engine.Offset(max(0, taken-20))))
		}
	}
	if log.End() != engine.Offset(put) {
		t.Errorf("the log ends at %d, want %d", log.End(), put)
	}
}

// BenchmarkMemoryLog is the cost of an event from the append to the commit.
func BenchmarkMemoryLog(b *testing.B) {
	log, err := engine.MemoryStore().Queue(b.Context(), "q")
	if err != nil {
		b.Fatal(err)
	}
	c, err := log.Cursor(b.Context(), "c")
	if err != nil {
		b.Fatal(err)
	}
	batch, into := make([]*engine.Event, 256), make([]*engine.Event, 256)
	for i := range batch {
		batch[i] = &engine.Event{}
	}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if n++; n%len(batch) != 0 {
			continue
		}
		if err := log.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Next(b.Context(), into); err != nil {
			b.Fatal(err)
		}
		if err := c.Commit(b.Context(), into[len(into)-1].Offset); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemoryKeys is the cost of a claim of a key that is new, where a
// million are remembered.
func BenchmarkMemoryKeys(b *testing.B) {
	keys, err := engine.MemoryStore().Keys(b.Context(), "f", "n")
	if err != nil {
		b.Fatal(err)
	}
	claims := make([]engine.Claim, 256)
	n := 0
	claim := func() {
		for i := range claims {
			n++
			claims[i] = engine.Claim{Key: "EV_" + strconv.Itoa(n), Owner: engine.Offset(n)}
		}
		if _, err := keys.Claim(b.Context(), claims, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	for n < 1_000_000 {
		claim()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(claims) == 0 {
			claim()
		}
	}
}
