package expr

import (
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
)

// What a part may have beside its code are ways around the value that code
// makes: most conditions only look at a text, and most of what a transform
// makes is written on as it came.
type (
	// A peek is the value where it is a text, else false.
	peek func(s *state) (string, bool)
	// A write appends the value as JSON.
	write func(s *state, b []byte) []byte
)

// peek is the value of p if it is a text, and known without code.
func (p *part) peek(s *state) (string, bool) {
	if p.text == nil {
		return "", false
	}
	return p.text(s)
}

// looks is what an operator with a fixed right operand asks of a text on its
// left, or nil.
func looks(operator string, right part) func(s *state, text string) bool {
	if list, ok := right.value.([]any); ok && operator == "in" {
		texts := make([]string, len(list))
		for i, item := range list {
			if texts[i], ok = item.(string); !ok {
				return nil
			}
		}
		return func(s *state, text string) bool {
			s.spend(len(texts))
			return slices.Contains(texts, text)
		}
	}
	fixed, ok := right.value.(string)
	if !ok {
		return nil
	}
	var is func(text, fixed string) bool
	switch operator {
	case "==":
		return func(_ *state, text string) bool { return text == fixed }
	case "!=":
		return func(_ *state, text string) bool { return text != fixed }
	case "startsWith":
		is = strings.HasPrefix
	case "endsWith":
		is = strings.HasSuffix
	case "contains":
		is = strings.Contains
	default:
		return nil
	}
	return func(s *state, text string) bool {
		s.scan(len(text) + len(fixed))
		return is(text, fixed)
	}
}

// written is the write of p inside a list or map.
func (p part) written() write {
	w, code := p.write, p.code
	return func(s *state, b []byte) []byte {
		if w != nil {
			b = w(s, b)
		} else {
			b = s.append(b, code(s))
		}
		if len(b) > mostResult {
			s.hold(0, len(b)) // fails
		}
		return b
	}
}

func (s *state) append(b []byte, v any) []byte {
	b, err := engine.AppendJSON(b, s.plain(v, 0))
	if err != nil {
		panic(err) // plain leaves nothing that can't be written
	}
	return b
}

// writeList is the write of a list of parts.
func writeList(items []part) write {
	writes := make([]write, len(items))
	for i, item := range items {
		writes[i] = item.written()
	}
	return func(s *state, b []byte) []byte {
		b = append(b, '[')
		for i, item := range writes {
			if i > 0 {
				b = append(b, ',')
			}
			b = item(s, b)
		}
		return append(b, ']')
	}
}

// writeMap is the write of a map of parts, with its keys in order. There is none
// if they are not known, or one is there twice.
func writeMap(keys, values []part) write {
	type entry struct {
		key, lead string // lead is what stands before the value
		value     write
	}
	entries := make([]entry, len(keys))
	for i, key := range keys {
		name, ok := key.value.(string)
		if !ok || slices.ContainsFunc(entries[:i], func(e entry) bool { return e.key == name }) {
			return nil
		}
		entries[i] = entry{name, string(engine.AppendText(nil, name)) + ":", values[i].written()}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return func(s *state, b []byte) []byte {
		b = append(b, '{')
		for i := range entries {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, entries[i].lead...)
			b = entries[i].value(s, b)
		}
		return append(b, '}')
	}
}

// lookup makes p what a path leads to inside a root. Where the root is JSON
// text, nothing else of it is decoded; all is all of it.
func (c *compiler) lookup(p part, r root, all code, path []string) part {
	find := func(s *state) (engine.View, bool) {
		v, ok := r.view(s)
		for _, key := range path {
			v = v.Field(key)
		}
		return v, ok
	}
	p.code = func(s *state) any {
		v, ok := find(s)
		if !ok {
			return s.walk(all(s), path)
		}
		return v.Value()
	}
	if len(c.items) > 0 { // a loop would look it up again and again
		p.code = remembered(p.code)
		return p
	}
	p.text = func(s *state) (string, bool) {
		v, _ := find(s)
		return v.Text()
	}
	p.write = func(s *state, b []byte) []byte {
		if v, ok := find(s); ok {
			return v.AppendJSON(b)
		}
		return s.append(b, s.walk(all(s), path))
	}
	return p
}

// A memory is what a path came to.
type memory struct {
	path  *code
	value any
}

// remembered is a path that is looked up once in an evaluation.
func remembered(path code) code {
	return func(s *state) any {
		for _, m := range s.memories {
			if m.path == &path {
				return m.value
			}
		}
		v := path(s)
		s.memories = append(s.memories, memory{&path, v})
		return v
	}
}
