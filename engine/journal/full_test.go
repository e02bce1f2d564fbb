package journal_test

import (
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

func TestAFullDiskIsNoHealthierForCursorsThatMove(t *testing.T) {
	f := newFixture(t, journal.Options{SegmentSize: 64 << 10})
	f.fs.Room(1 << 20)
	f.fill(1000)
	batch := make([]*engine.Event, 32)
	for range 3 {
		n, err := f.cursor.Next(bg, batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.cursor.Commit(bg, batch[n-1].Offset); err != nil {
			t.Fatal(err)
		}
		if f.Health() == nil {
			t.Fatal("it says that it takes events")
		}
	}
}
