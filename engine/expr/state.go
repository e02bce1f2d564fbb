package expr

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
)

// A code is a compiled expression. It fails by panicking with a fault, which
// [run] recovers.
type code func(s *state) any

// A state is what one evaluation works on.
type state struct {
	event *engine.Event
	names map[string]any // what a Request is evaluated over, instead of an event

	steps int  // that are left
	bytes int  // that are left
	size  int  // that the result may still grow
	built bool // whether a text, list or map was made

	site     *site    // what is being done, for messages
	frames   []frame  // of the loops around, the innermost last
	vars     []any    // of let
	stack    []any    // arguments of the calls around
	memories []memory // of paths inside loops
	out      []byte   // what is being written

	meta, failure map[string]any // made when first read
}

// A frame is one loop: # is its item.
type frame struct {
	item, acc any
	index     int
}

var states = sync.Pool{New: func() any { return new(state) }}

// newState returns a state to be given back by free. What fails before there is
// anything nearer is blamed on at.
func newState(at *site, e *engine.Event, names map[string]any) *state {
	s := states.Get().(*state)
	s.site, s.event, s.names = at, e, names
	s.steps, s.bytes, s.size = mostSteps, mostBytes, mostResult
	return s
}

// free gives s back. It keeps nothing of the event alive.
func (s *state) free() {
	clear(s.frames[:cap(s.frames)])
	clear(s.vars)
	clear(s.stack[:cap(s.stack)])
	clear(s.memories)
	if cap(s.out) > mostText {
		s.out = nil
	}
	*s = state{frames: s.frames[:0], vars: s.vars[:0], stack: s.stack[:0], memories: s.memories[:0], out: s.out[:0]}
	states.Put(s)
}

// A fault is why a program failed. It is panicked, for it ends the whole
// program from any depth.
type fault struct {
	site    *site
	message string
}

func (s *state) fail(format string, args ...any) {
	panic(fault{s.site, fmt.Sprintf(format, args...)})
}

// run evaluates c on s. What goes wrong is an error that says where.
func run(s *state, c code) (v any, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case fault:
			err = engine.Permanent(r.site.wrap(errors.New(r.message)))
		case runtimeError:
			err = engine.Permanent(s.site.wrap(fmt.Errorf("a mistake of flowd itself: %w", r)))
		default:
			panic(r)
		}
	}()
	return c(s), nil
}

// runtimeError is [runtime.Error].
type runtimeError interface {
	error
	RuntimeError()
}

// norm turns a value as nodes written in Go may put it into an event (any kind
// of number, a map or list of any type) into one of the kinds that programs
// know. What is inside is seen to when it is read.
func (s *state) norm(v any) any {
	switch v.(type) {
	case nil, bool, int64, float64, string, []any, map[string]any, time.Time, time.Duration, *time.Location:
		return v
	}
	return s.convert(v)
}

func (s *state) convert(v any) any {
	switch v := v.(type) {
	case json.Number:
		s.spend(len(v) / 2) // one that is too large is read at each use
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v // 1e400: of no kind, to be passed on as it came
	case engine.Data:
		inner, err := v.Value()
		if err != nil {
			s.fail("%v", err)
		}
		return s.norm(inner)
	case []byte:
		return base64.StdEncoding.EncodeToString(v) // as in JSON
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := int64(r.Uint()); n >= 0 {
			return n
		}
		return float64(r.Uint())
	case reflect.Float32, reflect.Float64:
		return r.Float()
	case reflect.String:
		return r.String()
	case reflect.Pointer:
		if r.IsNil() {
			return nil
		}
		return s.norm(r.Elem().Interface())
	case reflect.Slice, reflect.Array:
		s.take(r.Len() * itemSize)
		list := make([]any, r.Len())
		for i := range list {
			list[i] = r.Index(i).Interface()
		}
		return list
	case reflect.Map:
		if r.Type().Key().Kind() != reflect.String {
			break
		}
		s.take(r.Len() * entrySize)
		m := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return m
	}
	s.fail("the event holds a value that is not of JSON's kinds")
	return nil
}

// plain is v as a JSON value, for what leaves the language: times and durations
// are their texts. It counts all that v is when it is written out, so that a
// list that holds a long text a thousand times is refused here.
func (s *state) plain(v any, depth int) any {
	if depth > mostDepth {
		s.fail("this is deeper than %d lists and maps", mostDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v
	case json.Number:
		s.hold(1, len(v))
		return s.norm(v)
	case string:
		s.hold(1, len(v))
		return v
	case float64:
		if v-v != 0 {
			s.fail("%v is no number that JSON can hold", v)
		}
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration, *time.Location:
		return fmt.Sprint(v)
	case []any:
		s.hold(len(v), 0)
		return s.plainList(v, depth)
	case map[string]any:
		s.hold(2*len(v), 0)
		return s.plainMap(v, depth)
	}
	return s.plain(s.convert(v), depth)
}

// plainList copies a list only if something in it changes.
func (s *state) plainList(list []any, depth int) any {
	out := list
	for i, item := range list {
		p := s.plain(item, depth+1)
		if same(p, item) {
			continue
		}
		if &out[0] == &list[0] {
			s.take(len(list) * itemSize)
			out = slices.Clone(list)
		}
		out[i] = p
	}
	return out
}

func (s *state) plainMap(m map[string]any, depth int) any {
	out, copied := m, false
	for k, item := range m {
		s.hold(0, len(k))
		p := s.plain(item, depth+1)
		if same(p, item) {
			continue
		}
		if !copied {
			s.take(len(m) * entrySize)
			out, copied = maps.Clone(m), true
		}
		out[k] = p
	}
	return out
}

// same reports whether plain left its value as it was.
func same(p, v any) bool {
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return true
	case json.Number:
		return p == any(v)
	case []any:
		p, ok := p.([]any)
		return ok && len(p) == len(v) && (len(v) == 0 || &p[0] == &v[0])
	case map[string]any:
		p, ok := p.(map[string]any)
		return ok && reflect.ValueOf(p).UnsafePointer() == reflect.ValueOf(v).UnsafePointer()
	}
	return false
}
