package flows

import (
	"fmt"
	"strconv"
)

// A Kind says what a [Value] is.
type Kind uint8

// The kinds of a value, as YAML's core schema resolves them.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Map
)

func (k Kind) String() string {
	return [...]string{"null", "boolean", "integer", "number", "text", "list", "map"}[k]
}

// A Value is one value of a document with its place. Aliases and merge keys
// are resolved and ${…} is put in. A Value is never changed once it is parsed,
// so it may be read by many goroutines.
type Value struct {
	Kind    Kind
	Text    string   // a scalar as text, after ${…}; empty for a list or map
	Items   []*Value // of a List
	Entries []Entry  // of a Map, in the order of the document
	Span    Span     // where it stands

	places []Span // of each rune of Text, where they are known one by one
}

// An Entry is one key of a map and its value.
type Entry struct {
	Key   *Value
	Value *Value
}

// Get returns the value of key in a map, or nil.
func (v *Value) Get(key string) *Value {
	if v == nil {
		return nil
	}
	for _, e := range v.Entries {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

// Key returns the key's own value in a map, or v itself if it has no such key:
// the place to blame for a setting that may or may not be there.
func (v *Value) Key(key string) *Value {
	for _, e := range v.Entries {
		if e.Key.Text == key {
			return e.Key
		}
	}
	return v
}

// Scalar reports whether v is one value and neither a list nor a map.
func (v *Value) Scalar() bool { return v.Kind != List && v.Kind != Map }

// Any returns v as plain Go: nil, bool, int64, float64, string, []any or
// map[string]any.
func (v *Value) Any() any {
	switch v.Kind {
	case Null:
		return nil
	case Bool:
		return v.Text == "true"
	case Int:
		n, err := strconv.ParseInt(v.Text, 0, 64)
		if err != nil { // beyond 64 bits
			f, _ := strconv.ParseFloat(v.Text, 64)
			return f
		}
		return n
	case Float:
		f, _ := strconv.ParseFloat(v.Text, 64)
		return f
	case List:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			list[i] = item.Any()
		}
		return list
	case Map:
		m := make(map[string]any, len(v.Entries))
		for _, e := range v.Entries {
			m[e.Key.Text] = e.Value.Any()
		}
		return m
	}
	return v.Text
}

// At returns the place of the n runes of v.Text that begin at rune i, counted
// from 0. Where they can't be told apart (the text came from ${…}, say), it is
// the place of the whole value.
func (v *Value) At(i, n int) Span {
	if i < 0 || i >= len(v.places) {
		return v.Span
	}
	s := v.places[i]
	s.Length = 1
	for k := i + 1; k < i+n && k < len(v.places); k++ {
		if v.places[k].Line != s.Line {
			break
		}
		s.Length = v.places[k].Column - s.Column + 1
	}
	return s
}

// Errorf is the error diagnostic that blames v.
func (v *Value) Errorf(format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Error, Span: v.Span, Message: fmt.Sprintf(format, args...)}
}

// Warnf is the warning that blames v.
func (v *Value) Warnf(format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Warning, Span: v.Span, Message: fmt.Sprintf(format, args...)}
}
