package core

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

func TestAnAggregateSumsUpEachWindow(t *testing.T) {
	inTime(t, func(t *testing.T) { // which begins on a full hour
		d := drive(t, processor(t, Aggregate, `
window: 1m
sum: {total: data.n}
min: {least: data.n, early: data.t}
max: {most: data.n}
last: {latest: data.n, all: data}
`))
		first := event("a", `{"n":2,"t":"b"}`)
		d.give(first)
		time.Sleep(59 * time.Second)
		d.give(event("b", `{"n":-1.5,"t":"a"}`), event("c", `{}`))
		d.wantHeld(1)
		same(t, d.after(0))
		d.after(time.Second)
		got := d.emitted()
		same(t, lists(t, got), `{"all":{},"count":3,"early":"a","from":"2000-01-01T00:00:00Z","latest":-1.5,"least":-1.5,"most":2,"to":"2000-01-01T00:01:00Z","total":0.5}`)
		if e := got[0]; e.Offset != 1 || e.Type != first.Type || e.ID == "a" || !e.Time.Equal(time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC)) {
			t.Errorf("got %+v", e)
		}
		d.wantHeld(0)
		same(t, d.after(time.Hour))
		d.give(event("d", `{"n":1}`))
		d.after(time.Hour)
		same(t, lists(t, d.emitted()), `{"all":{"n":1},"count":1,"early":null,"from":"2000-01-01T01:01:00Z","latest":1,"least":1,"most":1,"to":"2000-01-01T01:02:00Z","total":1}`)
	})
}

func TestEachKeyIsSummedUpOnItsOwn(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Aggregate, `{window: 1h, by: data.k, sum: {n: data.n}}`))
		time.Sleep(30 * time.Minute)
		d.give(event("a", `{"k":"x","n":1}`), event("b", `{"k":{"z":[1]},"n":2}`), event("c", `{"k":"x","n":3}`), event("d", `{"n":4}`), event("e", `{"k"`))
		d.after(30 * time.Minute)
		const window = `"from":"2000-01-01T00:00:00Z",`
		const end = `"to":"2000-01-01T01:00:00Z"}`
		same(t, lists(t, d.emitted()),
			`{"count":2,`+window+`"key":"x","n":4,`+end,
			`{"count":1,`+window+`"key":{"z":[1]},"n":2,`+end,
			`{"count":1,`+window+`"key":null,"n":4,`+end)
	})
}

func TestAnEventThatCannotBeSummedUpCountsNowhere(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Aggregate, `{window: 1m, sum: {n: data.n}, max: {m: data.m}}`))
		big := fmt.Sprintf(`{"n":%d}`, math.MaxInt64)
		out := d.give(event("a", big), event("b", `{"n":1}`), event("c", `{"n":"1"}`), event("d", `{"n":-1,"m":"x"}`), event("e", `{"n":-1,"m":1}`), event("f", `{"m":[]}`))
		var said []string
		for _, f := range out.Failures() {
			if !engine.IsPermanent(f.Err) {
				t.Errorf("%s is tried again: %v", f.Event.ID, f.Err)
			}
			said = append(said, f.Event.ID+": "+f.Err.Error())
		}
		same(t, said, "b: n: the sum is too big", "c: n: want a number, got a text", "e: m: can't compare a number with a text", "f: m: want a number or a text, got a list")
		d.after(time.Minute)
		same(t, lists(t, d.emitted()), fmt.Sprintf(`{"count":2,"from":"2000-01-01T00:00:00Z","m":"x","n":%d,"to":"2000-01-01T00:01:00Z"}`, math.MaxInt64-1))
	})
}

func TestNumbersAreComparedAndAddedExactly(t *testing.T) {
	const big = int64(1) << 60
	for _, c := range []struct{ before, value, sum, most any }{
		{nil, big, big, big},
		{big, int64(1), big + 1, big},
		{float64(big), big + 1, float64(2 * big), big + 1},
		{big + 1, float64(big), float64(2 * big), big + 1},
		{int64(2), 2.5, 4.5, 2.5},
		{int64(-3), int64(-4), int64(-7), int64(-3)},
		{int64(math.MinInt64), int64(-1), nil, int64(-1)},
		{math.MaxFloat64, math.MaxFloat64, nil, math.MaxFloat64},
	} {
		got, err := sum(c.before, c.value)
		if got != c.sum || (err != nil) != (c.sum == nil) {
			t.Errorf("%v + %v = %v, %v, want %v", c.before, c.value, got, err, c.sum)
		}
		if got, err := extreme(c.before, c.value, 1); got != c.most || err != nil {
			t.Errorf("the greatest of %v and %v is %v, %v, want %v", c.before, c.value, got, err, c.most)
		}
	}
}

func TestASumHasTheSmallestOffsetOfItsEvents(t *testing.T) {
	inTime(t, func(t *testing.T) { // as several lanes may bring them
		d := drive(t, processor(t, Aggregate, `1m`))
		a, b := event("a", `1`), event("b", `2`)
		a.Offset, b.Offset = 9, 4
		d.give(a, b)
		d.wantHeld(4)
		d.after(time.Minute)
		if e := d.emitted()[0]; e.Offset != 4 {
			t.Errorf("it has offset %d", e.Offset)
		}
	})
}

func TestAnAggregateForgetsAll(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Aggregate, `{window: 1m}`))
		d.give(event("a", `1`), event("b", `2`))
		d.Forget()
		d.wantHeld(0)
		d.give(event("a", `1`))
		d.after(time.Hour)
		same(t, lists(t, d.emitted()), `{"count":1,"from":"2000-01-01T00:00:00Z","to":"2000-01-01T00:01:00Z"}`)
	})
}

func TestManyKeysAreEmittedAtTheEndOfTheirWindow(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := drive(t, processor(t, Aggregate, `{window: 1m, by: id}`))
		for i := range 1000 {
			d.give(event(fmt.Sprint(i), `1`))
		}
		if got := d.after(time.Minute); len(got) != 1000 {
			t.Errorf("%d were emitted", len(got))
		}
		d.wantHeld(0)
	})
}

func TestMistakesInAnAggregateAreTold(t *testing.T) {
	mistakes(t, Aggregate.Default, map[string]string{
		`{}`:                                     "window",
		`{window: 0s}`:                           "longer than nothing",
		`{window: 1m, sum: {count: data.n}}`:     `a field "count" already`,
		`{window: 1m, sum: {n: 1}, max: {n: 1}}`: `a field "n" already`,
	})
}

func BenchmarkAggregate(b *testing.B) {
	benchmarkHolder(b, Aggregate, AggregateConfig{
		Window: flows.Duration(time.Hour), By: expr.MustExpr("data.k"),
		Sum: map[string]expr.Expr{"n": expr.MustExpr("data.n")},
	})
}
