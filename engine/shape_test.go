package engine_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

// drawValue draws a value of JSON.
func drawValue(t *rapid.T, depth int) any {
	switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case kind == 4 && depth > 0:
		var list []any
		for range rapid.IntRange(0, 2).Draw(t, "items") {
			list = append(list, drawValue(t, depth-1))
		}
		return list
	case kind == 5 && depth > 0:
		m := map[string]any{}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3).Draw(t, "names") {
			m[name] = drawValue(t, depth-1)
		}
		return m
	case kind == 1:
		return rapid.Bool().Draw(t, "bool")
	case kind == 2:
		return rapid.Int64Range(0, 3).Draw(t, "number")
	case kind == 3:
		return rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "text")
	}
	return nil
}

func TestAValueIsOfItsShapeAndOfAnyThatTakesItIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawValue(t, 3), drawValue(t, 3)
		for _, s := range []engine.Shape{
			engine.ShapeOf(a), engine.ShapeOf(a).Or(engine.ShapeOf(b)), engine.ShapeOf(b).Or(engine.ShapeOf(a)),
			engine.ShapeOf(a).Or(engine.Shape{}), engine.Shape{}.Or(engine.ShapeOf(a)),
		} {
			if err := enginetest.FitsShape(s, a); err != nil {
				t.Fatalf("%v is not of %+v: %v", a, s, err)
			}
		}
	})
}

func TestWhatIsReadOfAValueIsOfWhatIsReadOfItsShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawValue(t, 3), drawValue(t, 3)
		s := engine.ShapeOf(a).Or(engine.ShapeOf(b))
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "name")
		m, _ := a.(map[string]any)
		field, ok := s.Field(name)
		if err := enginetest.FitsShape(field, m[name]); err != nil {
			t.Fatalf("%s of %v: %v", name, a, err)
		}
		if !ok && m[name] != nil {
			t.Fatalf("%s of %v is thought never to be there", name, a)
		}
	})
}

func TestAMapWithAnotherValueInsideIsOfItsShape(t *testing.T) {
	with := engine.ShapeOf(map[string]any{"a": map[string]any{"b": "x"}, "c": int64(1)}).
		With([]string{"a", "d"}, engine.BoolShape).Without([]string{"c"})
	for _, test := range []struct {
		value map[string]any
		fits  bool
	}{
		{map[string]any{"a": map[string]any{"b": "x", "d": true}}, true},
		{map[string]any{"a": map[string]any{"b": "x", "d": "true"}}, false},
		{map[string]any{"a": map[string]any{"b": "x", "e": true}}, false},
		{map[string]any{"a": map[string]any{"b": "x"}, "c": int64(1)}, false},
	} {
		if err := enginetest.FitsShape(with, test.value); (err == nil) != test.fits {
			t.Errorf("%v: %v", test.value, err)
		}
	}
}

func TestATextThatMayGrowMayBeWhatNobodyKnows(t *testing.T) {
	grows := engine.Shape{Kinds: engine.CanBeText, Values: []string{"a"}, Known: []string{"a", "b"}, Growing: true}
	for text, may := range map[string]bool{"a": true, "b": false, "c": true} {
		if grows.MayBeText(text) != may {
			t.Errorf("%q: %v", text, !may)
		}
	}
	if both := grows.Or(engine.OneOf("b")); !both.MayBeText("b") || !both.MayBeText("c") {
		t.Errorf("%+v lost what it took in", both)
	}
}
