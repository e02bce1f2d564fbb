package journal_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
)

// A fixture is a journal with one flow and its cursor.
type fixture struct {
	*journal.Journal
	t      testing.TB
	fs     *memfs.FS
	log    engine.Log
	cursor engine.Cursor
	serial int
}

func newFixture(t testing.TB, opt journal.Options) *fixture {
	t.Helper()
	f := &fixture{t: t, fs: memfs.New()}
	opt.FS = f.fs
	f.use(mustOpen(t, "", opt))
	t.Cleanup(func() { f.Close() })
	return f
}

func (f *fixture) use(j *journal.Journal) {
	f.Journal = j
	f.log = must(j.Log(bg, "f"))(f)
	f.cursor = must(f.log.Cursor(bg, "main"))(f)
}

func (f *fixture) Helper()                           { f.t.Helper() }
func (f *fixture) Fatalf(format string, args ...any) { f.t.Helper(); f.t.Fatalf(format, args...) }

// add appends an event of about so many bytes.
func (f *fixture) add(size int) error {
	f.serial++
	return f.log.Append(bg, []*engine.Event{{ID: fmt.Sprint(f.serial), Data: engine.JSON([]byte(`"` + strings.Repeat("x", size) + `"`))}})
}

// fill adds events until one is refused.
func (f *fixture) fill(size int) error {
	f.t.Helper()
	for range 100_000 {
		if err := f.add(size); err != nil {
			return err
		}
	}
	f.t.Fatal("it is never full")
	return nil
}

// deliver reads and commits all there is, and returns how much.
func (f *fixture) deliver() (n int) {
	f.t.Helper()
	batch := make([]*engine.Event, 32)
	for f.cursor.Committed() < f.log.End() {
		k, err := f.cursor.Next(bg, batch)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := f.cursor.Commit(bg, batch[k-1].Offset); err != nil {
			f.t.Fatal(err)
		}
		n += k
	}
	return n
}

func TestAFullLogRefusesAndTakesAgainWhenItIsDelivered(t *testing.T) {
	f := newFixture(t, journal.Options{KeepSize: 256 << 10, SegmentSize: 16 << 10})
	for range 3 {
		err := f.fill(1000)
		if !errors.Is(err, engine.ErrFull) || !strings.Contains(err.Error(), `flow "f"`) {
			t.Fatalf("error %v, want one that names the flow", err)
		}
		if err := f.Health(); !errors.Is(err, engine.ErrFull) {
			t.Errorf("Health() = %v", err)
		}
		if s := f.Stats(); s.Size > s.Limit || s.Size < s.Limit*3/4 {
			t.Errorf("it is full at %d of %d", s.Size, s.Limit)
		}
		f.deliver()
		if err := f.add(1000); err != nil {
			t.Fatal(err)
		}
		if err := f.Health(); err != nil {
			t.Errorf("Health() = %v", err)
		}
	}
}

func TestAFullDiskCanBeDrainedAndRecoversByItself(t *testing.T) {
	f := newFixture(t, journal.Options{SegmentSize: 64 << 10})
	f.fs.Room(1 << 20)
	for range 3 {
		if err := f.fill(1000); !errors.Is(err, engine.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("error %v", err)
		}
		if f.Health() == nil {
			t.Error("a full disk is healthy")
		}
		if n := f.deliver(); n < 100 {
			t.Errorf("%d events were delivered", n)
		}
		if err := f.add(1000); err != nil {
			t.Fatalf("after all is delivered: %v", err)
		}
	}
	if f.Health() != nil {
		t.Errorf("Health() = %v", f.Health())
	}
}

func TestHealthMendsWithoutTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, journal.Options{})
		f.fs.Fault(func(op memfs.Op) error {
			if op.Kind == "sync" || op.Kind == "create" {
				return syscall.EIO
			}
			return nil
		})
		if err := f.add(1); !errors.Is(err, syscall.EIO) {
			t.Fatalf("Append = %v", err)
		}
		time.Sleep(3 * time.Second)
		if err := f.Health(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Health() = %v", err)
		}
		f.fs.Fault(nil)
		time.Sleep(2 * time.Second)
		if err := f.Health(); err != nil {
			t.Errorf("Health() = %v", err)
		}
		if err := f.add(1); err != nil {
			t.Error(err)
		}
		f.Close()
	})
}

func TestDeliveredEventsGoWhenTheyAreOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, journal.Options{KeepAge: time.Hour, SegmentSize: 16 << 10})
		keys := must(f.Keys(bg, "f", "n"))(f)
		won := func(owner engine.Offset) bool {
			return must(keys.Claim(bg, []engine.Claim{{Key: "k", Owner: owner}}, 48*time.Hour))(f)[0]
		}
		if !won(1) {
			t.Fatal("the key is not won")
		}
		if err := f.DeadLetters().Add(bg, engine.DeadLetter{Event: &engine.Event{ID: "dead"}}); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := f.add(1000); err != nil {
				t.Fatal(err)
			}
		}
		before := f.Stats().Segments
		time.Sleep(2 * time.Hour)
		if n := f.Stats().Segments; n != before {
			t.Errorf("%d of %d segments are left, and nothing was delivered", n, before)
		}
		f.deliver()
		time.Sleep(2 * time.Minute)
		if n := f.Stats().Segments; n > 1 {
			t.Errorf("%d segments are left", n)
		}
		// What still counts was carried on.
		f.Close()
		f.use(mustOpen(t, "", journal.Options{FS: f.fs.Crash(nil), SegmentSize: 16 << 10}))
		keys = must(f.Keys(bg, "f", "n"))(f)
		if won(2) || !won(1) {
			t.Error("a key is lost with the segment that had it")
		}
		if letters := must(f.DeadLetters().List(bg))(f); len(letters) != 1 || letters[0].Event.ID != "dead" {
			t.Errorf("letters: %v", letters)
		}
		if damage, lost := f.Losses(); len(damage)+len(lost) > 0 {
			t.Errorf("%v, %v", damage, lost)
		}
		if f.cursor.Committed() != 100 || f.log.End() != 100 {
			t.Errorf("committed %d of %d", f.cursor.Committed(), f.log.End())
		}
		f.Close()
	})
}

func TestARemovedFlowHoldsNothingBack(t *testing.T) {
	f := newFixture(t, journal.Options{KeepSize: 256 << 10, SegmentSize: 16 << 10})
	f.fill(1000)
	if err := f.Drop(bg, "f", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.cursor.Next(bg, make([]*engine.Event, 1)); !errors.Is(err, journal.ErrTaken) {
		t.Errorf("Next = %v", err)
	}
	other := must(f.Log(bg, "g"))(f)
	for range 200 {
		c := must(other.Cursor(bg, "main"))(f)
		if err := other.Append(bg, []*engine.Event{{ID: "1", Data: engine.JSON(make([]byte, 1000))}}); err != nil {
			t.Fatal(err)
		}
		if err := c.Commit(bg, other.End()); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	f.use(mustOpen(t, "", journal.Options{FS: f.fs.Crash(nil), KeepSize: 256 << 10, SegmentSize: 16 << 10}))
	if err := f.fill(1000); !errors.Is(err, engine.ErrFull) {
		t.Fatal(err)
	}
	if err := f.Drop(bg, "f", "main"); err != nil { // the cursor alone: what it read is nobody's
		t.Fatal(err)
	}
	f.cursor = must(f.log.Cursor(bg, "again"))(f)
	f.deliver()
	if err := f.add(1000); err != nil {
		t.Error(err)
	}
}

func TestTooManyKeysAreRefusedByName(t *testing.T) {
	f := newFixture(t, journal.Options{MaxKeys: 3})
	keys := must(f.Keys(bg, "f", "n"))(f)
	claim := func(key string) error {
		_, err := keys.Claim(bg, []engine.Claim{{Key: key, Owner: 1 << 63}}, time.Hour)
		return err
	}
	for _, key := range []string{"a", "b", "c", "a"} {
		if err := claim(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := claim("d"); err == nil || !strings.Contains(err.Error(), "3 dedupe keys are remembered already") {
		t.Errorf("error %v", err)
	}
}

func TestAKeyIsFreeAfterTheClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, journal.Options{})
		keys := must(f.Keys(bg, "f", "n"))(f)
		claim := func(owner engine.Offset, ttl time.Duration) bool {
			return must(keys.Claim(bg, []engine.Claim{{Key: "k", Owner: owner}}, ttl))(f)[0]
		}
		// As if claimed for an hour by a clock a year ahead.
		if !claim(1<<63, 366*24*time.Hour) || claim(1<<63+1, time.Hour) {
			t.Error("the key is not the first one's")
		}
		time.Sleep(61 * time.Minute)
		if !claim(1<<63+1, time.Hour) {
			t.Error("the key is stuck")
		}
		f.Close()
	})
}

func TestAnUnknownFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, journal.Options{}).Close()
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("flowd journal 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := journal.Open(dir, journal.Options{})
	want := `its format is "flowd journal 2" and this flowd knows "flowd journal 1": use the flowd that wrote it, or another folder`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for want, opt := range map[string]journal.Options{
		`fsync is "often"`: {Fsync: "often"},
		"at least":         {KeepSize: 1000},
		"at most":          {SegmentSize: 4 << 30},
	} {
		if _, err := journal.Open(t.TempDir(), opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestAFolderThatCantBeWrittenIsRefused(t *testing.T) {
	if os.Getuid() == 0 {
		file := filepath.Join(t.TempDir(), "file")
		os.WriteFile(file, nil, 0o600)
		if _, err := journal.Open(filepath.Join(file, "store"), journal.Options{}); err == nil {
			t.Error("a file was taken for a folder")
		}
		return
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o500)
	if _, err := journal.Open(dir, journal.Options{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("error %v", err)
	}
}

func TestASecondProcessIsRefusedByName(t *testing.T) {
	if dir := os.Getenv("JOURNAL_DIR"); dir != "" { // the second process
		_, err := journal.Open(dir, journal.Options{})
		fmt.Println(err)
		return
	}
	dir := t.TempDir()
	j := mustOpen(t, dir, journal.Options{})
	cmd := exec.Command(os.Args[0], "-test.run=^TestASecondProcessIsRefusedByName$")
	cmd.Env = append(os.Environ(), "JOURNAL_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("it is in use by process %d: stop that one, or use another folder", os.Getpid()); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s, %v, want %q", out, err, want)
	}
	j.Close()
	mustOpen(t, dir, journal.Options{}).Close()
}

func TestABacklogTakesDiskAndNotMemory(t *testing.T) {
	j := mustOpen(t, t.TempDir(), journal.Options{Fsync: journal.Never, Cache: 1 << 20, SegmentSize: 4 << 20})
	defer j.Close()
	log := must(j.Log(bg, "f"))(t)
	must(log.Cursor(bg, "main"))(t)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	add := func(n int) {
		for i := 0; i < n; i += 100 {
			batch := make([]*engine.Event, 100)
			for k := range batch {
				batch[k] = webhook(i + k)
			}
			if err := log.Append(bg, batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(5_000)
	before := heap()
	add(50_000)
	if after := heap(); after > before+1<<20 {
		t.Errorf("50,000 events that wait take %d bytes of memory", after-before)
	}
}

func TestManyReadersAndWritersShareALog(t *testing.T) {
	const flows, events = 50, 40
	j := mustOpen(t, t.TempDir(), journal.Options{SegmentSize: 256 << 10, KeepSize: 4 << 20, Cache: 4 << 10})
	defer j.Close()
	var wg sync.WaitGroup
	for f := range flows {
		log := must(j.Log(bg, fmt.Sprint(f)))(t)
		cursor := must(log.Cursor(bg, "main"))(t)
		wg.Go(func() {
			for i := range events {
				e := webhook(i)
				e.ID = fmt.Sprint(f, "/", i)
				if err := log.Append(bg, []*engine.Event{e}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			batch := make([]*engine.Event, 3)
			for i := 0; i < events; {
				n, err := cursor.Next(bg, batch)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range batch[:n] {
					if want := fmt.Sprint(f, "/", i); e.ID != want {
						t.Errorf("got %s, want %s", e.ID, want)
					}
					i++
				}
				if i%2 == 0 {
					if err := cursor.Commit(bg, batch[n-1].Offset); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestLargeEventsAreGivenFewAtATime(t *testing.T) {
	const events, size = 30, 300 << 10
	f := newFixture(t, journal.Options{})
	for range events {
		if err := f.add(size); err != nil {
			t.Fatal(err)
		}
	}
	for _, where := range []string{"memory", "disk"} {
		batch := make([]*engine.Event, 256)
		next := engine.Offset(1)
		for next <= events {
			n, err := f.cursor.Next(bg, batch)
			if err != nil {
				t.Fatal(err)
			}
			if n > 4 {
				t.Errorf("from %s: %d events of %d bytes are given at a time", where, n, size)
			}
			for _, e := range batch[:n] {
				if e.Offset != next {
					t.Fatalf("from %s: got event %d, want %d", where, e.Offset, next)
				}
				next++
			}
		}
		f.Close()
		f.use(mustOpen(t, "", journal.Options{FS: f.fs}))
	}
}
