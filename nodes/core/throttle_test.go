package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

func TestAThrottleLetsSoManyGoOnInATime(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Throttle, `2/10s`))
		d.give(event("a", `1`), event("b", `1`), event("c", `1`), event("d", `1`), event("e", `1`))
		same(t, d.after(0), "0s a", "0s b")
		d.wantHeld(3)
		same(t, d.after(time.Hour), "10s c", "10s d", "20s e")
		d.wantHeld(0)
		d.give(event("f", `1`))
		same(t, d.after(4*time.Second), "1h0m0s f")
		d.give(event("g", `1`), event("h", `1`))
		same(t, d.after(0), "1h0m4s g")
		same(t, d.after(time.Minute), "1h0m10s h")
	})
}

func TestAThrottleByAKeyHoldsUpThatKeyAlone(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Throttle, `{rate: 1/m, by: data.k}`))
		out := d.give(event("a1", `{"k":"a"}`), event("a2", `{"k":"a"}`), event("b1", `{"k":"b"}`), event("n1", `{}`), event("n2", `1`), event("x", `{"k"`))
		same(t, d.after(0), "0s a1", "0s b1", "0s n1")
		same(t, d.after(time.Hour), "1m0s a2", "1m0s n2")
		if f := out.Failures(); len(f) != 1 || f[0].Event.ID != "x" {
			t.Errorf("failed: %v", f)
		}
	})
}

func TestThrottledEventsThatComeAgainWaitTheirTurnOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Throttle, `1/10s`))
		d.give(event("a", `1`), event("b", `1`), event("c", `1`))
		same(t, d.after(time.Second), "0s a")
		d.Forget()
		d.wantHeld(0)
		for i, id := range []string{"b", "c"} {
			e := event(id, `1`)
			e.Offset = engine.Offset(i + 2)
			d.give(e)
		}
		d.wantHeld(2)
		same(t, d.after(time.Hour), "10s b", "20s c")
	})
}

func TestNoStretchOfTimeHasMoreThanTheRate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(rt, "n")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 900), 1, 60).Draw(rt, "gaps")
		var came []string
		inTime(t, func(t *testing.T) {
			d := drive(t, processor(t, Throttle, fmt.Sprintf("%d/s", n)))
			for i, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Millisecond)
				d.give(event(fmt.Sprint(i), `1`))
			}
			came = d.after(time.Hour)
		})
		if len(came) != len(gaps) {
			rt.Fatalf("%d went on, of %d", len(came), len(gaps))
		}
		var at []time.Duration
		for i, line := range came {
			when, id, _ := strings.Cut(line, " ")
			took, err := time.ParseDuration(when)
			if err != nil || id != fmt.Sprint(i) {
				rt.Fatalf("event %s went on as number %d", id, i)
			}
			at = append(at, took)
			if i >= n && took-at[i-n] < time.Second {
				rt.Fatalf("%d events went on between %s and %s", n+1, at[i-n], took)
			}
		}
	})
}

func TestWhatIsOverTheRateIsDropped(t *testing.T) {
	inTime(t, func(t *testing.T) {
		p := processor(t, Throttle, `{rate: 2/10s, by: data.k, over: drop}`)
		if _, ok := p.(engine.Holder); ok {
			t.Error("it holds events back")
		}
		batch := []*engine.Event{event("a", `{"k":1}`), event("b", `{"k":1}`), event("c", `{"k":1}`), event("d", `{"k":2}`)}
		for i, e := range batch {
			e.Offset = engine.Offset(i + 1)
		}
		if got := ids(process(t, p, batch...).Emitted(0)); got != "a b d" {
			t.Errorf("%q went on, want a b d", got)
		}
		time.Sleep(5 * time.Second)
		if got := ids(process(t, p, batch...).Emitted(0)); got != "a b d" {
			t.Errorf("coming again, %q went on, want a b d", got)
		}
		time.Sleep(5 * time.Second)
		e := event("e", `{"k":1}`)
		e.Offset = 9
		if got := ids(process(t, p, e).Emitted(0)); got != "e" {
			t.Errorf("%q went on, want e", got)
		}
	})
}

func TestKeysThatAreOverAreForgotten(t *testing.T) {
	inTime(t, func(t *testing.T) {
		p := processor(t, Throttle, `{rate: 1/s, by: id, over: drop}`).(*limit)
		for i := range 100 {
			for j := range 100 {
				e := event(fmt.Sprint(i, j), `1`)
				e.Offset = engine.Offset(i*100 + j + 1)
				process(t, p, e)
			}
			time.Sleep(time.Second)
		}
		if n := len(p.pacer.lines); n > 2048 {
			t.Errorf("it knows %d keys", n)
		}
	})
}

func TestAThrottleRemembersNoMoreThanItMay(t *testing.T) {
	inTime(t, func(t *testing.T) {
		p := processor(t, Throttle, `{rate: 1/h, by: id, over: drop}`)
		const most = 10_000
		p.(*limit).pacer.most = most
		n := full(t, p, func(int) string { return `1` })
		if n > most || n < most-256 {
			t.Errorf("it takes %d keys", n)
		}
		time.Sleep(time.Hour)
		e := event("late", `1`)
		if got := process(t, p, e).Emitted(0); len(got) != 1 {
			t.Error("it takes nothing when their time is over")
		}
	})
}

func TestMistakesInAThrottleAreTold(t *testing.T) {
	mistakes(t, Throttle.Default, map[string]string{
		`{}`: "rate", `fast`: "want a rate", `{rate: 1/s, over: flow}`: "want wait or drop",
	})
}

func BenchmarkThrottle(b *testing.B) {
	benchmarkHolder(b, Throttle, ThrottleConfig{Rate: Rate{mostRate, time.Microsecond}, Over: "wait"})
}

func BenchmarkThrottleByAKey(b *testing.B) {
	benchmarkHolder(b, Throttle, ThrottleConfig{Rate: Rate{1, time.Nanosecond}, By: expr.MustExpr("data.k"), Over: "wait"})
}

func BenchmarkThrottleThatDrops(b *testing.B) {
	p, _ := Throttle.New(ThrottleConfig{Rate: Rate{100, time.Second}, Over: "drop"})
	batch := make([]*engine.Event, 256)
	for i := range batch {
		batch[i] = event("e", `1`)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		for i := range batch {
			batch[i].Offset = engine.Offset(n*256 + i + 1)
		}
		var out engine.Outlet
		if err := p.Process(b.Context(), batch, &out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/event")
}
