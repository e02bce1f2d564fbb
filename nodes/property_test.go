package nodes_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes/claude"
	"github.com/flowd/flowd/nodes/core"
	"github.com/flowd/flowd/nodes/livekit"
	"github.com/flowd/flowd/nodes/sonzai"
	"github.com/flowd/flowd/nodes/sora"
)

// schemas are those of sources that declare one, without the events that
// nobody has heard of yet.
var schemas = map[string]engine.Schema{
	"livekit": heard(livekit.Source.Schema(livekit.Source.Default)),
	"sora":    heard(sora.Source.Schema(sora.Source.Default)),
	"sonzai":  heard(sonzai.Source.Schema(sonzai.Source.Default)),
	"claude":  heard(claude.Source.Schema(claude.Config{Level: "full", IncludeMessage: true})),
}

func heard(s engine.Schema) engine.Schema {
	return slices.DeleteFunc(slices.Clone(s), func(v engine.Variant) bool { return len(v.Type.Values) == 0 })
}

// anything is what stands in a value for whatever may be there: reading on
// from it is reading something.
const anything = "*"

// whole is a value of a shape with all that can be in it.
func whole(s engine.Shape, depth int) any {
	switch {
	case s.Kinds == 0 || depth == 0:
		return map[string]any{anything: true}
	case s.May(engine.CanBeMap):
		m := map[string]any{}
		for name, field := range s.Fields {
			m[name] = whole(field, depth-1)
		}
		if s.Open {
			m[anything] = true
		}
		return m
	case s.May(engine.CanBeList):
		return []any{}
	}
	return "something"
}

// there reports whether something is read at a path.
func there(v any, path []string) bool {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return false
		}
		if m[anything] != nil {
			return true
		}
		if v, ok = m[name]; !ok {
			return false
		}
	}
	return true
}

const deep = 5

// path draws names of fields, one inside the other, of which some are wrong.
func path(t *rapid.T, s engine.Shape) []string {
	var names []string
	for len(names) < deep-1 {
		known := slices.Sorted(maps.Keys(s.Fields))
		if len(known) == 0 || len(names) > 0 && rapid.IntRange(0, 3).Draw(t, "stop") == 0 {
			break
		}
		name := rapid.SampledFrom(known).Draw(t, "field")
		s = s.Fields[name]
		if rapid.IntRange(0, 5).Draw(t, "slip") == 0 {
			name = misspelt(name)
			s = engine.Shape{}
		}
		names = append(names, name)
	}
	if names == nil {
		return []string{"field"}
	}
	return names
}

func someSchema(t *rapid.T) engine.Schema {
	return schemas[rapid.SampledFrom(slices.Sorted(maps.Keys(schemas))).Draw(t, "source")]
}

// value draws a value of a shape.
func value(t *rapid.T, s engine.Shape, depth int) any {
	var kinds []engine.Kinds
	for k := engine.CanBeNil; k <= engine.CanBeMap; k <<= 1 {
		if s.May(k) && (depth > 0 || k&(engine.CanBeList|engine.CanBeMap) == 0) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return map[string]any{}
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case engine.CanBeBool:
		return rapid.Bool().Draw(t, "bool")
	case engine.CanBeNumber:
		return rapid.Int64Range(-3, 3).Draw(t, "number")
	case engine.CanBeText:
		if len(s.Values) > 0 {
			return rapid.SampledFrom(s.Values).Draw(t, "text")
		}
		return rapid.SampledFrom([]string{"", "a", "ab", "sendrecv"}).Draw(t, "text")
	case engine.CanBeList:
		item := engine.Shape{}
		if s.Item != nil {
			item = *s.Item
		}
		return []any{value(t, item, depth-1)}
	case engine.CanBeMap:
		m := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
			m[name] = value(t, s.Fields[name], depth-1)
		}
		return m
	}
	return nil
}

// event draws an event of a variant.
func event(t *rapid.T, v engine.Variant) *engine.Event {
	source, _ := value(t, v.Source, 1).(string)
	meta, _ := value(t, v.Meta, 3).(map[string]any)
	return &engine.Event{
		ID: "1", Source: source, Type: rapid.SampledFrom(v.Type.Values).Draw(t, "type"),
		Data: engine.Value(value(t, v.Data, deep)), Meta: meta,
	}
}

// operand draws what can be compared.
func operand(t *rapid.T, s engine.Schema) string {
	constant := rapid.SampledFrom([]string{
		`"a"`, `"sendrecv"`, `"AUDIO"`, `1`, `true`, `nil`, `""`, `["a", "sendrecv"]`, `["x"]`, `[nil, 1]`,
	})
	switch rapid.IntRange(0, 3).Draw(t, "operand") {
	case 0:
		return constant.Draw(t, "constant")
	case 1:
		return strconv.Quote(rapid.SampledFrom(s.Name("type").Values).Draw(t, "value"))
	case 2:
		return "type"
	}
	v := rapid.SampledFrom(s).Draw(t, "variant")
	return "data." + strings.Join(path(t, v.Data), ".")
}

// comparison draws one, which may be wrong.
func comparison(t *rapid.T, s engine.Schema) (text, operator string) {
	operator = rapid.SampledFrom([]string{"==", "!=", "in", "<", ">=", "startsWith", "contains"}).Draw(t, "operator")
	return operand(t, s) + " " + operator + " " + operand(t, s), operator
}

// condition draws one of several comparisons.
func condition(t *rapid.T, s engine.Schema, depth int) string {
	if depth == 0 {
		text, _ := comparison(t, s)
		return text
	}
	a, b := condition(t, s, depth-1), condition(t, s, depth-1)
	switch rapid.IntRange(0, 4).Draw(t, "shape") {
	case 0:
		return "(" + a + ") && (" + b + ")"
	case 1:
		return "(" + a + ") || (" + b + ")"
	case 2:
		return "not (" + a + ")"
	case 3:
		return "(" + a + ") ? (" + b + ") : (" + condition(t, s, depth-1) + ")"
	}
	return a
}

// made draws an expression that makes a value.
func made(t *rapid.T, s engine.Schema, depth int) string {
	if depth == 0 {
		return operand(t, s)
	}
	inner := func() string { return made(t, s, depth-1) }
	switch rapid.IntRange(0, 8).Draw(t, "made") {
	case 0:
		return "{a: " + inner() + ", b: " + inner() + "}"
	case 1:
		return "[" + inner() + ", " + inner() + "]"
	case 2:
		return "(" + inner() + ") ?? (" + inner() + ")"
	case 3:
		return "(" + condition(t, s, 0) + ") ? (" + inner() + ") : (" + inner() + ")"
	case 4:
		return "map(" + inner() + ", {item: #})"
	case 5:
		return "filter(" + inner() + ", # != nil)"
	case 6:
		return "find(" + inner() + ", # != nil)"
	case 7:
		return "let x = (" + inner() + "); [x, len(string(x)), time]"
	}
	return inner()
}

func scalar(text string) *flows.Value { return &flows.Value{Kind: flows.String, Text: text} }

func TestAFieldIsUnknownIfAndOnlyIfNoEventHasIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := someSchema(t)
		names := path(t, rapid.SampledFrom(s).Draw(t, "variant").Data)
		has := slices.ContainsFunc(s, func(v engine.Variant) bool { return there(whole(v.Data, deep), names) })
		x := expr.MustExpr("data." + strings.Join(names, "."))
		if diags := x.Check(s); (len(diags) == 0) != has {
			t.Fatalf("%v is there: %v, and the check says %v", names, has, diags)
		}
	})
}

func TestACheckedConditionReadsOnlyWhatSomeEventHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := someSchema(t)
		var c expr.Condition
		text := condition(t, s, 2)
		if c.DecodeValue(scalar(text)).Failed() || len(c.Check(s)) > 0 {
			return
		}
		for _, read := range c.Reads() {
			if read.Names[0] != "data" || slices.ContainsFunc(s, func(v engine.Variant) bool { return there(whole(v.Data, deep+1), read.Names[1:]) }) {
				continue
			}
			// It may stand where it is never read: then it may fail as well.
			var failing expr.Condition
			if failing.DecodeValue(scalar(strings.ReplaceAll(text, strings.Join(read.Names, "."), `fromJSON("{" + id)`))).Failed() {
				continue
			}
			for range 5 {
				e := event(t, rapid.SampledFrom(s).Draw(t, "of"))
				if _, err := failing.True(e); err != nil && strings.Contains(err.Error(), "is no JSON") {
					t.Fatalf("%s is accepted, and no event has %v", text, read.Names)
				}
			}
		}
	})
}

func TestAComparisonThatIsRefusedNeverComesTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := someSchema(t)
		text, operator := comparison(t, s)
		var c expr.Condition
		if c.DecodeValue(scalar(text)).Failed() || !c.Check(s).Failed() || strings.Count(text, "data.") > 1 ||
			strings.Contains(c.Check(s).Error(), "unknown field") {
			return // what is not there is nil, and equal to what is not there either
		}
		never := operator != "!="
		for range 5 {
			e := event(t, rapid.SampledFrom(s).Draw(t, "of"))
			if is, err := c.True(e); err == nil && is == never {
				data, _ := e.Data.Bytes()
				t.Fatalf("%s is refused (%v), and is %v for a %s event with %s", text, c.Check(s), is, e.Type, data)
			}
		}
	})
}

func TestNoEventIsLostByWhatAConditionIsThoughtToBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := someSchema(t)
		var c expr.Condition
		text := condition(t, s, 3)
		if c.DecodeValue(scalar(text)).Failed() {
			return
		}
		yes, no := c.Narrow(s)
		for range 5 {
			e := event(t, rapid.SampledFrom(s).Draw(t, "of"))
			is, err := c.True(e)
			if err != nil {
				continue
			}
			part := no
			if is {
				part = yes
			}
			if err := enginetest.Fits(part, e); err != nil {
				data, _ := e.Data.Bytes()
				t.Fatalf("%s is %v for a %s event with %s, which is thought impossible: %v", text, is, e.Type, data, err)
			}
		}
	})
}

func TestWhatAnExpressionMakesHasTheShapeItIsThoughtToHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := someSchema(t)
		var x expr.Expr
		text := made(t, s, 3)
		if x.DecodeValue(scalar(text)).Failed() {
			return
		}
		v := rapid.SampledFrom(s).Draw(t, "of")
		e := event(t, v)
		got, err := x.Eval(e)
		if err != nil {
			return
		}
		for _, known := range []engine.Schema{{v}, s} {
			if err := enginetest.FitsShape(x.Shape(known), got); err != nil {
				t.Fatalf("%s gave %v: %v", text, got, err)
			}
		}
	})
}

// TestWhatATransformMakesIsKnownBehindIt runs whole documents: what a check
// accepts behind a transform is there when the transform has worked.
func TestWhatATransformMakesIsKnownBehindIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := schemas["livekit"]
		draw := func(label string) []string { return path(t, rapid.SampledFrom(s).Draw(t, label).Data) }
		a, b := draw("a"), draw("b")
		read := rapid.SampledFrom([][]string{
			{"a"}, {"b"}, {"aa"}, {"line"}, {"line", "x"}, {"kept"}, {"b", "sid"}, {"b", "name"}, {"in", "side"}, {"in", "out"}, {"room"},
		}).Draw(t, "read")
		config := fmt.Sprintf(`{data: {a: "data.%s", b: "data.%s", line: "{{ type }}!"}, set: {in.side: "1"}}`,
			strings.Join(a, "."), strings.Join(b, "."))
		yaml, diags := flows.ParseValue(config)
		if diags.Failed() {
			t.Fatal(diags)
		}
		var c core.TransformConfig
		if diags := flows.Decode(yaml, &c); diags.Failed() {
			t.Fatal(diags)
		}
		if c.Data.Check(s).Failed() {
			return
		}
		behind := core.Transform.Gives(c, s)[0]
		x := expr.MustExpr("data." + strings.Join(read, "."))
		accepted := len(x.Check(behind)) == 0

		p, err := core.Transform.New(c)
		if err != nil {
			t.Fatal(err)
		}
		has := false
		for _, v := range s {
			var out engine.Outlet
			e := &engine.Event{Type: v.Type.Values[0], Source: "livekit", Data: engine.Value(whole(v.Data, deep))}
			if err := p.Process(t.Context(), []*engine.Event{e}, &out); err != nil || len(out.Failures()) > 0 {
				t.Fatal(err, out.Failures())
			}
			data, err := out.Emitted(0)[0].Data.Value()
			if err != nil {
				t.Fatal(err)
			}
			has = has || there(data, read)
		}
		if accepted != has {
			t.Fatalf("%s: %v is there behind it: %v, and accepted: %v (%v)", config, read, has, accepted, x.Check(behind))
		}
	})
}

// misspelt is name with one letter twice.
func misspelt(name string) string {
	i := len(name) / 2
	return name[:i] + name[i:i+1] + name[i:]
}
