package core

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/flowd/flowd/engine"
)

// A driven is a Holder that is driven as the engine does it.
type driven struct {
	engine.Holder
	t     *testing.T
	began time.Time
	last  engine.Offset

	mu     sync.Mutex
	out    engine.Outlet
	came   []string // what was emitted, and when
	ending chan struct{}
	ended  sync.WaitGroup
}

func drive(t *testing.T, p engine.Processor) *driven {
	t.Helper()
	d := &driven{Holder: p.(engine.Holder), t: t, began: time.Now(), ending: make(chan struct{})}
	d.ended.Go(func() {
		for {
			select {
			case <-d.Wake():
				d.due()
			case <-d.ending:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(d.ending)
		d.ended.Wait()
		if err := d.Holder.(engine.Closer).Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *driven) due() {
	var out engine.Outlet
	if err := d.Due(d.t.Context(), &out); err != nil {
		d.t.Error(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(out.Emitted(0)); n > mostReleased {
		d.t.Errorf("%d events go on at once", n)
	}
	for _, e := range out.Emitted(0) {
		d.out.Emit(e)
		d.came = append(d.came, fmt.Sprintf("%s %s", time.Since(d.began).Round(time.Millisecond), e.ID))
	}
	for _, f := range out.Failures() {
		d.out.Fail(f.Event, f.Err)
	}
}

// give gives the node events, each with the next offset unless it has one.
func (d *driven) give(events ...*engine.Event) *engine.Outlet {
	d.t.Helper()
	for _, e := range events {
		if e.Offset == 0 {
			e.Offset = d.last + 1
		}
		d.last = max(d.last, e.Offset)
	}
	return process(d.t, d.Holder, events...)
}

// after lets time pass and returns what came meanwhile.
func (d *driven) after(wait time.Duration) []string {
	time.Sleep(wait)
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	came := d.came
	d.came = nil
	return came
}

// emitted returns what came so far, and forgets it.
func (d *driven) emitted() []*engine.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	events := d.out.Emitted(0)
	d.out, d.came = engine.Outlet{}, nil
	return events
}

func (d *driven) wantHeld(want engine.Offset) {
	d.t.Helper()
	got, ok := d.Held()
	if got != want || ok != (want != 0) {
		d.t.Errorf("the oldest held is %d (%v), want %d", got, ok, want)
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// inTime runs a test where time is virtual.
func inTime(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func dataOf(t *testing.T, e *engine.Event) string {
	t.Helper()
	text, err := e.Data.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOffsetsKnowTheSmallest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s offsets
		model := map[engine.Offset]int{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				o := engine.Offset(rapid.IntRange(1, 300).Draw(t, "offset"))
				s.add(o)
				model[o]++
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				o := rapid.SampledFrom(slices.Sorted(maps.Keys(model))).Draw(t, "offset")
				s.remove(o)
				if model[o]--; model[o] == 0 {
					delete(model, o)
				}
			},
			"": func(t *rapid.T) {
				got, ok := s.smallest()
				if ok != (len(model) > 0) || ok && got != slices.Min(slices.Collect(maps.Keys(model))) {
					t.Fatalf("the smallest is %d (%v) of %v", got, ok, model)
				}
				if len(s.counts) > 2*s.used+65 {
					t.Fatalf("%d entries for %d offsets", len(s.counts), s.used)
				}
			},
		})
	})
}

func TestArrivalsKeepTheTimesOfWhatComesAgain(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	var a arrivals
	a.remember([]arrival{{5, at(10)}, {7, at(12)}, {7, at(12)}, {9, at(14)}}, at(0))
	a.remember([]arrival{{7, at(12)}, {3, at(8)}}, at(0))
	now := at(99)
	for o, want := range map[engine.Offset]time.Time{1: at(8), 3: at(8), 4: at(10), 5: at(10), 6: at(12), 7: at(12), 9: at(14), 10: now} {
		if got := a.of(o, now); !got.Equal(want) {
			t.Errorf("offset %d came at %d, want %d", o, got.Unix(), want.Unix())
		}
	}
	a.remember(nil, at(13))
	if len(a) != 2 || !a.of(1, now).Equal(at(12)) || !a.of(8, now).Equal(at(14)) {
		t.Errorf("it remembers %v of what is over", a)
	}
}

// limit has a node hold no more than n events.
func (h *hold) limit(n int) { h.most = n }

// full fills a node to its limit with batches as its engine gives them, until
// it refuses one.
func full(t *testing.T, p engine.Processor, data func(i int) string) int {
	t.Helper()
	for i := 0; ; i += 256 {
		var batch []*engine.Event
		for j := i; j < i+256; j++ {
			e := event(fmt.Sprint(j), data(j))
			e.Offset = engine.Offset(j + 1)
			batch = append(batch, e)
		}
		err := p.Process(t.Context(), batch, &engine.Outlet{})
		if err == nil {
			continue
		}
		if _, ok := engine.IsUnavailable(err); !ok {
			t.Fatal(err)
		}
		return i
	}
}

func TestWhatHoldsTooMuchTakesNoMore(t *testing.T) {
	numbered := func(i int) string { return fmt.Sprintf(`{"k":%d}`, i) }
	for name, p := range map[string]engine.Processor{
		"delay":     processor(t, Delay, `1h`),
		"throttle":  processor(t, Throttle, `1/h`),
		"by":        processor(t, Throttle, `{rate: 1/h, by: data.k}`),
		"batch":     processor(t, Batch, `{size: 1000, wait: 1h, by: data.k}`),
		"aggregate": processor(t, Aggregate, `{window: 1h, by: data.k}`),
		"silence":   processor(t, Silence, `{after: 1h, by: data.k}`),
	} {
		t.Run(name, func(t *testing.T) {
			defer p.(engine.Closer).Close()
			const most = 1000
			p.(interface{ limit(int) }).limit(most)
			if n := full(t, p, numbered); n > most || n < most-256 {
				t.Errorf("it takes %d events", n)
			}
			oldest, ok := p.(engine.Holder).Held()
			if !ok || oldest != 1 {
				t.Errorf("the oldest held is %d", oldest)
			}
			p.(engine.Holder).Forget()
			if _, ok := p.(engine.Holder).Held(); ok {
				t.Error("it holds something yet")
			}
			if n := full(t, p, numbered); n == 0 {
				t.Error("it takes nothing when it has forgotten all")
			}
		})
	}
}

func TestWhatHoldsTooManyBytesTakesNoMore(t *testing.T) {
	big := `"` + strings.Repeat("x", 16<<10) + `"`
	for name, p := range map[string]engine.Processor{
		"delay":    processor(t, Delay, `1h`),
		"throttle": processor(t, Throttle, `1/h`),
	} {
		n := full(t, p, func(int) string { return big })
		if size := n * len(big); size > mostSize || size < mostSize-256*len(big) {
			t.Errorf("%s: it takes %d bytes", name, size)
		}
		p.(engine.Closer).Close()
	}
}

func TestABatchThatIsTooBigForAnEmptyNodeIsTaken(t *testing.T) {
	p := processor(t, Delay, `1h`)
	defer p.(engine.Closer).Close()
	e := &engine.Event{ID: "1", Offset: 1, Data: engine.JSON([]byte(`"` + strings.Repeat("x", mostSize) + `"`))}
	if err := p.Process(t.Context(), []*engine.Event{e}, &engine.Outlet{}); err != nil {
		t.Error(err)
	}
}

func benchmarkHolder[C any](b *testing.B, spec engine.ProcessorSpec[C], config C) {
	p, err := spec.New(config)
	if err != nil {
		b.Fatal(err)
	}
	h := p.(engine.Holder)
	defer p.(engine.Closer).Close()
	batch := make([]*engine.Event, 256)
	var out engine.Outlet
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		for i := range batch {
			batch[i] = event("id", `{"k":1,"n":2}`)
			batch[i].Offset = engine.Offset(n*256 + i + 1)
		}
		for h.Process(context.Background(), batch, &out) != nil {
			h.Forget()
		}
		h.Held()
		out = engine.Outlet{}
		if err := h.Due(context.Background(), &out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/event")
}
