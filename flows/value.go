package flows

import (
	"fmt"
	"strconv"
	"strings"
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
	broken  bool     // whether its mistake is told already, so that none follows from it
	Text    string   // a scalar as text, after ${…}; empty for a list or map
	Items   []*Value // of a List
	Entries []Entry  // of a Map, in the order of the document
	Span    Span     // where it stands

	places  places // of each rune of Text, where they are known one by one
	written string // Text as the document has it, where ${…} was put in
}

// An Entry is one key of a map and its value.
type Entry struct {
	Key   *Value
	Value *Value
}

// Whole reports whether nothing in v has a mistake that is told already: a
// ${…} of what is not set, say. What is not whole is best not looked at
// further, since nothing that is found there need be true.
func (v *Value) Whole() bool {
	if v == nil {
		return true
	}
	for _, item := range v.Items {
		if !item.Whole() {
			return false
		}
	}
	for _, e := range v.Entries {
		if !e.Value.Whole() {
			return false
		}
	}
	return !v.broken
}

// Substituted reports whether some of the text of v came from ${…}.
func (v *Value) Substituted() bool { return v.written != "" }

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
		return strings.EqualFold(v.Text, "true")
	case Int:
		if n, ok := parseInt(v.Text); ok {
			return n
		}
		f, _ := parseFloat(v.Text) // beyond 64 bits
		return f
	case Float:
		f, _ := parseFloat(v.Text)
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

// describe says what v is, to a person. What ${…} stands for may be secret and
// is not told.
func (v *Value) describe() string {
	switch {
	case v.Kind == Null:
		return "nothing"
	case v.written != "":
		return "what " + strconv.Quote(v.written) + " stands for"
	case v.Scalar():
		return strconv.Quote(v.Text)
	case len(v.Items)+len(v.Entries) == 0:
		return "an empty " + v.Kind.String()
	}
	return "a " + v.Kind.String()
}

// parseInt reads an integer as YAML's core schema writes it: 010 is ten, 0o10
// is eight.
func parseInt(text string) (int64, bool) {
	if !intForm.MatchString(text) {
		return 0, false
	}
	base := 10
	switch {
	case strings.HasPrefix(text, "0x"):
		base, text = 16, text[2:]
	case strings.HasPrefix(text, "0o"):
		base, text = 8, text[2:]
	}
	n, err := strconv.ParseInt(text, base, 64)
	return n, err == nil
}

// parseFloat reads a number as YAML's core schema writes it.
func parseFloat(text string) (float64, bool) {
	if n, ok := parseInt(text); ok {
		return float64(n), true
	}
	switch lower := strings.ToLower(text); {
	case !floatForm.MatchString(text) && !intForm.MatchString(text):
		return 0, false
	case strings.HasSuffix(lower, "inf"), strings.HasSuffix(lower, "nan"):
		text = strings.Replace(lower, ".", "", 1)
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// unexpanded is a message about v without what ${…} stands for, which may be
// secret.
func (v *Value) unexpanded(message string) string {
	if v.written == "" || v.Text == "" {
		return message
	}
	message = strings.ReplaceAll(message, strconv.Quote(v.Text), strconv.Quote(v.written))
	return strings.ReplaceAll(message, v.Text, v.written)
}

// Errorf is the error diagnostic that blames v.
func (v *Value) Errorf(format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Error, Span: v.Span, Message: v.unexpanded(fmt.Sprintf(format, args...))}
}

// Warnf is the warning that blames v.
func (v *Value) Warnf(format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Warning, Span: v.Span, Message: v.unexpanded(fmt.Sprintf(format, args...))}
}
