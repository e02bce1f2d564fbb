package core

import (
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestASilenceIsToldOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Silence, `10s`))
		same(t, d.after(time.Hour))
		d.give(event("a", `1`))
		same(t, d.after(9*time.Second))
		d.give(event("b", `{"n":2}`))
		d.wantHeld(2)
		same(t, d.after(9*time.Second))
		d.after(time.Second)
		got := d.emitted()
		same(t, lists(t, got), `{"last":{"n":2},"since":"2000-01-01T01:00:09Z"}`)
		if e := got[0]; e.ID != "b/silence" || e.Type != "silence" || e.Subject != "room" || e.Offset != 2 || !e.Time.Equal(time.Now()) {
			t.Errorf("got %+v", e)
		}
		d.wantHeld(0)
		same(t, d.after(time.Hour))
		d.give(event("c", `3`))
		same(t, d.after(time.Hour), "2h0m29s c/silence")
	})
}

func TestEachKeyIsSilentOnItsOwn(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Silence, `{after: 10s, by: data.k}`))
		d.give(event("a1", `{"k":"a"}`), event("b1", `{"k":"b"}`))
		time.Sleep(5 * time.Second)
		d.give(event("a2", `{"k":"a"}`))
		d.wantHeld(2)
		same(t, d.after(5*time.Second), "10s b1/silence")
		d.wantHeld(3)
		d.after(time.Hour)
		same(t, lists(t, d.emitted()),
			`{"key":"b","last":{"k":"b"},"since":"2000-01-01T00:00:00Z"}`, `{"key":"a","last":{"k":"a"},"since":"2000-01-01T00:00:05Z"}`)
	})
}

func TestASilenceDoesNotBeginAnewWhenItsEventsComeAgain(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Silence, `{after: 10s, by: data.k}`))
		events := func() []*engine.Event {
			all := []*engine.Event{event("a1", `{"k":"a"}`), event("b1", `{"k":"b"}`), event("a2", `{"k":"a"}`)}
			for i, e := range all {
				e.Offset = engine.Offset(i + 1)
			}
			return all
		}
		for _, e := range events() {
			d.give(e)
			time.Sleep(time.Second)
		}
		d.Forget()
		d.wantHeld(0)
		time.Sleep(4 * time.Second)
		d.give(events()...)
		same(t, d.after(time.Hour), "11s b1/silence", "12s a2/silence")
	})
}

func TestASilenceThatCannotBeToldFailsItsLastEvent(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Silence, `10s`))
		d.give(event("a", `{`))
		d.after(time.Minute)
		d.mu.Lock()
		defer d.mu.Unlock()
		if f := d.out.Failures(); len(f) != 1 || f[0].Event.ID != "a" {
			t.Errorf("failed: %v", f)
		}
	})
}

func TestMistakesInASilenceAreTold(t *testing.T) {
	mistakes(t, Silence.Default, map[string]string{`{}`: "after", `0s`: "longer than nothing"})
}

func BenchmarkSilence(b *testing.B) {
	benchmarkHolder(b, Silence, SilenceConfig{After: flows.Duration(time.Hour)})
}
