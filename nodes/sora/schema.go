package sora

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/flowd/flowd/engine"
)

//go:embed schema.txt
var schemaText string

// schema is what is known of the events of a source. What Sora sends may have
// more than its documentation says, also in other versions, so that is no
// mistake by itself.
func schema(c Config) engine.Schema {
	all := make(engine.Schema, 0, len(declared())+1)
	for _, v := range declared() {
		v.Source = engine.OneOf(c.Source)
		all = append(all, v)
	}
	return all
}

// declared are the events of schema.txt, and those of types that are not there.
var declared = sync.OnceValue(func() engine.Schema {
	shapes := map[string]engine.Shape{}
	var all engine.Schema
	var known []string
	for line := range strings.Lines(schemaText) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		r := &schemaReader{text: rest, shapes: shapes}
		data := r.fields("")
		webhook, event, ok := strings.Cut(name, " ")
		if !ok {
			shapes[name] = data
			continue
		}
		known = append(known, event)
		all = append(all, engine.Variant{
			Of:   "a Sora event",
			Type: engine.Shape{Kinds: engine.CanBeText, Values: []string{event}},
			Data: data,
			Meta: engine.OpenMap(map[string]engine.Shape{"webhook": {
				Kinds: engine.CanBeText, Values: []string{webhook}, Known: kindNames(),
			}}),
		})
	}
	all = append(all, engine.Variant{
		Of:   "a Sora event",
		Type: engine.Shape{Kinds: engine.CanBeText, Values: []string{}, Growing: true},
	})
	for i := range all {
		all[i].Type.Known = known
	}
	return all
})

func kindNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return names
}

// A schemaReader reads the fields of a line of schema.txt. A shape is named
// behind its own line only, so those that others are made of come first.
type schemaReader struct {
	text   string
	shapes map[string]engine.Shape
}

// fields reads fields up to end, and past it.
func (r *schemaReader) fields(end string) engine.Shape {
	m := engine.ClosedMap(map[string]engine.Shape{})
	m.Growing = true
	for {
		name := r.word()
		r.skip(" ")
		m.Fields[name] = r.shape()
		if !r.skip(", ") {
			break
		}
	}
	if !r.skip(end) || end == "" && r.text != "" {
		panic(fmt.Sprintf("sora: schema.txt: %q is not read", r.text))
	}
	return m
}

// shape reads what a field is, or one of several things.
func (r *schemaReader) shape() engine.Shape {
	s := r.one()
	for r.skip("|") {
		s = s.Or(r.one())
	}
	s.Growing = s.Growing || s.Values != nil
	return s
}

func (r *schemaReader) one() engine.Shape {
	switch {
	case r.skip("["):
		item := r.shape()
		r.skip("]")
		return engine.ListShape(item)
	case r.skip("{"):
		return r.fields("}")
	case r.skip(`"`):
		value, rest, _ := strings.Cut(r.text, `"`)
		r.text = rest
		return engine.OneOf(value).Or(engine.NilShape)
	}
	switch word := r.word(); word {
	case "text":
		return engine.TextShape
	case "number":
		return engine.NumberShape
	case "bool":
		return engine.BoolShape
	case "any":
		return engine.Shape{}
	default:
		s, ok := r.shapes[word]
		if !ok {
			panic(fmt.Sprintf("sora: schema.txt: %q is not declared above", word))
		}
		return s
	}
}

func (r *schemaReader) skip(prefix string) (ok bool) {
	r.text, ok = strings.CutPrefix(r.text, prefix)
	return ok
}

func (r *schemaReader) word() string {
	end := strings.IndexAny(r.text, " ,|]}")
	if end < 0 {
		end = len(r.text)
	}
	word := r.text[:end]
	r.text = r.text[end:]
	return word
}
