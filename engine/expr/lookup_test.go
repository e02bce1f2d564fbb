package expr

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// sameAsDecoded evaluates x over a payload that is text, one that was decoded
// before and one that is the value, which must give the same, and so must all
// that an expression can be asked for.
func sameAsDecoded(t *testing.T, x *Expr, data string) {
	t.Helper()
	value, err := engine.JSON([]byte(data)).Value()
	if err != nil {
		return
	}
	if again, _ := engine.Value(value).Value(); !reflect.DeepEqual(again, value) { // 1.0 is 1 as soon as it is written
		var b bytes.Buffer
		_ = json.Indent(&b, written(value), "", "\t")
		data, value = b.String(), again
	}
	e, decoded, made := event(data), event(data), event(data)
	_, _ = decoded.Data.Value()
	made.Data = engine.Value(value)
	if !cheap(x, made) {
		return
	}
	want, wantErr := x.Eval(made)
	source := x.at.src.text
	for _, e := range []*engine.Event{e, decoded} {
		got, err := x.Eval(e)
		if !reflect.DeepEqual(want, got) || message(err) != message(wantErr) {
			t.Fatalf("%q over %q: got %.200v, %v; of its value %.200v, %v", source, data, got, err, want, wantErr)
		}
		payload, err := x.Data(e)
		if message(err) != message(wantErr) {
			t.Fatalf("%q over %q: its Data has error %v, want %v", source, data, err, wantErr)
		}
		if err != nil {
			continue
		}
		inJSON, _ := engine.Value(want).Value()
		if got, err = payload.Value(); !bytes.Equal(written(inJSON), written(got)) || err != nil {
			t.Fatalf("%q over %q: its Data is %v, %v, want %v", source, data, got, err, inJSON)
		}
		key, err := x.Key(e)
		wantKey, wantErr := x.Key(made)
		if key != wantKey || message(err) != message(wantErr) {
			t.Fatalf("%q over %q: its key is %q, %v; of its value %q, %v", source, data, key, err, wantKey, wantErr)
		}
	}
}

// written is v as JSON.
func written(v any) []byte {
	b, _ := engine.AppendJSON(nil, v)
	return b
}

// cheap reports whether evaluating x is far from all limits.
func cheap(x *Expr, e *engine.Event) bool {
	s := newState(x.at, e, nil)
	defer s.free()
	_, _ = run(s, x.code)
	return mostSteps-s.steps < 50_000 && mostBytes-s.bytes < 1<<20
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAPayloadThatIsTextIsReadAsItsValueIs(t *testing.T) {
	sources := []string{
		`data`, `data.text`, `[data, data.room, data.text]`, `{"a": data.room, "b": data.nothing, "c": {"d": type, "e": time}}`, `{"a": data.n, "a": data.text}`,
		`any(data.list, # == data.n)`, `map(data.items, data.room.name + data.text)`, `{(data.text): 1}`, `data.text in ["x", data.text]`, `data.n in ["x"]`, `data.text in ["x", "y"]`,
		`data.nothing == "x"`, `data.nothing != "x"`, `data.n != "7"`, `data.text != "x"`, `data.nothing startsWith "x"`, `data.n startsWith "x"`, `data.text matches "^.*$"`, `data.n matches "x"`,
		`"{{ data.text }}"`, "{{ data.text }} \"{{ data.room }}\n\" {{ data.f }}", `{"line": data.text + "\u2028"}`,
	}
	for _, c := range cases {
		sources = append(sources, c.source)
	}
	for _, c := range failures {
		sources = append(sources, c.source)
	}
	for _, source := range sources {
		var x Expr
		if x.DecodeValue(&flows.Value{Kind: flows.String, Text: source}).Failed() || strings.Contains(source, "now()") || strings.Contains(source, "uuid") {
			continue
		}
		sameAsDecoded(t, &x, payload)
		sameAsDecoded(t, &x, `{"text": "\u00e9\n\"", "n":1.0, "list":[1,"1",null], "room":{"name":"\ud83d"}, "text": "é\n\"", "f":1e400}`)
		sameAsDecoded(t, &x, "\"\xff\"")
	}
}

func TestAResultKeepsNothingOfThePayload(t *testing.T) {
	for _, source := range []string{
		`data.text`, `data`, `data.nothing ?? data.text`, `[data.text]`, `{"a": [data.text, 1], "b": data}`, `let x = data.text; [x, x]`, `map([1, 2], data.text)`,
		`data.list`, `filter(data.list, true)`, `data.text[1:]`, `trim(data.text)`, `groupBy(data.list, data.text)`, `"{{ data.text }}"`, `{{ data.text }}`, `{{ data.text }}!`,
	} {
		var x Expr
		if diags := x.DecodeValue(&flows.Value{Kind: flows.String, Text: source}); diags.Failed() {
			t.Fatal(diags)
		}
		raw := []byte(`{"text":"some text","list":["more text","and more"]}`)
		e := event("null")
		e.Data = engine.JSON(raw)
		v, err := x.Eval(e)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		payload, err := x.Data(e)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		key, err := x.Key(e)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		all := func() string {
			written, err := engine.AppendJSON(nil, []any{v, payload, key})
			if err != nil {
				t.Fatal(err)
			}
			return string(written)
		}
		before := all()
		copy(raw, bytes.ToUpper(raw))
		if after := all(); after != before {
			t.Errorf("%s: it was %s, and is %s after the payload changed", source, before, after)
		}
	}
}

func TestWhatIsCopiedIsWrittenAsItCame(t *testing.T) {
	const data = "{\"n\": 1.0, \"text\": \"\\u0041\\/\", \"map\": {\"z\": 1e2, \"a\" : [ 1, 2 ], \"z\": 2}, \"bad\": [\"\xff\"], \"n2\": 10e400}"
	for source, want := range map[string]string{
		`data.n`:                         `1.0`,
		`data.text`:                      `"\u0041\/"`,
		`data.map`:                       `{"z":1e2,"a":[1,2],"z":2}`,
		`data.bad`:                       `["` + "\uFFFD" + `"]`,
		`data.n2`:                        `10e400`,
		`data.nothing`:                   `null`,
		`{"z": data.n, "a": data.map.a}`: `{"a":[1,2],"z":1.0}`,
		`[data.n, data.n + 0, [data.text], "<\b"]`: `[1.0,1,["\u0041\/"],"<\b"]`,
		`{"a": type, "b": time, "c": {"d": id}}`:   `{"a":"participant_joined","b":"2026-01-31T09:00:00Z","c":{"d":"EV_1"}}`,
		`data.map.z`:                               `2`,
	} {
		x := MustExpr(source)
		got, err := x.Data(event(data))
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if raw, err := got.Bytes(); string(raw) != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", source, raw, err, want)
		}
	}
}

func TestAPayloadThatIsTooLargeIsNotWritten(t *testing.T) {
	e := event(`{"text":"` + strings.Repeat("x", mostResult/8) + `"}`)
	x := MustExpr(`[data.text, data.text, data.text, data.text, data.text, data.text, data.text]`)
	if _, err := x.Data(e); err != nil {
		t.Error(err)
	}
	x = MustExpr(`[data.text, data.text, data.text, [data.text, data.text], data.text, data.text, data.text]`)
	if _, err := x.Data(e); err == nil || !strings.Contains(err.Error(), "the result is larger than 16 MiB") {
		t.Errorf("got error %v", err)
	}
	e = event(`{"text":"` + strings.Repeat("x", mostResult) + `"}`)
	x = MustExpr(`data.text`) // which is as large as it came
	if _, err := x.Data(e); err != nil {
		t.Error(err)
	}
}

func TestAnEventThatIsFilteredOutTakesOneAllocation(t *testing.T) {
	if slower > 1 {
		t.Skip("the race detector has pools forget what they keep")
	}
	const runs = 200
	for _, source := range []string{`data.event in ["a", "b"]`, `data.event == "a" || data.event == "b"`, `data.room.name startsWith "x" and data.n > 3`, `data.room.name matches "^x"`} {
		c := MustCondition(source)
		events := make([]*engine.Event, runs+1) // and one to warm up
		for i := range events {
			events[i] = event(`{"event":"c","room":{"name":"support-1"},"n":7}`)
		}
		i := 0
		allocations := testing.AllocsPerRun(runs, func() {
			if ok, err := c.True(events[i]); ok || err != nil {
				t.Error(ok, err)
			}
			i++
		})
		if allocations > 1 {
			t.Errorf("%s takes %v allocations", source, allocations)
		}
	}
}

func TestTheBodyOfARequestMayBeAPayload(t *testing.T) {
	for _, body := range []string{`{"event":"x","n":{"m":[1]}}`, `{`, `"text"`} {
		decoded, err := engine.JSON([]byte(body)).Value()
		for _, source := range []string{`body.event`, `body`, `body.n.m[0]`, `path`} {
			r := MustRequest(source)
			want, _ := r.Eval(map[string]any{"body": decoded, "path": "/p"})
			got, failed := r.Eval(map[string]any{"body": engine.JSON([]byte(body)), "path": "/p"})
			if reads := source != `path`; failed != nil != (err != nil && reads) {
				t.Errorf("%s of %s: got error %v", source, body, failed)
			} else if failed == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%s of %s: got %v, want %v", source, body, got, want)
			}
		}
	}
}
