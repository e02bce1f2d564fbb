package journal_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
)

func TestNothingIsWrittenToASegmentAfterItsSyncFailed(t *testing.T) {
	f := newFixture(t, journal.Options{})
	if err := f.add(10); err != nil {
		t.Fatal(err)
	}
	var failed string
	var wrote atomic.Bool
	f.fs.Fault(func(op memfs.Op) error {
		switch {
		case op.Kind == "sync" && failed == "":
			failed = op.Name
			return syscall.EIO
		case op.Kind == "write" && op.Name == failed:
			wrote.Store(true)
		}
		return nil
	})
	if err := f.add(10); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Append = %v", err)
	}
	for range 5 {
		if err := f.add(10); err != nil {
			t.Fatal(err)
		}
	}
	if wrote.Load() {
		t.Errorf("%s was written to after its sync had failed", failed)
	}
}

func TestWhatARestartFoundOutlivesAPowerCut(t *testing.T) {
	f := newFixture(t, journal.Options{})
	if err := f.add(10); err != nil {
		t.Fatal(err)
	}
	f.fs.Fault(func(op memfs.Op) error {
		if op.Kind == "sync" || op.Kind == "create" {
			return syscall.EIO
		}
		return nil
	})
	if err := f.add(10); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Append = %v", err)
	}
	f.Close()
	f.fs.Fault(nil)
	f.use(mustOpen(t, "", journal.Options{FS: f.fs}))
	found := f.log.End()
	if found != 2 {
		t.Fatalf("the log ends at %d, want the frame whose sync had failed to be found whole", found)
	}
	f.Close()
	f.use(mustOpen(t, "", journal.Options{FS: f.fs.Crash(nil)}))
	if f.log.End() != found {
		t.Errorf("the log ended at %d, and ends at %d after a power cut", found, f.log.End())
	}
}

func TestCursorsCommitWhenNotAByteIsFree(t *testing.T) {
	for size := 100; size < 1100; size += 50 {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			f := newFixture(t, journal.Options{SegmentSize: 16 << 10, KeepSize: 1 << 20})
			f.fs.Room(100 << 10)
			f.fill(size)
			f.fs.Room(0) // somebody else took the rest
			batch := make([]*engine.Event, 10)
			for n := 0; n < 8; {
				k, err := f.cursor.Next(bg, batch[:1])
				if err != nil {
					t.Fatal(err)
				}
				if err := f.cursor.Commit(bg, batch[k-1].Offset); err != nil {
					t.Fatalf("commit %d: %v", n, err)
				}
				n += k
			}
		})
	}
}
