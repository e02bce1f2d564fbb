package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flowd/flowd/flows"
)

// SchemaFiles is a field of a configuration that names files which say what
// payloads look like: a JSON Schema, or bodies as they come. A list is of files
// of which a payload is like one.
type SchemaFiles struct {
	bodies []Body
	files  flows.Fingerprints
}

// A Body is one way that payloads look: a sample, or a JSON Schema, or one of
// the schemas in its anyOf or oneOf.
type Body struct {
	Shape  Shape // what is known of such payloads
	Sample any   // one of them; nil for a schema
}

// FlowType names the type of the field in the documentation of a node.
func (SchemaFiles) FlowType() string { return "path or list of paths" }

// Bodies are the ways that payloads look: one of which nothing is known, if no
// file is named.
func (s SchemaFiles) Bodies() []Body {
	if len(s.bodies) == 0 {
		return []Body{{}}
	}
	return s.bodies
}

// Shape is what is known of all of the payloads.
func (s SchemaFiles) Shape() Shape {
	all := s.Bodies()[0].Shape
	for _, b := range s.Bodies()[1:] {
		all = all.Or(b.Shape)
	}
	return all
}

// Files are those that are named.
func (s SchemaFiles) Files() flows.Fingerprints { return s.files }

// DecodeValue reads the files.
func (s *SchemaFiles) DecodeValue(v *flows.Value) flows.Diagnostics {
	items := []*flows.Value{v}
	if v.Kind == flows.List {
		items = v.Items
	}
	*s = SchemaFiles{files: flows.Fingerprints{}}
	var diags flows.Diagnostics
	for _, item := range items {
		if item.Kind != flows.String || item.Text == "" {
			diags = append(diags, item.Errorf("want the path of a JSON Schema or of a sample body"))
		} else if err := s.read(item.Text); err != nil {
			diags = append(diags, item.Errorf("%v", err))
		}
	}
	return diags
}

// read reads a file of one JSON Schema, or of sample bodies, one behind the
// other.
func (s *SchemaFiles) read(path string) error {
	text, err := s.files.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading a schema: %w", err)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	for n := 0; ; n++ {
		var value any
		switch err := dec.Decode(&value); {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%s is empty: want a JSON Schema or sample bodies", path)
		case err != nil:
			return fmt.Errorf("%s holds neither a JSON Schema nor sample bodies: %w", path, err)
		}
		value = exact(value)
		if m, ok := value.(map[string]any); ok && isJSONSchema(m) {
			for _, shape := range newSchemaReader(m).bodies(m) {
				s.bodies = append(s.bodies, Body{Shape: shape})
			}
			continue
		}
		s.bodies = append(s.bodies, Body{sampleShape(value), value})
	}
}

// sampleShape is the shape of values like one: text of any kind, perhaps nil,
// in maps that may have more.
func sampleShape(v any) Shape {
	switch v := v.(type) {
	case nil:
		return Shape{}
	case string:
		return TextShape
	case []any:
		if len(v) == 0 {
			return ListShape(Shape{})
		}
		item := sampleShape(v[0])
		for _, other := range v[1:] {
			item = item.Or(sampleShape(other))
		}
		return ListShape(item)
	case map[string]any:
		m := Shape{Kinds: CanBeMap | CanBeNil, Growing: true, Open: len(v) == 0, Fields: map[string]Shape{}}
		for name, value := range v {
			m.Fields[name] = sampleShape(value)
		}
		return m
	}
	s := ShapeOf(v)
	s.Kinds |= CanBeNil
	return s
}

func isJSONSchema(m map[string]any) bool {
	if _, ok := m["$schema"].(string); ok {
		return true
	}
	_, properties := m["properties"].(map[string]any)
	_, reference := m["$ref"].(string)
	return properties && (m["type"] == "object" || m["type"] == nil) || reference
}

// A schemaReader makes a shape of a JSON Schema, of any draft. What it does not
// understand it takes for anything.
type schemaReader struct {
	root map[string]any
	refs map[reference]Shape // those that were followed, for a schema may refer to itself at many places
}

// A reference is one at a depth of the schema.
type reference struct {
	to    string
	depth int
}

func newSchemaReader(root map[string]any) *schemaReader {
	return &schemaReader{root: root, refs: map[reference]Shape{}}
}

// deepestSchema is how deep schemas are read that refer to themselves.
const deepestSchema = 12

var schemaKinds = map[string]Kinds{
	"null": CanBeNil, "boolean": CanBeBool, "number": CanBeNumber, "integer": CanBeNumber,
	"string": CanBeText, "array": CanBeList, "object": CanBeMap,
}

// bodies are the shapes of which a value has one.
func (r *schemaReader) bodies(schema any) []Shape {
	m, _ := schema.(map[string]any)
	for range deepestSchema {
		ref, ok := m["$ref"].(string)
		if !ok {
			break
		}
		m, _ = r.resolve(ref).(map[string]any)
	}
	var all []Shape
	for _, s := range alternatives(m) {
		all = append(all, r.shape(s, 1))
	}
	if all == nil {
		all = []Shape{r.shape(m, 0)}
	}
	return all
}

// alternatives are the schemas of which a value has one, if there are several.
func alternatives(m map[string]any) []any {
	for _, key := range []string{"anyOf", "oneOf"} {
		if some, ok := m[key].([]any); ok && m["properties"] == nil {
			return some
		}
	}
	return nil
}

func (r *schemaReader) shape(schema any, depth int) Shape {
	m, ok := schema.(map[string]any)
	if !ok || depth > deepestSchema {
		return Shape{}
	}
	if ref, ok := m["$ref"].(string); ok {
		at := reference{ref, depth}
		if _, known := r.refs[at]; !known {
			r.refs[at] = r.shape(r.resolve(ref), depth+1)
		}
		return r.refs[at]
	}
	if some := alternatives(m); len(some) > 0 {
		all := r.shape(some[0], depth+1)
		for _, s := range some[1:] {
			all = all.Or(r.shape(s, depth+1))
		}
		return all
	}
	s := Shape{Kinds: kindsOfSchema(m)}
	if s.Kinds == 0 {
		return Shape{}
	}
	s.Kinds |= CanBeNil // it may be left out
	s.Values = textsOfSchema(m)
	s.Known = s.Values
	if s.Kinds&CanBeList != 0 {
		item := Shape{}
		if m["prefixItems"] == nil {
			item = r.shape(m["items"], depth+1)
		}
		s.Item = &item
	}
	if s.Kinds&CanBeMap != 0 {
		r.fields(&s, m, depth)
	}
	return s
}

func (r *schemaReader) fields(s *Shape, m map[string]any, depth int) {
	s.Fields = map[string]Shape{}
	properties, _ := m["properties"].(map[string]any)
	for name, property := range properties {
		s.Fields[name] = r.shape(property, depth+1)
	}
	composed := false
	for _, key := range []string{"allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas", "patternProperties", "unevaluatedProperties"} {
		composed = composed || m[key] != nil
	}
	switch more := m["additionalProperties"].(type) {
	case bool:
		s.Open = more || composed
	case map[string]any:
		s.Open = true
	default:
		s.Open = composed || len(properties) == 0
	}
	s.Growing = !s.Open && m["additionalProperties"] == nil
}

// kindsOfSchema is what values a schema names; 0 if it does not say.
func kindsOfSchema(m map[string]any) Kinds {
	var kinds Kinds
	switch t := m["type"].(type) {
	case string:
		kinds = schemaKinds[t]
	case []any:
		for _, item := range t {
			name, _ := item.(string)
			kinds |= schemaKinds[name]
		}
	default:
		if m["properties"] != nil {
			kinds = CanBeMap
		} else if textsOfSchema(m) != nil {
			kinds = CanBeText | CanBeNil
		}
	}
	if m["nullable"] == true && kinds != 0 {
		kinds |= CanBeNil
	}
	return kinds
}

// textsOfSchema are the texts of an enumeration that has nothing else, or nil.
func textsOfSchema(m map[string]any) []string {
	values, _ := m["enum"].([]any)
	if c, ok := m["const"]; ok {
		values = []any{c}
	}
	var texts []string
	for _, v := range values {
		text, ok := v.(string)
		if !ok && v != nil {
			return nil
		}
		if ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// resolve finds what a reference inside the document means.
func (r *schemaReader) resolve(ref string) any {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	var at any = r.root
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		m, _ := at.(map[string]any)
		at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	return at
}

var (
	_ flows.Decoder   = (*SchemaFiles)(nil)
	_ flows.Dependent = (*SchemaFiles)(nil)
)
