package journal

import (
	"context"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
)

func TestABacklogTakesNoMemoryThatNobodyWillReadFrom(t *testing.T) {
	j, err := Open(t.TempDir(), Options{Fsync: Never, Cache: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	fl := j.flow("f")
	cursor, err := fl.Cursor(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	add := func(n int) {
		t.Helper()
		for range n {
			e := &engine.Event{Data: engine.Value(strings.Repeat("x", 1000))}
			if err := fl.Append(context.Background(), []*engine.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := func() int {
		j.mu.Lock()
		defer j.mu.Unlock()
		return len(fl.recent)
	}
	last := engine.Offset(0)
	read := func(upto engine.Offset) {
		t.Helper()
		batch := make([]*engine.Event, 100)
		for last < upto {
			n, err := cursor.Next(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range batch[:n] {
				if last++; e.Offset != last {
					t.Fatalf("event %d came after %d", e.Offset, last-1)
				}
			}
		}
	}
	add(10)
	if kept() != 10 {
		t.Errorf("%d events are kept, want all 10 for the reader that is there", kept())
	}
	add(990)
	if kept() != 0 {
		t.Errorf("%d events are kept, and nobody is near them", kept())
	}
	read(900)
	add(10)
	if kept() != 10 {
		t.Errorf("%d events are kept, want the 10 that the reader comes to", kept())
	}
	read(1010)
}
