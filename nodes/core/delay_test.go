package core

import (
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestADelayLetsEventsGoOnInOrderWhenTheirTimeIsOver(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Delay, `10s`))
		d.wantHeld(0)
		d.give(event("a", `1`), event("b", `2`))
		same(t, d.after(4*time.Second))
		d.give(event("c", `3`))
		d.wantHeld(1)
		same(t, d.after(6*time.Second), "10s a", "10s b")
		d.wantHeld(3)
		same(t, d.after(time.Hour), "14s c")
		d.wantHeld(0)
	})
}

func TestSeveralEventsOfOneOffsetAreAllDelayed(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Delay, `10s`))
		a, b := event("e/0", `1`), event("e/1", `2`)
		a.Offset, b.Offset = 5, 5
		d.give(a)
		time.Sleep(time.Second)
		d.give(b)
		same(t, d.after(9*time.Second), "10s e/0")
		d.wantHeld(5)
		same(t, d.after(time.Hour), "11s e/1")
	})
}

func TestWhatComesAgainIsNotDelayedAnew(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Delay, `10s`))
		again := func(from int, ids ...string) {
			for i, id := range ids {
				e := event(id, `1`)
				e.Offset = engine.Offset(from + i)
				d.give(e)
			}
		}
		again(1, "a", "b")
		time.Sleep(5 * time.Second)
		again(3, "c")
		same(t, d.after(5*time.Second), "10s a", "10s b")
		d.Forget() // b did not get through
		d.wantHeld(0)
		time.Sleep(time.Second)
		again(2, "b")
		d.Forget() // and once more, before c has come again
		again(2, "b", "c", "d")
		same(t, d.after(0), "11s b")
		same(t, d.after(time.Hour), "15s c", "21s d")
	})
}

func TestADelayLetsGoOfManyInBatches(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Delay, `1s`))
		for range 10 {
			var batch []*engine.Event
			for range 100 {
				batch = append(batch, event("e", `1`))
			}
			for i, e := range batch {
				e.Offset = d.last + engine.Offset(i) + 1
			}
			d.give(batch...)
		}
		time.Sleep(time.Second)
		if got := d.after(0); len(got) != 1000 {
			t.Errorf("%d went on, want all", len(got))
		}
		d.wantHeld(0)
	})
}

func TestMistakesInADelayAreTold(t *testing.T) {
	mistakes(t, Delay.Default, map[string]string{`{}`: "for", `0s`: "longer than nothing", `soon`: "duration"})
}

func BenchmarkDelay(b *testing.B) {
	benchmarkHolder(b, Delay, DelayConfig{For: flows.Duration(time.Nanosecond)})
}

func BenchmarkDelayThatHolds(b *testing.B) {
	benchmarkHolder(b, Delay, DelayConfig{For: flows.Duration(time.Hour)})
}
