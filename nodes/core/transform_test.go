package core

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

const payload = `{"a":{"b":1,"c":[1,2]},"name":"Aiko","big":9007199254740993}`

func TestATransformChangesThePayload(t *testing.T) {
	for yaml, want := range map[string]string{
		`{data: {who: data.name, line: "{{ data.name }}!", n: 3}}`: `{"line":"Aiko!","n":3,"who":"Aiko"}`,
		`{data: data.a.c}`:      `[1,2]`,
		`{data: null}`:          `null`,
		`{set: {x: data.name}}`: `{"a":{"b":1,"c":[1,2]},"name":"Aiko","big":9007199254740993,"x":"Aiko"}`,
		`{set: {a.b: data.a.b + 1, a.n.m: true}, remove: [name, big]}`: `{"a":{"b":2,"c":[1,2],"n":{"m":true}}}`,
		`{set: {a: {q: 1}, a.b: 2}, remove: [name, big]}`:              `{"a":{"q":1,"b":2}}`,
		`{set: {name: data.a.b, a: data.name}, remove: big}`:           `{"a":"Aiko","name":1}`,
		`{remove: [a.c, a.nothing.at.all, nothing, name.x]}`:           `{"a":{"b":1},"name":"Aiko","big":9007199254740993}`,
		`{data: {k: data.name}, set: {l: data.name}, remove: k}`:       `{"l":"Aiko"}`,
		`{set: {a: 1}, remove: a.b}`:                                   `{"a":1,"name":"Aiko","big":9007199254740993}`,
		`{set: {a: data.a, a.x: 1.50}, remove: [a.b, name, big]}`:      `{"a":{"c":[1,2],"x":1.5}}`,
		`{remove: a}`:                 `{"name":"Aiko","big":9007199254740993}`,
		`{data: null, set: {x.y: 1}}`: `{"x":{"y":1}}`,
	} {
		p := processor(t, Transform, yaml)
		e := event("1", payload)
		before, _ := e.Data.Value()
		kept := fmt.Sprint(before)
		out := process(t, p, e)
		if f := out.Failures(); f != nil {
			t.Errorf("%s: %v", yaml, f)
			continue
		}
		got, err := out.Emitted(0)[0].Data.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", yaml, diff)
		}
		if fmt.Sprint(before) != kept {
			t.Errorf("%s: the payload that came in was changed to %v", yaml, before)
		}
	}
}

func TestOfFieldsOfOneNameATransformChangesTheOneThatCounts(t *testing.T) {
	const payload = `{"a":{"key":"old","x":1},"b":1,"\u0061":{"key":"new","x":2},"b":2,"c":3}`
	for yaml, want := range map[string]string{
		`{remove: a.key}`:        `{"b":1,"a":{"x":2},"b":2,"c":3}`,
		`{remove: a}`:            `{"b":1,"b":2,"c":3}`,
		`{set: {b: 5}}`:          `{"a":{"key":"old","x":1},"a":{"key":"new","x":2},"b":5,"c":3}`,
		`{set: {a.x: data.a.x}}`: `{"b":1,"a":{"key":"new","x":2},"b":2,"c":3}`,
	} {
		got, err := process(t, processor(t, Transform, yaml), event("1", payload)).Emitted(0)[0].Data.Bytes()
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", yaml, got, err, want)
		}
	}
}

func TestManyFieldsOfOneNameAreGoneThroughOnce(t *testing.T) {
	payload := `{` + strings.Repeat(`"a":1,`, 170_000) + `"a":2}`
	p := processor(t, Transform, `{set: {a: data.a + 1}}`)
	began := time.Now()
	got, err := process(t, p, event("1", payload)).Emitted(0)[0].Data.Bytes()
	if err != nil || string(got) != `{"a":3}` {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	const most = 10 * time.Second // it takes 20 ms, and 78 s where each is looked up
	if took := time.Since(began); took > most {
		t.Errorf("it took %v", took)
	}
}

func TestATransformChangesAttributes(t *testing.T) {
	p := processor(t, Transform, `{type: data.name, subject: data.nothing, id: "{{ id }}-{{ data.a.b }}", time: 1756711805, set: {was: type}}`)
	e := event("1", payload)
	got := process(t, p, e).Emitted(0)[0]
	if got.Type != "Aiko" || got.Subject != "" || got.ID != "1-1" || got.Time.Format(time.RFC3339) != "2025-09-01T07:30:05Z" {
		t.Errorf("got %+v", got)
	}
	if v, _ := got.Data.Value(); v.(map[string]any)["was"] != "made" {
		t.Errorf("an expression read %v, want the event as it came in", v)
	}
	if e.Type != "made" || e.ID != "1" {
		t.Error("the event that came in was changed")
	}
}

func TestAPayloadThatIsNotTouchedStaysByteForByte(t *testing.T) {
	p := processor(t, Transform, `{subject: '"x"'}`)
	const raw = `{ "a" :1.0 }`
	got, _ := process(t, p, event("1", raw)).Emitted(0)[0].Data.Bytes()
	if string(got) != raw {
		t.Errorf("got %s", got)
	}
}

func TestATransformThatCannotBeMadeFailsTheEvent(t *testing.T) {
	for yaml, want := range map[string]string{
		`{type: data.nothing}`:       "the new type: it is empty",
		`{id: '""'}`:                 "the new id: it is empty",
		`{id: data.a}`:               "want text, got a map",
		`{time: data.name}`:          `got "Aiko"`,
		`{time: data.nothing}`:       "want a time, got nil",
		`{time: data.big}`:           "beyond 9999",
		`{set: {name.first: "'x'"}}`: `in name: there is no field "first" in a text`,
		`{set: {a.c.0: 1}}`:          `in a: in c: there is no field "0" in a list`,
		`{data: data.name + 1}`:      "+",
	} {
		out := process(t, processor(t, Transform, yaml), event("1", payload))
		f := out.Failures()
		if len(f) != 1 || !strings.Contains(f[0].Err.Error(), want) || len(out.Emitted(0)) > 0 {
			t.Errorf("%s: failed %v, want %q", yaml, f, want)
		}
	}
}

func TestATransformGivesUpWhatBecomesTooDeepToBeRead(t *testing.T) {
	for _, yaml := range []string{`{data: {a: data}}`, `{data: "[data]"}`, `{set: {a: data.a}, data: {b: data}}`, `{set: {b.c: data}}`} {
		out := process(t, processor(t, Transform, yaml), event("1", `{"a":`+deepest(1)+`}`), event("2", `{"a":`+deepest(3)+`}`))
		f := out.Failures()
		if len(f) != 1 || f[0].Event.ID != "1" || !engine.IsPermanent(f[0].Err) || !strings.Contains(f[0].Err.Error(), "deeper than 10000 lists and maps") {
			t.Errorf("%s: failed: %.300v", yaml, f)
		}
		for _, e := range out.Emitted(0) {
			raw, err := e.Data.Bytes()
			if err != nil || !json.Valid(raw) {
				t.Errorf("%s: what it becomes can't be read: %v", yaml, err)
			}
		}
	}
}

func TestMistakesInATransformAreTold(t *testing.T) {
	mistakes(t, Transform.Default, map[string]string{
		`{}`:               "it changes nothing",
		`{set: {a..b: 1}}`: "want fields like a or a.b",
		`{remove: [.a]}`:   "want fields like a or a.b",
		`{set: {a: 1 +}}`:  "",
		`{typ: data.name}`: "unknown key",
	})
}

func TestTimesAreReadAsSendersWriteThem(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{"2026-09-01T07:30:05.25Z", "2026-09-01T07:30:05.25Z"},
		{"2026-09-01T16:30:05+09:00", "2026-09-01T07:30:05Z"},
		{int64(1756711805), "2025-09-01T07:30:05Z"},
		{"1756711805", "2025-09-01T07:30:05Z"},
		{int64(1756711805250), "2025-09-01T07:30:05.25Z"},
		{1756711805.25, "2025-09-01T07:30:05.25Z"},
		{int64(0), "1970-01-01T00:00:00Z"},
		{int64(1) << 62, ""}, {"", ""}, {true, ""}, {[]any{}, ""}, {1e300, ""}, {"NaN", ""}, {int64(-1) << 63, ""},
	} {
		got, err := asTime(c.v)
		if (err != nil) != (c.want == "") || err == nil && got.UTC().Format(time.RFC3339Nano) != c.want {
			t.Errorf("%v: got %v, %v, want %s", c.v, got, err, c.want)
		}
	}
}

func FuzzField(f *testing.F) {
	f.Add("a.b", `{"a":{"b":1}}`)
	f.Add("a.b.c", `{"a":[1]}`)
	f.Add("a", `null`)
	f.Fuzz(func(t *testing.T, path, payload string) {
		at, ok := parseField(path)
		if !ok || !utf8.ValidString(path) { // a document is UTF-8
			return
		}
		v, err := engine.JSON([]byte(payload)).Value()
		if err != nil {
			return
		}
		data := engine.JSON([]byte(payload))
		var set, remove edit
		value := expr.MustExpr(`"new"`)
		set.set(at, &value)
		remove.at(at).removed = true
		changed, err := set.apply(&engine.Event{}, data)
		if want, ok := with(v, at, "new"); ok != (err == nil) {
			t.Errorf("setting %s of %s: %v", path, payload, err)
		} else if ok {
			if got, err := changed.Value(); !reflect.DeepEqual(got, want) || err != nil {
				t.Errorf("%s with %s is %v, %v, want %v", payload, path, got, err, want)
			}
		}
		if v, err = data.Value(); err != nil {
			t.Fatal(err)
		}
		if changed, err = remove.apply(&engine.Event{}, data); err != nil {
			t.Fatal(err)
		}
		got, err := changed.Value()
		if want := without(v, at); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("%s without %s is %v, %v, want %v", payload, path, got, err, want)
		}
	})
}

// with is a value with a field set, if it can be.
func with(v any, at field, to any) (any, bool) {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, false
	}
	if m == nil {
		m = map[string]any{}
	}
	if ok = true; len(at) > 1 {
		to, ok = with(m[at[0]], at[1:], to)
	}
	m[at[0]] = to
	return m, ok
}

// without is a value without a field.
func without(v any, at field) any {
	if m, ok := v.(map[string]any); ok {
		if len(at) == 1 {
			delete(m, at[0])
		} else if inner, ok := m[at[0]]; ok {
			m[at[0]] = without(inner, at[1:])
		}
	}
	return v
}
