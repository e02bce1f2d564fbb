package flows

import (
	"fmt"
	"path/filepath"
	"strings"
)

// An expander puts in what ${…} stands for. It works on values, after YAML is
// read, so that what it puts in is always text and never changes the shape of
// a document. A dollar before anything but { and $ is a dollar.
type expander struct {
	lookup func(name string) (string, bool)
	done   map[*Value]bool // aliases share values, which are expanded once
	seen   Fingerprints    // of the files that ${file:…} names
	diags  Diagnostics
}

// expand changes every text in v, but no key.
func (x *expander) expand(v *Value) {
	if x.done[v] {
		return
	}
	x.done[v] = true
	for _, item := range v.Items {
		x.expand(item)
	}
	for _, e := range v.Entries {
		x.expand(e.Value)
	}
	if v.Kind == String && strings.Contains(v.Text, "$") {
		x.text(v)
	}
}

// text expands one text. A rune that was put in has the place of its ${…}.
func (x *expander) text(v *Value) {
	written := []rune(v.Text)
	var text []rune
	var at places
	for i := 0; i < len(written); {
		got, length := written[i:i+1], 1
		switch next := runeAt(written, i+1); {
		case written[i] != '$':
		case next == '$':
			length = 2
		case next == '{':
			var d Diagnostic
			got, length, d = x.reference(written[i:])
			if d.Message != "" {
				d.Span = v.At(i, length)
				x.diags = append(x.diags, d)
				v.broken = true
			}
			v.written = string(written)
		}
		if v.places != nil {
			span := v.At(i, length)
			for k := range got {
				at = at.add(len(text)+k, place{int32(span.Line), int32(span.Column), int32(span.Length)})
			}
		}
		text = append(text, got...)
		i += length
	}
	v.Text, v.places = string(text), at
}

// runeAt returns the rune at an index, or 0 beyond the end.
func runeAt(s []rune, i int) rune {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// reference returns what the ${…} that s begins with stands for, how long it
// is, and what is wrong with it, without a place.
func (x *expander) reference(s []rune) (text []rune, length int, d Diagnostic) {
	depth := 0
	for i, r := range s {
		switch {
		case r == '$' && runeAt(s, i+1) == '{':
			depth++
		case r == '}' && depth > 1:
			depth--
		case r == '}':
			got, d := x.resolve(string(s[2:i]))
			return []rune(got), i + 1, d
		}
	}
	return nil, 2, Diagnostic{Message: "${ without }", Hint: "write $${ for the characters themselves"}
}

// resolve returns what ${inside} stands for, or what is wrong with it.
func (x *expander) resolve(inside string) (string, Diagnostic) {
	if path, ok := strings.CutPrefix(inside, "file:"); ok {
		return x.file(path)
	}
	name, standIn, hasDefault := strings.Cut(inside, ":-")
	if !isName(name) {
		return "", Diagnostic{
			Message: fmt.Sprintf("${%s} does not name a variable", inside),
			Hint:    "write ${NAME}, ${NAME:-default} or ${file:PATH}, or $${ for the characters themselves",
		}
	}
	value, set := x.lookup(name)
	switch {
	case set && (value != "" || !hasDefault):
		return value, Diagnostic{}
	case hasDefault:
		return x.inner(standIn)
	}
	return "", Diagnostic{
		Message: fmt.Sprintf("the environment variable %s is not set", name),
		Hint:    fmt.Sprintf("set it, or write ${%s:-default}", name),
	}
}

// inner expands what stands inside ${…}.
func (x *expander) inner(text string) (string, Diagnostic) {
	inner := expander{lookup: x.lookup, seen: x.seen}
	v := &Value{Kind: String, Text: text}
	inner.text(v)
	if len(inner.diags) > 0 {
		return "", inner.diags[0]
	}
	return v.Text, Diagnostic{}
}

// file returns what a file holds, without the white space around it.
func (x *expander) file(path string) (string, Diagnostic) {
	path, d := x.inner(path)
	if d.Message != "" {
		return "", d
	}
	if path == "" {
		return "", Diagnostic{Message: "${file:} names no file", Hint: "write ${file:PATH}"}
	}
	path = filepath.Clean(path)
	content, print, err := readFile(path, mostSecret)
	x.seen[path] = print
	if err != nil {
		return "", Diagnostic{Message: "reading the file of ${file:…}: " + err.Error()}
	}
	return strings.TrimSpace(content), Diagnostic{}
}

// isName reports whether s is the name of an environment variable.
func isName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
