package journal_test

import (
	"fmt"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

// kept reads all that a log keeps behind after, n at a time.
func (f *fixture) kept(after engine.Offset, n int) (ids []string) {
	f.t.Helper()
	batch := make([]*engine.Event, n)
	for {
		got, err := f.log.(engine.KeptLog).Kept(bg, after, batch)
		if err != nil {
			f.t.Fatal(err)
		}
		if got == 0 {
			return ids
		}
		for _, e := range batch[:got] {
			ids = append(ids, e.ID)
		}
		after = batch[got-1].Offset
	}
}

func TestDeliveredEventsAreReadAgainWhileTheyAreKept(t *testing.T) {
	f := newFixture(t, journal.Options{KeepSize: 512 << 10, SegmentSize: 64 << 10})
	for range 300 {
		if err := f.add(100); err != nil {
			t.Fatal(err)
		}
	}
	f.deliver()
	for _, n := range []int{1, 7, 256} {
		if ids := f.kept(10, n); len(ids) != 290 || ids[0] != "11" || ids[289] != "300" {
			t.Errorf("read %d at a time, got %d events: %.60v", n, len(ids), ids)
		}
	}
	if n := f.cursor.Committed(); n != 300 {
		t.Errorf("the cursor is at %d", n)
	}
	for range 1000 { // the oldest segments go
		if err := f.add(1000); err != nil {
			t.Fatal(err)
		}
		f.deliver()
	}
	ids := f.kept(0, 256)
	if ids[0] == "1" || ids[len(ids)-1] != "1300" {
		t.Errorf("got those from %s to %s", ids[0], ids[len(ids)-1])
	}
	for i, id := range ids {
		if first := 1300 - len(ids) + 1; id != fmt.Sprint(first+i) {
			t.Fatalf("event %s is in the place of %d", id, first+i)
		}
	}
	if err := f.Drop(bg, "f", ""); err != nil {
		t.Fatal(err)
	}
	if ids := f.kept(0, 256); len(ids) != 0 {
		t.Errorf("%d events are kept that were given up", len(ids))
	}
}
