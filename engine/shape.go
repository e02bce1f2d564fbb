package engine

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A Shape is what is known of a value before there is one. The zero Shape is
// that of any value of JSON. A Shape is never changed once it is used, so it
// may be shared.
type Shape struct {
	Kinds  Kinds            // what the value may be; 0 is anything
	Fields map[string]Shape // of a map: its known fields
	Open   bool             // whether a map may have other fields too
	Item   *Shape           // of a list: each of its items; nil is any
	Values []string         // of text: all that it may be; nil is any
	// Known is, beside Values, all that such a text is known to be anywhere.
	// What is not in it is a mistake.
	Known []string
	// Growing is whether the sender may come up with texts that are not Known,
	// or a map with other fields. They are a mistake where they look like one
	// that is known, and a warning otherwise.
	Growing bool
}

// Kinds is a set of kinds of value.
type Kinds uint16

// The kinds of JSON.
const (
	CanBeNil Kinds = 1 << iota
	CanBeBool
	CanBeNumber
	CanBeText
	CanBeList
	CanBeMap
)

var kindNames = [...]string{"nil", "true or false", "a number", "text", "a list", "a map"}

// String names the kinds for messages. Nil is not named beside others, since
// what may be nil too is meant to be something.
func (k Kinds) String() string {
	if k != CanBeNil {
		k &^= CanBeNil
	}
	var names []string
	for i, name := range kindNames {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return cmp.Or(strings.Join(names, " or "), "any value")
}

// Shapes of values that may be nil too, as most fields may.
var (
	BoolShape   = Shape{Kinds: CanBeBool | CanBeNil}
	NumberShape = Shape{Kinds: CanBeNumber | CanBeNil}
	TextShape   = Shape{Kinds: CanBeText | CanBeNil}
	NilShape    = Shape{Kinds: CanBeNil}
)

// ClosedMap is the shape of a map, or nil, with these fields and no other.
func ClosedMap(fields map[string]Shape) Shape {
	return Shape{Kinds: CanBeMap | CanBeNil, Fields: fields}
}

// OpenMap is the shape of a map, or nil, with these fields and perhaps others.
func OpenMap(fields map[string]Shape) Shape {
	return Shape{Kinds: CanBeMap | CanBeNil, Fields: fields, Open: true}
}

// ListShape is the shape of a list, or nil.
func ListShape(item Shape) Shape { return Shape{Kinds: CanBeList | CanBeNil, Item: &item} }

// OneOf is the shape of text that is one of values.
func OneOf(values ...string) Shape {
	return Shape{Kinds: CanBeText, Values: values, Known: values}
}

// Or is the shape of what is of the one shape or the other.
func (s Shape) Or(t Shape) Shape { return union{}.of(s, t) }

// A union makes the shape of what has one of two. It keeps what it made of the
// fields of two maps, for a schema that refers to itself has the same ones at
// many places.
type union map[twoMaps]map[string]Shape

type twoMaps struct {
	s, t         uintptr // the addresses of their fields
	sOpen, tOpen bool
}

func (u union) of(s, t Shape) Shape {
	switch {
	case s.Kinds == 0 || t.Kinds == 0:
		return Shape{}
	case s.Kinds&^CanBeNil == 0:
		t.Kinds |= s.Kinds
		return t
	case t.Kinds&^CanBeNil == 0:
		s.Kinds |= t.Kinds
		return s
	}
	all := Shape{Kinds: s.Kinds | t.Kinds}
	switch a, b := s.Kinds&CanBeText != 0, t.Kinds&CanBeText != 0; {
	case a && b && s.limited() && t.limited():
		all.Values, all.Known = merge(s.Values, t.Values), merge(s.Known, t.Known)
		all.Growing = s.Growing || t.Growing
	case a && !b:
		all.Values, all.Known, all.Growing = s.Values, s.Known, s.Growing
	case b && !a:
		all.Values, all.Known, all.Growing = t.Values, t.Known, t.Growing
	}
	switch a, b := s.Kinds&CanBeList != 0, t.Kinds&CanBeList != 0; {
	case a && b && s.Item != nil && t.Item != nil:
		item := u.of(*s.Item, *t.Item)
		all.Item = &item
	case a && !b:
		all.Item = s.Item
	case b && !a:
		all.Item = t.Item
	}
	switch a, b := s.Kinds&CanBeMap != 0, t.Kinds&CanBeMap != 0; {
	case a && b:
		all.Fields, all.Open = u.fields(s, t), s.Open || t.Open
		all.Growing = all.Growing || s.Growing || t.Growing
	case a:
		all.Fields, all.Open, all.Growing = s.Fields, s.Open, all.Growing || s.Growing
	case b:
		all.Fields, all.Open, all.Growing = t.Fields, t.Open, all.Growing || t.Growing
	}
	return all
}

// limited reports whether a text is one of known ones.
func (s Shape) limited() bool { return s.Values != nil || s.Known != nil }

func (u union) fields(s, t Shape) map[string]Shape {
	two := twoMaps{reflect.ValueOf(s.Fields).Pointer(), reflect.ValueOf(t.Fields).Pointer(), s.Open, t.Open}
	if two.s == two.t {
		return s.Fields
	}
	if made := u[two]; made != nil {
		return made
	}
	fields := make(map[string]Shape, len(s.Fields)+len(t.Fields))
	for name, f := range s.Fields {
		fields[name] = u.of(f, t.field(name))
	}
	for name, f := range t.Fields {
		if _, both := s.Fields[name]; !both {
			fields[name] = u.of(f, s.field(name))
		}
	}
	u[two] = fields
	return fields
}

func merge(a, b []string) []string {
	if slices.Equal(a, b) {
		return a
	}
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// field is the field of a map: nil where it is not known to have it.
func (s Shape) field(name string) Shape {
	if f, ok := s.Fields[name]; ok {
		return f
	}
	if s.Open || s.Kinds == 0 {
		return Shape{}
	}
	return NilShape
}

// Lacks reports whether the value is, or may be, a map that is not known to
// have a field, though its fields are known.
func (s Shape) Lacks(name string) bool {
	_, has := s.Fields[name]
	return s.Kinds&CanBeMap != 0 && !has && !s.Open
}

// With is the shape of the map with another value at a place inside.
func (s Shape) With(place []string, value Shape) Shape {
	m := Shape{Kinds: CanBeMap, Open: s.Open || s.Kinds == 0, Growing: s.Growing, Fields: map[string]Shape{}}
	maps.Copy(m.Fields, s.Fields)
	if len(place) > 1 {
		inner := s.field(place[0])
		if s.Growing && s.Lacks(place[0]) {
			inner = Shape{}
		}
		value = inner.With(place[1:], value)
	}
	m.Fields[place[0]] = value
	return m
}

// Without is the shape of the map, or other value, without what is at a place
// inside.
func (s Shape) Without(place []string) Shape {
	inner, ok := s.Fields[place[0]]
	if !ok {
		return s
	}
	s.Fields = maps.Clone(s.Fields)
	if len(place) > 1 {
		s.Fields[place[0]] = inner.Without(place[1:])
	} else {
		delete(s.Fields, place[0])
	}
	return s
}

// Field is what is read of a value by the name of a field: nil, if it is no
// map. It is false where that is always nil.
func (s Shape) Field(name string) (Shape, bool) {
	if s.Kinds == 0 {
		return Shape{}, true
	}
	if s.Kinds&CanBeMap == 0 {
		return NilShape, false
	}
	f, ok := s.Fields[name]
	if !ok && !s.Open && !s.Growing {
		return NilShape, false
	}
	if s.Kinds&^CanBeMap != 0 && f.Kinds != 0 {
		f.Kinds |= CanBeNil
	}
	return f, true
}

// Names lists the known fields.
func (s Shape) Names() []string { return slices.Sorted(maps.Keys(s.Fields)) }

// May reports whether the value may be one of the kinds.
func (s Shape) May(k Kinds) bool { return s.Kinds == 0 || s.Kinds&k != 0 }

// MayBeText reports whether the value may be this text.
func (s Shape) MayBeText(text string) bool {
	switch {
	case !s.May(CanBeText):
		return false
	case !s.limited():
		return true
	}
	return slices.Contains(s.Values, text) || s.Growing && !slices.Contains(s.Known, text)
}

// ShapeOf is the shape of one value, as [Data.Value] gives it.
func ShapeOf(v any) Shape {
	switch v := v.(type) {
	case nil:
		return NilShape
	case bool:
		return Shape{Kinds: CanBeBool}
	case string:
		return OneOf(v)
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr, float32, float64:
		return Shape{Kinds: CanBeNumber}
	case []any:
		list := Shape{Kinds: CanBeList}
		for i, item := range v {
			shape := ShapeOf(item)
			if i > 0 {
				shape = shape.Or(*list.Item)
			}
			list.Item = &shape
		}
		return list
	case map[string]any:
		m := Shape{Kinds: CanBeMap, Fields: make(map[string]Shape, len(v))}
		for name, value := range v {
			m.Fields[name] = ShapeOf(value)
		}
		return m
	}
	return Shape{}
}

// A Schema is what is known of the events that come to a place: one of its
// variants describes each of them. A nil Schema knows nothing, and an empty
// one is that of a place where no event comes.
type Schema []Variant

// A Variant is one kind of event. What is left out may be anything.
type Variant struct {
	Of     string // for messages: `a LiveKit event`, or what made its data
	Source Shape
	Type   Shape
	Data   Shape
	Meta   Shape
	Error  Shape // nil, but behind an error port
	Again  bool  // whether its sender sends the same again, when it got no answer
}

// AnyEvent is the Schema of any event.
var AnyEvent = Schema{{}}

func (s Schema) orAny() Schema {
	if s == nil {
		return AnyEvent
	}
	return s
}

// Name is the shape of one of the names of the language: data, type, … Where
// events come that are known, those that the sender may yet come up with make
// no difference but for their type.
func (s Schema) Name(name string) Shape {
	var all Shape
	first := true
	known := slices.ContainsFunc(s, func(v Variant) bool { return !v.unheard() })
	for _, v := range s.orAny() {
		if known && v.unheard() && name != "type" {
			continue
		}
		shape := v.Name(name)
		if !first {
			shape = all.Or(shape)
		}
		all, first = shape, false
	}
	return all
}

// unheard reports whether v is of events that nobody has heard of yet.
func (v Variant) unheard() bool { return v.Type.Growing && len(v.Type.Values) == 0 }

// Name is the shape of one of the names of the language: data, type, … A
// request is known as the event that comes of it, whose data is its body and
// whose meta has its headers, query and path.
func (v Variant) Name(name string) Shape {
	switch name {
	case "source":
		return v.Source
	case "type":
		return v.Type
	case "data":
		return v.Data
	case "meta":
		return v.Meta
	case "error":
		return v.Error
	case "body":
		return v.Data
	case "headers", "query", "path":
		return v.Meta.field(name)
	}
	return Shape{}
}

// Each is s with each variant changed by f.
func (s Schema) Each(f func(v Variant) Variant) Schema {
	changed := make(Schema, len(s.orAny()))
	for i, v := range s.orAny() {
		changed[i] = f(v)
	}
	return changed
}

// String names the events, for messages.
func (s Schema) String() string {
	var of []string
	for _, v := range s {
		if v.Of == "" {
			return "this event"
		}
		of = append(of, v.Of)
	}
	of = slices.Compact(slices.Sorted(slices.Values(of)))
	if len(of) == 1 && len(s) == 1 && len(s[0].Type.Values) == 1 && len(s[0].Type.Known) > 1 {
		return of[0] + " of type " + s[0].Type.Values[0]
	}
	return strings.Join(of, " or ")
}

// And is what comes of either. Variants of one kind become one.
func (s Schema) And(t Schema) Schema {
	all := slices.Clone(s)
	for _, v := range t {
		i := slices.IndexFunc(all, v.like)
		if i < 0 {
			all = append(all, v)
			continue
		}
		w := &all[i]
		w.Data, w.Meta, w.Error = w.Data.Or(v.Data), w.Meta.Or(v.Meta), w.Error.Or(v.Error)
		w.Again = w.Again || v.Again
	}
	return all
}

func (v Variant) like(w Variant) bool {
	return v.Of == w.Of && v.Source.sameText(w.Source) && v.Type.sameText(w.Type) && v.Error.Kinds == w.Error.Kinds
}

func (s Shape) sameText(t Shape) bool {
	return s.Kinds == t.Kinds && s.Growing == t.Growing && s.limited() == t.limited() && slices.Equal(s.Values, t.Values)
}
