package journal_test

import (
	"fmt"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/flowd/flowd/engine/journal/memfs"
)

func TestNothingIsLostWhereverThePowerIsCut(t *testing.T) {
	const steps = 120
	total := operations(t, steps)
	every := 1
	if testing.Short() {
		every = 7
	}
	for cut := 1; cut <= total; cut += every {
		for _, how := range []string{"power cut", "hard power cut", "kill"} {
			w := newWorld(&place{t, fmt.Sprintf("%s at operation %d", how, cut)}, dice(1))
			w.fs.CutAfter(cut)
			if w.open() == nil {
				w.live(steps)
			}
			w.restart(how)
			w.live(10)
			w.finish()
		}
	}
}

// place says where a test is when it fails.
type place struct {
	*testing.T
	where string
}

func (a *place) Fatalf(format string, args ...any) {
	a.T.Helper()
	a.T.Fatalf(a.where+": "+format, args...)
}

// operations counts those of a world that meets no fault.
func operations(t *testing.T, steps int) int {
	w := newWorld(t, dice(1))
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.live(steps)
	w.j.Close()
	return w.fs.Ops()
}

func TestEveryOperationMayFail(t *testing.T) {
	const steps = 120
	total, every := operations(t, steps), 1
	if testing.Short() {
		every = 7
	}
	for n := 1; n <= total; n += every {
		for _, fault := range []struct {
			err   error
			times int
		}{{syscall.EIO, 1}, {syscall.EIO, 5}, {syscall.ENOSPC, 1}, {syscall.EROFS, 40}} {
			w := newWorld(&place{t, fmt.Sprintf("%v %d times from operation %d", fault.err, fault.times, n)}, dice(uint64(n)))
			w.fs.Fault(func(op memfs.Op) error {
				if op.N >= n && op.N < n+fault.times {
					return fault.err
				}
				return nil
			})
			if w.open() != nil {
				w.restart("stop")
			}
			w.live(steps)
			if n%2 == 0 {
				w.restart("power cut")
			}
			w.finish()
		}
	}
}

func TestADiskThatFillsAnywhereLosesNothing(t *testing.T) {
	every := int64(512)
	if testing.Short() {
		every = 4 << 10
	}
	for room := int64(1 << 10); room < 100<<10; room += every {
		w := newWorld(&place{t, fmt.Sprintf("%d bytes", room)}, dice(uint64(room)))
		w.fs.Room(room)
		if w.open() != nil {
			w.fs.Room(1 << 40)
			w.restart("stop")
			w.fs.Room(room)
		}
		w.live(150)
		if room%1024 == 0 {
			w.restart("power cut")
			w.live(50)
		}
		w.finish()
	}
}

func TestAnythingMayHappenInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, func(what string, n int) int { return rapid.IntRange(0, n-1).Draw(t, what) })
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.j.Close() })
		things := map[string]func(*rapid.T){}
		for i, action := range actions {
			things[fmt.Sprint(action, " ", i)] = func(*rapid.T) { w.step(action) }
		}
		for _, how := range []string{"stop", "kill", "power cut", "hard power cut"} {
			things[how] = func(*rapid.T) { w.restart(how) }
		}
		things["fault"] = func(t *rapid.T) {
			from := w.fs.Ops() + rapid.IntRange(1, 8).Draw(t, "in")
			times := rapid.SampledFrom([]int{1, 1, 2, 10}).Draw(t, "times")
			err := rapid.SampledFrom([]error{syscall.EIO, syscall.ENOSPC}).Draw(t, "error")
			w.fs.Fault(func(op memfs.Op) error {
				if op.N >= from && op.N < from+times && op.Kind != "list" && op.Kind != "lock" && op.Kind != "open" {
					return err
				}
				return nil
			})
		}
		things["fill"] = func(t *rapid.T) { w.fs.Room(rapid.Int64Range(1<<10, 128<<10).Draw(t, "room")) }
		things["clear"] = func(*rapid.T) { w.fs.Room(1 << 40) }
		t.Repeat(things)
		w.finish()
	})
}
