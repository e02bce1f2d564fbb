package journal

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

// samples are events of every shape.
func samples() []*engine.Event {
	deep := any("bottom")
	for range 200 {
		deep = []any{deep}
	}
	return []*engine.Event{
		{},
		{ID: "1", Source: "s", Type: "t", Subject: "ü", Node: "n", At: "m", Time: time.Unix(1, 999_999_999).UTC(), Data: engine.JSON([]byte(`{"a":1}`))},
		{Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), Data: engine.JSON([]byte("no JSON \xff\x00"))},
		{Time: time.Date(-5, 1, 1, 0, 0, 0, 1, time.UTC), Meta: engine.Meta{}},
		{Meta: engine.Meta{
			"nil": nil, "yes": true, "no": false, "int": int64(-7), "big": int64(math.MinInt64), "float": 1e300, "text": "a\x00b",
			"list": []any{int64(1), "2", []any{}, map[string]any{}}, "map": map[string]any{"": map[string]any{"x": nil}}, "deep": deep,
		}},
		{Failure: &engine.Failure{Message: "m", Node: "n", Attempts: 2, First: time.Unix(5, 0).UTC(), Last: time.Unix(6, 0).UTC()}},
	}
}

// plain is an event as comparable values.
func plain(t *testing.T, e *engine.Event) []any {
	t.Helper()
	data, err := e.Data.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return []any{e.ID, e.Source, e.Type, e.Subject, e.Node, e.At, e.Time, string(data), e.Meta, e.Failure}
}

func TestAnEventIsReadAsItWasWritten(t *testing.T) {
	for i, e := range samples() {
		b, err := appendEvent([]byte("before")[:0], e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readEvent(b)
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if want, got := plain(t, e), plain(t, got); !reflect.DeepEqual(got, want) {
			t.Errorf("event %d is\n%v, want\n%v", i, got, want)
		}
	}
}

func TestEventsOfOneMetaAreReadAsTheyWereWritten(t *testing.T) {
	file := engine.Meta{"path": "a"}
	var w encoder
	var want []any
	ends := []int{0}
	for i, meta := range []engine.Meta{file, file, nil, file, {"path": "a"}, {"path": "ab"}, {}, {}, nil, nil} {
		e := &engine.Event{ID: strconv.Itoa(i), Meta: meta, Data: engine.JSON([]byte("1"))}
		if i == 3 {
			e.Failure = &engine.Failure{Message: "m"}
		}
		if err := w.event(e); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, len(w.buf))
		want = append(want, e.ID, e.Meta, e.Failure)
	}
	for _, backwards := range []bool{false, true} {
		var d decoder
		got := make([]any, len(want))
		for k := range len(ends) - 1 {
			i := k
			if backwards { // as pages are read
				i = len(ends) - 2 - k
			}
			e, err := d.event(w.buf[ends[i]:ends[i+1]])
			if err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
			got[3*i], got[3*i+1], got[3*i+2] = e.ID, e.Meta, e.Failure
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOtherValuesOfMetaAreReadAsJSON(t *testing.T) {
	meta := engine.Meta{"list": []string{"a"}, "int": 3, "small": uint8(4), "huge": uint64(math.MaxUint64), "map": map[string]string{"k": "v"}}
	b, err := appendEvent(nil, &engine.Event{Meta: meta})
	if err != nil {
		t.Fatal(err)
	}
	e, err := readEvent(b)
	if err != nil {
		t.Fatal(err)
	}
	want := engine.Meta{"list": []any{"a"}, "int": int64(3), "small": int64(4), "huge": float64(math.MaxUint64), "map": map[string]any{"k": "v"}}
	if diff := cmp.Diff(want, e.Meta); diff != "" {
		t.Errorf("meta (-want +got):\n%s", diff)
	}
	if _, err := appendEvent(nil, &engine.Event{ID: "x", Meta: engine.Meta{"f": func() {}}}); err == nil {
		t.Error("a function was written")
	}
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 16383, 16384, 3 << 20} {
		for _, about := range []int{0, size, 3 << 20} {
			payload := bytes.Repeat([]byte{7, 8, 9}, size/3+1)[:size]
			b := appendRecord([]byte("before"), 5, about, func(b []byte) []byte { return append(b, payload...) })
			r, ok := firstRecord(b[len("before"):])
			if !ok || r.kind != 5 || !bytes.Equal(r.payload, payload) || r.size != len(b)-len("before") || recordSize(b[len("before"):]) != r.size {
				t.Errorf("a payload of %d bytes, thought to be %d, came as %d, %v", size, about, len(r.payload), ok)
			}
		}
	}
}

// FuzzEvent: what is read is an event, and is written and read as itself.
func FuzzEvent(f *testing.F) {
	for _, e := range samples() {
		b, err := appendEvent(nil, e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := readEvent(b)
		if err != nil {
			return
		}
		again, err := appendEvent(nil, e)
		if err != nil {
			t.Skip(err) // a year that JSON has no room for
		}
		got, err := readEvent(again)
		if err != nil {
			t.Fatalf("written again it can't be read: %v", err)
		}
		third, err := appendEvent(nil, got)
		if err != nil || len(third) != len(again) {
			t.Fatalf("written as %d bytes and as %d, %v", len(again), len(third), err)
		}
	})
}

// FuzzSegment: any bytes whatever are scanned and replayed without a panic, and
// only sealed frames are.
func FuzzSegment(f *testing.F) {
	m := newMark(1, 0xcafe)
	sealed := func(records []byte) []byte {
		frame := append(make([]byte, frameHeader), records...)
		m.seal(frame, 0)
		return frame
	}
	fr := &frame{seg: &segment{mark: m}, base: frameHeader}
	fl := &flow{hash: 7, name: "f"}
	fr.event(fl, []byte("body"))
	fr.cursor(fl, "main", 1, false)
	fr.claims(claims{expires: 1 << 62, ttl: 5, list: []claim{{owner: 1}, {owner: 9}}})
	fr.checkpoint(scope{1, 2}, "k", []byte("v"))
	fr.letter(3, []byte("letter"))
	fr.removed([]uint64{1, 2})
	fr.record(kindSummary, func(b []byte) []byte { return b })
	fr.record(kindPages, func(b []byte) []byte { return appendPages(b, 7, []page{{first: 1, last: 1, end: 20}}) })
	f.Add(fr.buf, false)
	f.Add(sealed(fr.buf), true)
	f.Add(append(sealed(fr.buf), sealed(fr.buf)...), true)
	f.Fuzz(func(t *testing.T, b []byte, raw bool) {
		if !raw {
			b = sealed(b) // so that the checksum does not end it at once
		}
		s := &segment{mark: m, file: memoryFile{bytes.NewReader(b)}, end: int64(len(b))}
		j := &Journal{
			flows: map[uint64]*flow{}, checkpoints: map[scope]map[string][]byte{}, letters: map[uint64]letter{}, segments: []*segment{s},
		}
		if err := j.opt.setDefaults(); err != nil {
			t.Fatal(err)
		}
		re := replay{j: j, seg: s, oldest: true}
		for sc := s.scan(0, s.end); ; {
			records, at, err := sc.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			re.frame(records, at)
			re.summary(records, at)
		}
		for _, fl := range j.flows {
			for _, p := range fl.pages {
				if p.end-p.start < 1<<20 { // a sealed summary may say anything
					p.events(fl.hash, 0)
				}
			}
		}
		for id, l := range j.letters {
			if l.size < 1<<20 {
				j.readLetter(id, l)
			}
		}
	})
}

// A memoryFile is a file that is only read.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (memoryFile) Sync() error                        { return nil }
func (memoryFile) Allocate(int64) error               { return nil }
func (memoryFile) Close() error                       { return nil }
func (f memoryFile) Size() (int64, error)             { return f.Reader.Size(), nil }
