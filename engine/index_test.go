package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// body is what LiveKit posts when somebody comes in.
const body = `{"event":"participant_joined","room":{"sid":"RM_hJ8xQ2mTzK4v","name":"support-4711","emptyTimeout":300,` +
	`"departureTimeout":20,"creationTime":"1767225600","creationTimeMs":"1767225600123","turnPassword":"","enabledCodecs":[],` +
	`"metadata":"","numParticipants":2,"numPublishers":1,"activeRecording":false,"version":null},"participant":{` +
	`"sid":"PA_9sKq7LmNvB2x","identity":"customer-000123","state":"ACTIVE","tracks":[],"metadata":"{\"lang\":\"ja\"}",` +
	`"joinedAt":"1767225601","joinedAtMs":"1767225601456","name":"Aiko Tanaka","version":3,"permission":{"canSubscribe":true,` +
	`"canPublish":true,"canPublishData":true,"hidden":false},"region":"asia-northeast1","isPublisher":false,"kind":"STANDARD",` +
	`"attributes":{"plan":"gold"}},"id":"EV_7yHnJmKiLoPq","createdAt":"1767225601","numDropped":0}`

// texts are JSON, and what looks like it.
var texts = []string{
	body, "", " ", "null", "true", "false", "tru", "truex", "nul", "0", "-0", "00", "01", "-", "+1", ".5", "1.", "1.0", "1.e1", "1e", "1e+", "1E-7",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e400", "-1e400", "1e-400", "0.1e1", "12 3", "{} {}", "[1],", "{}x",
	`""`, `"`, `"a`, `"\"`, `"\\"`, `"\/\b\f\n\r\t"`, `"\x"`, `"\u12"`, `"\u00e9"`, `"\uD83D\uDE00"`, `"\ud800"`, `"\ud800\u0041"`, `"\udc00"`, "\"\x00\"", "\"\x1f\"", "\"\x7f\"",
	"\"\xff\"", "\"abcdefgh\xc3\"", "\"\xed\xa0\x80\"", "\"\u2028 é 日本 😀\"", `"abcdefg\"hijklmn"`, `"abcdefghijklmno\\"`, "\"abcdefg\nabc\"",
	`[]`, `[ ]`, `[,]`, `[1,]`, `[1 2]`, `[1,2,[3,[4]],{}]`, `[`, `[1`, `]`, "[\"\xff\", 1]",
	`{}`, `{ }`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{a:1}`, `{"a":1`, `{"a"`, `{"`, `{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`, `{"a":1,"a":{"b":[]},"b":0}`,
	`{"\u0061":1}`, `{"a":1,"\u0061":2}`, `{"\u0061":1,"a":2}`, `{"a\"b":1,"a\\":2,"\\":3}`, `{"a\":\"b":1,"a":"b"}`, "{\"\xff\":1,\"\\ufffd\":2,\"\uFFFD\":3}", "{\"é\":1,\"\\u00e9\":2}", `{"":{"":{"":0}}}`,
	" {\n\t\"a\" : [ 1 , { \"b\" :\r\"x y\" } ] ,\n \"c\" : {\t} } \n", "{\"a\": \"\xff\", \"b\": {\"c\": \"\xff\", \"\xfe\": 1.0}}", "\ufeff{}", "{\"a\":1}\x00", "//\n1", `{"a":1.0,"b":1E5,"c":[1.50]}`,
	strings.Repeat("[", 99) + strings.Repeat("]", 99), strings.Repeat(`{"a":`, 99) + "1" + strings.Repeat("}", 99),
	strings.Repeat("[", 9999) + "1" + strings.Repeat("]", 9999), strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat("[", 10001) + strings.Repeat("]", 10001), strings.Repeat("[", 20000),
}

// FuzzNoPayloadIsReadOtherwiseThanByEncodingJSON reads the whole, every part
// and every text with encoding/json too, which is the reference.
func FuzzNoPayloadIsReadOtherwiseThanByEncodingJSON(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text), "a")
	}
	f.Add([]byte(`{"a":{"k\"":1}}`), `k"`)
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		want, wantErr := decodeJSON(text)
		data := JSON(text)
		view, ok := data.View()
		if valid := json.Valid(text); ok != valid || data.Valid() != valid || JSON(text).Valid() != valid {
			t.Fatalf("%q has a view: %v, and is JSON: %v", text, ok, valid)
		}
		if data.IsUTF8() != (ok && utf8.Valid(text)) {
			t.Fatalf("%q is UTF-8: %v", text, data.IsUTF8())
		}
		if ok && len(text) < 4<<10 {
			compare(t, view, want, name)
			if got := appendInOrder(nil, view); string(got) != inOrder(t, text) {
				t.Fatalf("%q goes through as %s, want %s", text, got, inOrder(t, text))
			}
		}
		got, err := data.Value()
		if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%q is %#v, %v; want %#v, %v", text, got, err, want, wantErr)
		}
		written, err := data.AppendJSON([]byte("before"))
		var compacted bytes.Buffer
		if wantErr = json.Compact(&compacted, text); (err == nil) != (wantErr == nil) || err == nil && string(written) != "before"+compacted.String() {
			t.Fatalf("%q is written as %q, %v; want %q, %v", text, written, err, compacted.Bytes(), wantErr)
		}
		if err == nil {
			written, err = AppendJSON([]byte("before"), want)
			if plain := encode(t, want); err != nil || string(written) != "before"+plain {
				t.Fatalf("the value of %q is written as %q, %v; want %q", text, written, err, plain)
			}
			got, err = Value(want).Value()
			if want, wantErr = decodeJSON(written[len("before"):]); !reflect.DeepEqual(got, want) || err != nil || wantErr != nil {
				t.Fatalf("the value of %q becomes %#v, %v; want %#v, %v", text, got, err, want, wantErr)
			}
		}
	})
}

// compare compares a view, and all inside it, with the value that it must have.
func compare(t *testing.T, v View, want any, name string) {
	t.Helper()
	list, _ := want.([]any)
	all := 0
	for _, inside := range v.All() {
		if list != nil {
			compare(t, inside, list[all], name)
		}
		all++
	}
	if fields, ok := want.(map[string]any); ok {
		for key, field := range fields {
			compare(t, v.Field(key), field, name)
		}
		if _, ok := fields[name]; !ok && v.Field(name) != (View{}) {
			t.Fatalf("there is a field %q in %v", name, want)
		}
	} else if v.Field(name) != (View{}) {
		t.Fatalf("there is a field %q in %v", name, want)
	}
	fields, _ := want.(map[string]any)
	if v.IsMap() != (fields != nil) || v.IsList() != (list != nil) || all < len(fields)+len(list) {
		t.Fatalf("%v is a map %v, a list %v, with %d inside", want, v.IsMap(), v.IsList(), all)
	}
	if got := v.Value(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %#v, want %#v", got, want)
	}
	text, ok := v.Text()
	if wanted, is := want.(string); ok != is || text != wanted {
		t.Fatalf("got the text %q, %v, want %#v", text, ok, want)
	}
	written := v.AppendJSON(nil)
	again, err := decodeJSON(written)
	if !reflect.DeepEqual(again, want) || err != nil {
		t.Fatalf("written as %q it is %#v, %v; want %#v", written, again, err, want)
	}
	if again, err = Compact(written).Value(); !reflect.DeepEqual(again, want) || err != nil {
		t.Fatalf("written as %q it is %#v, %v; want %#v", written, again, err, want)
	}
}

// appendInOrder appends v with all fields as they came, also those that do not
// count.
func appendInOrder(b []byte, v View) []byte {
	if !v.IsMap() && !v.IsList() {
		return fmt.Appendf(b, "%#v ", v.Value())
	}
	b = append(b, '(')
	for name, inside := range v.All() {
		if v.IsMap() {
			b = fmt.Appendf(b, "%#v ", name)
		}
		b = appendInOrder(b, inside)
	}
	return append(b, ')')
}

// inOrder is appendInOrder by the tokens of encoding/json.
func inOrder(t *testing.T, text []byte) string {
	t.Helper()
	var b []byte
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return string(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				b = append(b, '(')
			} else {
				b = append(b, ')')
			}
		default:
			b = fmt.Appendf(b, "%#v ", exact(token))
		}
	}
}

// encode is what encoding/json writes.
func encode(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestAValueIsTheSameBeforeAndAfterALog(t *testing.T) {
	type point struct{ X, Y int }
	for _, given := range []any{
		nil, true, "a", "\xff", "\xed\xa0\x80", 1, int8(-1), uint(1), uint64(math.MaxUint64), int64(math.MinInt64), float32(0.1), 0.5, 4.0, -4.0, math.Copysign(0, -1),
		float64(1 << 53), float64(1<<53 + 2), float64(1 << 60), float64(1 << 62), float64(1<<63 - 1024), float64(1 << 63), -float64(1 << 63), 1e19, 1e21, 1e-7, math.MaxFloat64,
		json.Number("1"), json.Number("1.0"), json.Number("1e400"), []byte("abc"), []string{"a"}, []string(nil), []any(nil), []any{}, []any{1}, []any{4.0, []any{"\xff"}},
		map[string]any(nil), map[string]any{}, map[string]any{"a": 4.0}, map[string]any{"\xff": 1.5}, map[string][]string{"a": {"b"}}, map[int]string{1: "a"}, point{1, 2}, &point{1, 2},
		time.Date(2026, 9, 1, 7, 30, 5, 0, time.FixedZone("", 9*3600)), JSON([]byte(` {"a": 1.0} `)), map[string]any{"a": JSON([]byte(`[1e0]`))}, []any{View{}},
		math.NaN(), []any{math.Inf(1)}, make(chan int), map[string]any{"a": func() {}}, JSON([]byte("x")),
		nested(deepest), nested(deepest + 1), []any{JSON([]byte(lists(deepest - 1)))}, []any{JSON([]byte(lists(deepest)))},
	} {
		before := Value(given)
		got, err := before.Value()
		var want any
		raw, wantErr := Value(given).Bytes()
		if wantErr == nil {
			want, wantErr = JSON(raw).Value()
		}
		if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%.50T: before the log it is %.50v, %v, behind it %.50v, %v", given, got, err, want, wantErr)
		}
		if again, errAgain := before.Value(); !reflect.DeepEqual(got, again) || err != errAgain {
			t.Errorf("%.50T: then it is %.50v, %v", given, again, errAgain)
		}
	}
}

func TestMetaThatNoLogCanHoldIsRefused(t *testing.T) {
	for _, v := range []any{make(chan int), []any{func() {}}} {
		err := settleMeta([]*Event{{ID: "EV_1", Meta: Meta{"a": map[string]any{"b": v}}}})
		if err == nil || !strings.Contains(err.Error(), `meta of event "EV_1": a: `) {
			t.Errorf("%T: got %v", v, err)
		}
	}
}

// nested is so many lists inside each other.
func nested(depth int) any {
	v := []any{}
	for range depth - 1 {
		v = []any{v}
	}
	return v
}

// lists is the text of nested.
func lists(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestWhatIsWrittenIsNoDeeperThanWhatCanBeRead(t *testing.T) {
	deep := JSON([]byte(lists(deepest)))
	view, ok := deep.View()
	if !ok {
		t.Fatal("it can't be read")
	}
	for _, v := range []any{[]any{deep}, []any{view}, map[string]any{"a": view}, []any{nested(deepest)}} {
		if b, err := AppendJSON([]byte("x"), v); err == nil || json.Valid(b[1:]) {
			t.Errorf("it is written: %v", err)
		}
	}
	made := Compact([]byte("[" + lists(deepest) + "]"))
	if _, err := made.AppendJSON(nil); err == nil || made.Valid() {
		t.Errorf("it is written: %v", err)
	}
	if b, err := AppendJSON(nil, view); err != nil || string(b) != lists(deepest) {
		t.Errorf("it is not written: %v", err)
	}
}

func TestTheLastOfFieldsOfOneNameCounts(t *testing.T) {
	for text, want := range map[string]any{
		`{"a":{"b":1},"a":{"b":2}}`:          int64(2),
		`{"a":{"b":1},"a":{"c":2}}`:          nil,
		`{"a":{"b":1},"\u0061":{"b":"x\n"}}`: "x\n",
		`{"a":{"b":1},"a":3}`:                nil,
		`{"a":{"b":1,"b":[1.0]}}`:            []any{1.0},
	} {
		v, ok := JSON([]byte(text)).View()
		if got := v.Field("a").Field("b").Value(); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestNamesWithEscapesAreDecodedOnce(t *testing.T) {
	const fields = 1000
	v, _ := JSON([]byte("{" + strings.Repeat(`"\u0061":1,`, fields) + `"\u0062":{"b":2,"\u0063":3}}`)).View()
	if got := v.Field("b").Field("c").Value(); got != int64(3) {
		t.Fatalf("got %v", got)
	}
	allocations := testing.AllocsPerRun(10, func() {
		if v.Field("a").Value() != int64(1) || v.Field("none") != (View{}) || v.Field("b").Field("b").Value() != int64(2) {
			t.Fatal("the fields are not found")
		}
	})
	if allocations > fields/100 {
		t.Errorf("three lookups take %v allocations", allocations)
	}
}

func TestAPartIsWrittenAsItWasSent(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1.0}`:                           `1.0`,
		`{"a":"\u0041\/"}`:                    `"\u0041\/"`,
		`{"a":{"z":1,"a":2,"z":3}}`:           `{"z":1,"a":2,"z":3}`,
		"{\"a\" : {\"b\" :\n [1, \"x y\"]} }": `{"b":[1,"x y"]}`,
		"{\"a\":{\"z\":1.0,\"b\":\"\xff\"}}":  "{\"z\":1.0,\"b\":\"\uFFFD\"}", // but what is not UTF-8
		`{"b":1}`:                             `null`,
	} {
		v, ok := JSON([]byte(text)).View()
		if got := string(v.Field("a").AppendJSON(nil)); !ok || got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestAListThatWasDecodedIsRemembered(t *testing.T) {
	data := JSON([]byte(`{"a":[1,2],"b":[3]}`))
	v, _ := data.View()
	first, second := v.Field("a").Value().([]any), v.Field("a").Value().([]any)
	if &first[0] != &second[0] {
		t.Error("it was decoded twice")
	}
	if other := v.Field("b").Value(); !reflect.DeepEqual(other, []any{int64(3)}) {
		t.Errorf("got %v", other)
	}
}

func TestCopiesOfAPayloadAreReadAtOnce(t *testing.T) {
	data := JSON([]byte(`{"a":{"b":"x\n"},"c":[1,2]}`))
	want, err := decodeJSON([]byte(`{"a":{"b":"x\n"},"c":[1,2]}`))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			v, ok := data.View()
			text, _ := v.Field("a").Field("b").Text()
			list := v.Field("c").Value()
			if got, err := data.Value(); !ok || text != "x\n" || !reflect.DeepEqual(list, []any{int64(1), int64(2)}) || !reflect.DeepEqual(got, want) || err != nil {
				t.Errorf("got %v, %q, %v, %v, %v", ok, text, list, got, err)
			}
		})
	}
	all.Wait()
}

// sink keeps a result from being optimised away.
var sink any

func BenchmarkData(b *testing.B) {
	text := []byte(body)
	seen := JSON(text)
	view, ok := seen.View()
	if !ok {
		b.Fatal("no JSON")
	}
	value, err := seen.Value()
	if err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 0, 2*len(text))
	for name, f := range map[string]func(){
		"index":               func() { _, ok = indexOf(text) },
		"view":                func() { JSON(text).View() },
		"encoding/json.Valid": func() { json.Valid(text) },
		"value":               func() { sink, _ = JSON(text).Value() },
		"encoding/json value": func() { sink, _ = decodeJSON(text) },
		"lookup text":         func() { _, ok = view.Field("participant").Field("identity").Text() },
		"lookup value":        func() { sink = view.Field("participant").Field("identity").Value() },
		"copy a part":         func() { buffer = view.Field("participant").AppendJSON(buffer[:0]) },
		"copy all":            func() { buffer, _ = seen.AppendJSON(buffer[:0]) },
		"encode a value":      func() { buffer, _ = AppendJSON(buffer[:0], value) },
	} {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
