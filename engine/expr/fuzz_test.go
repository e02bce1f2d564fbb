package expr

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"testing"
	"time"

	exprlang "github.com/expr-lang/expr"
	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// seeds are what the tables of the other tests hold.
func seeds(f *testing.F, add func(source string)) {
	for _, c := range cases {
		add(c.source)
	}
	for _, c := range failures {
		add(c.source)
	}
	for _, source := range hostile {
		add(source)
	}
}

// mostFuzzed is generous: a fuzzing machine is busy.
const mostFuzzed = 20 * time.Second

func FuzzCompile(f *testing.F) {
	seeds(f, func(source string) { f.Add(source) })
	f.Add("a {{ data.x }} {{ {a: {b: 1}} }} {{ '}}' }}")
	f.Add("(((((((((1<(1<(1<(1<2<3)<4)<5)<6)))))))))")
	f.Fuzz(func(t *testing.T, source string) {
		start := time.Now()
		for _, kind := range []string{"expression", "condition", "text", "request"} {
			v := &flows.Value{Kind: flows.String, Text: source}
			for _, d := range decoder(kind).DecodeValue(v) {
				if d.Message == "" {
					t.Errorf("%q: a mistake without a message", source)
				}
			}
		}
		if took := time.Since(start); took > mostFuzzed {
			t.Errorf("%q: took %v", source, took)
		}
	})
}

func FuzzEval(f *testing.F) {
	seeds(f, func(source string) {
		f.Add(source, payload)
		f.Add(source, `{"a":[[{}]],"text":"a","n":1e300,"list":"x"}`)
	})
	f.Add(`fromBase64("aMOpu6k=")`, payload) // no UTF-8
	f.Fuzz(func(t *testing.T, source, data string) {
		var x Expr
		if x.DecodeValue(&flows.Value{Kind: flows.String, Text: source}).Failed() {
			return
		}
		e := event(data)
		before, _ := e.Data.Value()
		snapshot, _ := json.Marshal(before)
		start := time.Now()
		v, err := x.Eval(e)
		if took := time.Since(start); took > mostFuzzed {
			t.Errorf("%q over %q: took %v", source, data, took)
		}
		if err != nil {
			if regexp.MustCompile(`mistake of flowd|runtime error`).MatchString(err.Error()) {
				t.Errorf("%q over %q: %v", source, data, err)
			}
		} else if _, err := engine.Value(v).Bytes(); err != nil {
			t.Errorf("%q over %q: the result is no JSON: %v", source, data, err)
		}
		after, _ := json.Marshal(before)
		if string(snapshot) != string(after) {
			t.Errorf("%q changed its payload", source)
		}
		if !regexp.MustCompile(`now|uuid`).MatchString(source) {
			sameAsDecoded(t, &x, data)
		}
	})
}

// different is what our language is meant to do otherwise than expr-lang:
// places in text are counted in characters, JSON is on one line, maps have an
// order, integers don't wrap, what is nil or has no value is no error.
var different = regexp.MustCompile(`toJSON|keys|values|toPairs|type|string|join|indexOf|lastIndexOf|\[.*\]|len|now|uuid|hash|round|bit|mean|median|min|max|split|sort|\*\*|\^|timezone|nil|null|\.\.|fromJSON|data\.(big|next|max|mixed)|duration|[0-9]{15}`)

func FuzzExprLangGivesTheSame(f *testing.F) {
	seeds(f, func(source string) { f.Add(source) })
	decoded, err := engine.JSON([]byte(payload)).Value()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if different.MatchString(source) || isTemplate(source) {
			return
		}
		var x Expr
		if x.DecodeValue(&flows.Value{Kind: flows.String, Text: source}).Failed() {
			return
		}
		e := event(payload)
		s := newState(x.at, e, nil)
		ours, err := run(s, x.code)
		s.free()
		if err != nil || !cheap(&x, e) {
			return
		}
		env := map[string]any{
			"id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject, "time": e.Time,
			"data": decoded, "meta": e.MetaValue(), "error": nil,
		}
		program, err := exprlang.Compile(source, exprlang.Env(env))
		if err != nil {
			return
		}
		theirs, err := exprlang.Run(program, env)
		if err != nil {
			return
		}
		if diff := cmp.Diff(comparable(theirs), comparable(ours)); diff != "" {
			t.Errorf("%q: expr-lang gives %v, we give %v", source, theirs, ours)
		}
	})
}

// comparable is v with every number a float64 and every list and map plain.
func comparable(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case time.Duration:
		return v.String()
	}
	r := reflect.ValueOf(v)
	switch {
	case !r.IsValid():
		return nil
	case r.CanInt():
		return float64(r.Int())
	case r.Kind() == reflect.Slice:
		list := make([]any, r.Len())
		for i := range list {
			list[i] = comparable(r.Index(i).Interface())
		}
		return list
	case r.Kind() == reflect.Map:
		m := map[string]any{}
		for it := r.MapRange(); it.Next(); {
			m[fmt.Sprint(it.Key().Interface())] = comparable(it.Value().Interface())
		}
		return m
	}
	return v
}
