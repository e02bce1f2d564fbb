package core

import (
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// lists are the data of events, and from which offset on they are.
func lists(t *testing.T, events []*engine.Event) []string {
	t.Helper()
	var all []string
	for _, e := range events {
		all = append(all, dataOf(t, e))
	}
	return all
}

func TestABatchIsOneEventOfSeveral(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Batch, `{size: 3, wait: 10s}`))
		first := event("a", `{"n":1}`)
		d.give(first, event("b", `2`), event("c", `null`), event("d", `"4"`), event("x", `{`))
		same(t, d.after(0), "0s "+engine.Digest([]byte("a\nb\nc\n")))
		e := d.emitted()[0]
		if e.Offset != 1 || e.Type != first.Type || e.Subject != first.Subject || dataOf(t, e) != `[{"n":1},2,null]` {
			t.Errorf("got %+v with %s", e, dataOf(t, e))
		}
		d.wantHeld(4)
		time.Sleep(4 * time.Second)
		d.give(event("e", `5`))
		time.Sleep(6 * time.Second)
		d.after(0)
		same(t, lists(t, d.emitted()), `["4",5]`)
		d.wantHeld(0)
		same(t, d.after(time.Hour))
	})
}

func TestWhatCannotBeReadIsNotPutIntoABatch(t *testing.T) {
	p := processor(t, Batch, `1`)
	out := process(t, p, event("a", `{`), event("b", `1`), event("c", deepest(0)), event("d", deepest(1)))
	f := out.Failures()
	if len(f) != 2 || f[0].Event.ID != "a" || f[1].Event.ID != "c" || !engine.IsPermanent(f[0].Err) || !engine.IsPermanent(f[1].Err) {
		t.Errorf("failed: %v", f)
	}
}

func TestEachKeyHasABatchOfItsOwn(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Batch, `{size: 2, wait: 10s, by: data.k}`))
		d.give(event("1", `{"k":"a","n":1}`), event("2", `{"k":"b","n":2}`))
		time.Sleep(time.Second)
		d.give(event("3", `{"k":"b","n":3}`), event("4", `{"n":4}`), event("5", `{"k":"b","n":5}`))
		d.after(0)
		same(t, lists(t, d.emitted()), `[{"k":"b","n":2},{"k":"b","n":3}]`)
		d.wantHeld(1)
		d.after(9 * time.Second)
		same(t, lists(t, d.emitted()), `[{"k":"a","n":1}]`)
		d.wantHeld(4)
		d.after(time.Hour)
		same(t, lists(t, d.emitted()), `[{"n":4}]`, `[{"k":"b","n":5}]`)
		d.wantHeld(0)
	})
}

func TestABatchHasTheSmallestOffsetOfItsEvents(t *testing.T) {
	inTime(t, func(t *testing.T) { // as several lanes may bring them
		d := drive(t, processor(t, Batch, `2`))
		a, b := event("a", `1`), event("b", `2`)
		a.Offset, b.Offset = 9, 4
		d.give(a, b)
		d.after(0)
		if e := d.emitted()[0]; e.Offset != 4 {
			t.Errorf("it has offset %d", e.Offset)
		}
	})
}

func TestABatchForgetsAll(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Batch, `{size: 3, wait: 10s}`))
		d.give(event("a", `1`), event("b", `2`))
		d.Forget()
		d.wantHeld(0)
		same(t, d.after(time.Hour))
		d.give(event("a", `1`), event("b", `2`), event("c", `3`))
		d.after(0)
		same(t, lists(t, d.emitted()), `[1,2,3]`)
	})
}

func TestMistakesInABatchAreTold(t *testing.T) {
	mistakes(t, Batch.Default, map[string]string{
		`0`: "want 1 to", `{size: 10001}`: "want 1 to", `{wait: 0s}`: "longer than nothing",
	})
}

func BenchmarkBatch(b *testing.B) {
	benchmarkHolder(b, Batch, BatchConfig{Size: 64, Wait: flows.Duration(time.Hour)})
}
