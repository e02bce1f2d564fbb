package core

import (
	"strings"

	"github.com/flowd/flowd/engine"
)

// A field is the place of a field inside a payload, written a.b.
type field []string

func parseField(path string) (field, bool) {
	names := strings.Split(path, ".")
	for _, name := range names {
		if name == "" {
			return nil, false
		}
	}
	return names, true
}

func (f field) String() string { return strings.Join(f, ".") }

// inData is how an expression reads the field.
func (f field) inData() string { return strings.Join(append([]string{"data"}, f...), ".") }

// step is how many of the names lead to something in a payload, and the shape
// of what the next one would have to be in.
func (f field) step(data engine.Shape) (n int, outer engine.Shape) {
	outer = data
	for i, name := range f {
		inner, ok := outer.Field(name)
		if !ok || outer.Growing && outer.Lacks(name) {
			return i, outer
		}
		outer = inner
	}
	return len(f), outer
}

// kindOf names what v is, for messages.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "a text"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "a number"
}
