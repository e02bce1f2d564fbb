package journal_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
)

// A kept is a folder of known content.
type kept struct {
	fs    *memfs.FS
	opt   journal.Options
	ids   map[engine.Offset]string // by offset, of each of the flows alike
	flows []string
}

const keptEvents = 40

func keep(t *testing.T) kept {
	k := kept{fs: memfs.New(), opt: journal.Options{SegmentSize: 8 << 10, KeepSize: 1 << 20}, flows: []string{"a", "b"}}
	w := &world{t: t}
	k.ids = map[engine.Offset]string{}
	k.opt.FS = k.fs
	j := mustOpen(t, "", k.opt)
	for i := range keptEvents {
		for _, flow := range k.flows {
			e := w.make(i * 3)
			e.ID = fmt.Sprintf("%d-%d", i+1, i*3)
			e.Data = engine.JSON([]byte(payload(e.ID, i*3)))
			e.Type = fmt.Sprint("k", (i+1)%17)
			k.ids[engine.Offset(i+1)] = e.ID
			log := must(j.Log(bg, flow))(t)
			if err := log.Append(bg, []*engine.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The last frame is none of events: what is lost of it is a torn write.
	must(must(j.Log(bg, "a"))(t).Cursor(bg, "end"))(t)
	if err := must(j.Checkpoints(bg, "a", "n"))(t).Save(bg, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k kept) segments(t *testing.T) (names []string) {
	all, err := k.fs.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasSuffix(name, ".log") {
			names = append(names, name)
		}
	}
	return names
}

// check reads all that is left: no body is wrong, the order is kept, and what
// is missing is what is reported. Of a flow's newest events damaged bytes may be
// all that is known; and of the newest segment an end may be missing that looks
// like a write that was not finished.
func (k kept) check(t failer, fs *memfs.FS, tail bool) (missing uint64) {
	t.Helper()
	k.opt.FS = fs
	j, err := journal.Open("", k.opt)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer j.Close()
	w := &world{t: t}
	gone := map[string]map[engine.Offset]bool{}
	for _, flow := range k.flows {
		log := must(j.Log(bg, flow))(t)
		cursor := must(log.Cursor(bg, "check"))(t)
		gone[flow] = map[engine.Offset]bool{}
		for o := range k.ids {
			gone[flow][o] = true
		}
		batch := make([]*engine.Event, 16)
		before := engine.Offset(0)
		for before < log.End() {
			ctx, cancel := ended()
			n, err := cursor.Next(ctx, batch)
			cancel()
			if err != nil {
				break // the rest is missing
			}
			for _, e := range batch[:n] {
				w.intact(e)
				if e.Offset <= before || e.ID != k.ids[e.Offset] {
					t.Fatalf("offset %d, after %d, is %q", e.Offset, before, e.ID)
				}
				before = e.Offset
				delete(gone[flow], e.Offset)
			}
		}
		if damage, _ := j.Losses(); tail || len(damage) > 0 {
			for o := log.End() + 1; o <= keptEvents; o++ {
				delete(gone[flow], o)
			}
		}
	}
	damage, lost := j.Losses()
	for _, l := range lost {
		for o := l.First; o <= l.Last; o++ {
			if !gone[l.Flow][o] {
				t.Fatalf("offset %d of %q is reported lost, and came or never was", o, l.Flow)
			}
			delete(gone[l.Flow], o)
			missing++
		}
	}
	for flow, rest := range gone {
		if len(rest) > 0 {
			t.Fatalf("of %q are missing and not reported: %v (damage %v)", flow, rest, damage)
		}
	}
	if s := j.Stats(); s.Lost != missing {
		t.Fatalf("%d events are reported and %d counted", missing, s.Lost)
	}
	// The store goes on.
	log := must(j.Log(bg, "a"))(t)
	if err := log.Append(bg, []*engine.Event{w.make(1)}); err != nil || log.End() == 0 {
		t.Fatalf("Append: %v", err)
	}
	return missing
}

func stride(n int) int {
	if testing.Short() {
		return n * 10
	}
	return n
}

func TestAFlippedBitLosesAtMostItsFrameAndIsReported(t *testing.T) {
	k := keep(t)
	k.check(t, k.fs.Kill(), false)
	flips, lost := 0, uint64(0)
	for _, name := range k.segments(t) {
		var size int
		k.fs.Corrupt(name, func(b []byte) []byte { size = len(b); return b })
		for at := 0; at < size; at += stride(11) {
			fs := k.fs.Kill()
			fs.Corrupt(name, func(b []byte) []byte { b[at] ^= 1 << (at % 8); return b })
			n := k.check(&place{t, fmt.Sprintf("byte %d of %s", at, name)}, fs, false)
			if n > 2 {
				t.Fatalf("byte %d of %s cost %d events", at, name, n)
			}
			flips++
			lost += n
		}
	}
	t.Logf("%d flips cost %d events", flips, lost)
}

func TestDamageIsReportedWhereverItIs(t *testing.T) {
	k := keep(t)
	names := k.segments(t)
	if len(names) < 4 {
		t.Fatalf("%d segments are too few", len(names))
	}
	hurt := map[string]func(at int) func([]byte) []byte{
		"a lost sector": func(at int) func([]byte) []byte {
			return func(b []byte) []byte { clear(b[at:min(at+512, len(b))]); return b }
		},
		"an old sector": func(at int) func([]byte) []byte {
			return func(b []byte) []byte { copy(b[at:min(at+512, len(b))], b); return b }
		},
		"a shifted tail": func(at int) func([]byte) []byte {
			return func(b []byte) []byte { return slices.Concat(b[:at], []byte("???"), b[at:]) }
		},
		"a truncated file": func(at int) func([]byte) []byte {
			return func(b []byte) []byte { return b[:at] }
		},
	}
	for what, change := range hurt {
		for i, name := range names {
			var size int
			k.fs.Corrupt(name, func(b []byte) []byte { size = len(b); return b })
			for at := 0; at < size; at += stride(131) {
				fs := k.fs.Kill()
				fs.Corrupt(name, change(at))
				k.check(&place{t, fmt.Sprintf("%s at %d of %s", what, at, name)}, fs, i == len(names)-1)
			}
		}
	}
}

func TestAMissingSegmentIsReported(t *testing.T) {
	k := keep(t)
	names := k.segments(t)
	for _, name := range names[1 : len(names)-1] {
		fs := k.fs.Kill()
		if err := fs.Remove(name); err != nil {
			t.Fatal(err)
		}
		if k.check(&place{t, name}, fs, false) == 0 {
			t.Errorf("without %s nothing is lost", name)
		}
	}
}

func TestAFrameInAPayloadIsNoFrame(t *testing.T) {
	// Somebody who has read the disk sends a frame of the very segment, and the
	// frame around it is damaged.
	fs := memfs.New()
	opt := journal.Options{FS: fs}
	j := mustOpen(t, "", opt)
	log := must(j.Log(bg, "f"))(t)
	add := func(data []byte) {
		t.Helper()
		if err := log.Append(bg, []*engine.Event{{ID: "x", Data: engine.JSON(data)}}); err != nil {
			t.Fatal(err)
		}
	}
	add(nil)
	name := kept{fs: fs}.segments(t)[0]
	var frames []byte
	fs.Corrupt(name, func(b []byte) []byte { frames = bytes.Clone(b[:500]); return b })
	add(frames)
	add(nil)
	j.Close()
	fs.Corrupt(name, func(b []byte) []byte {
		b[bytes.LastIndex(b, frames[:100])-1] ^= 1
		return b
	})
	j = mustOpen(t, "", opt)
	defer j.Close()
	if _, lost := j.Losses(); !slices.Equal(lost, []journal.Lost{{Flow: "f", First: 2, Last: 2}}) {
		t.Errorf("lost %v", lost)
	}
	batch := make([]*engine.Event, 4)
	n, err := must(must(j.Log(bg, "f"))(t).Cursor(bg, "main"))(t).Next(bg, batch)
	if err != nil || n != 2 || batch[0].Offset != 1 || batch[1].Offset != 3 {
		t.Errorf("read %v, %v", batch[:n], err)
	}
}
