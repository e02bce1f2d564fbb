package core

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

func TestASplitMakesAnEventOfEachItem(t *testing.T) {
	p := processor(t, Split, `data.items`)
	given := event("E", `{"items":[{"n":1},"two",null,[4]]}`)
	given.Offset = 7
	out := process(t, p, given, event("none", `{}`), event("empty", `{"items":[]}`), event("map", `{"items":{"a":1}}`), event("text", `{"items":"abc"}`))
	var got []string
	for _, e := range out.Emitted(0) {
		got = append(got, e.ID+" "+dataOf(t, e))
		if e.Offset != 7 || e.Type != "made" || e.Subject != "room" || e.Source != "test" {
			t.Errorf("%+v is not as the event was", e)
		}
	}
	if diff := cmp.Diff([]string{`E/0 {"n":1}`, `E/1 "two"`, `E/2 null`, `E/3 [4]`}, got); diff != "" {
		t.Error(diff)
	}
	f := out.Failures()
	if len(f) != 2 || f[0].Event.ID != "map" || f[1].Event.ID != "text" || !engine.IsPermanent(f[0].Err) {
		t.Errorf("failed: %v", f)
	}
	if dataOf(t, given) != `{"items":[{"n":1},"two",null,[4]]}` {
		t.Error("the event that was given has changed")
	}
}

func TestASplitTakesAListThatAnExpressionMakes(t *testing.T) {
	p := processor(t, Split, `"filter(data, # > 1)"`)
	if got := ids(process(t, p, event("E", `[1,2,3]`)).Emitted(0)); got != "E/0 E/1" {
		t.Errorf("got %q", got)
	}
	mistakes(t, Split.Default, map[string]string{`{}`: "items", `data.(`: ""})
}

func BenchmarkSplit(b *testing.B) {
	p, _ := Split.New(SplitConfig{Items: expr.MustExpr("data")})
	batch := []*engine.Event{event("E", `[1,2,3,4,5,6,7,8]`)}
	b.ReportAllocs()
	for b.Loop() {
		var out engine.Outlet
		if err := p.Process(b.Context(), batch, &out); err != nil {
			b.Fatal(err)
		}
	}
}
