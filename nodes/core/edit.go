package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

// An edit is what becomes of a value inside a payload: it is set or removed, or
// has edits inside. All else is written on as it came, and what is new comes
// behind it.
type edit struct {
	value   *expr.Expr // what it is set to, or nil
	sets    bool       // whether it, or something inside, is set
	removed bool
	names   []string // of inside, in order
	inside  map[string]*edit
}

// at is the edit of the field f inside.
func (x *edit) at(f field) *edit {
	for _, name := range f {
		if x.inside[name] == nil {
			if x.inside == nil {
				x.inside = map[string]*edit{}
			}
			x.inside[name] = &edit{}
			x.names = slices.Sorted(maps.Keys(x.inside))
		}
		x = x.inside[name]
	}
	return x
}

// set has the field f be value.
func (x *edit) set(f field, value *expr.Expr) {
	for i := range f {
		x.at(f[:i]).sets = true
	}
	inner := x.at(f)
	inner.sets, inner.value = true, value
}

// apply returns a payload with x made, whose values are those for e.
func (x *edit) apply(e *engine.Event, payload engine.Data) (engine.Data, error) {
	view, err := viewOf(payload)
	if err != nil {
		return payload, err
	}
	const more = 256          // bytes that edits add, often
	raw, _ := payload.Bytes() // which viewOf has seen
	text, err := x.append(make([]byte, 0, len(raw)+more), view, e)
	changed := engine.Compact(text)
	if err == nil && !changed.Valid() {
		err = engine.Permanent(errors.New("this is deeper than 10000 lists and maps"))
	}
	return changed, err
}

// viewOf is payload as text, if it can be.
func viewOf(payload engine.Data) (engine.View, error) {
	view, ok := payload.View()
	if ok {
		return view, nil
	}
	if _, err := payload.Value(); err != nil {
		return view, err
	}
	text, err := payload.Bytes() // of a value
	view, _ = engine.Compact(text).View()
	return view, err
}

// append appends what becomes of was.
func (x *edit) append(b []byte, was engine.View, e *engine.Event) ([]byte, error) {
	if x.value != nil {
		data, err := x.value.Data(e)
		if err != nil {
			return b, err
		}
		if was, err = viewOf(data); err != nil {
			return b, err
		}
	}
	set := slices.IndexFunc(x.names, func(name string) bool { return x.inside[name].sets })
	if x.inside == nil || set < 0 && !was.IsMap() {
		return was.AppendJSON(b), nil
	}
	if !was.IsMap() {
		if v := was.Value(); v != nil {
			return b, fmt.Errorf("there is no field %q in %s", x.names[set], kindOf(v))
		}
	}
	b = append(b, '{')
	var few [8]engine.View
	fields := few[:0] // those of names: which of several of a name counts
	for _, name := range x.names {
		fields = append(fields, was.Field(name))
	}
	var err error
	for name, field := range was.All() {
		i, named := slices.BinarySearch(x.names, name)
		if !named {
			b = field.AppendJSON(appendName(b, name))
			continue
		}
		if inner := x.inside[name]; !inner.removed && field == fields[i] {
			if b, err = inner.append(appendName(b, name), field, e); err != nil {
				return b, fmt.Errorf("in %s: %w", name, err)
			}
		}
	}
	for i, name := range x.names {
		inner := x.inside[name]
		if !inner.sets || inner.removed || fields[i] != (engine.View{}) {
			continue
		}
		if b, err = inner.append(appendName(b, name), engine.View{}, e); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// appendName begins a field of a map.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(engine.AppendText(b, name), ':')
}
