package flows

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Write is v as YAML.
func (v *Value) Write() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(v.node()); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

var tags = [...]string{Null: "!!null", Bool: "!!bool", Int: "!!int", Float: "!!float", String: "!!str"}

func (v *Value) node() *yaml.Node {
	switch v.Kind {
	case List:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v.Items {
			n.Content = append(n.Content, item.node())
		}
		return n
	case Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, e := range v.Entries {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.Key.Text}, e.Value.node())
		}
		return n
	case Null:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tags[Null], Value: "null"}
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tags[v.Kind], Value: v.Text}
	if v.Kind == String && strings.Contains(strings.TrimSuffix(v.Text, "\n"), "\n") {
		n.Style = yaml.LiteralStyle
	}
	return n
}

// Mask returns v, which configures what config is of the type of, with its
// secrets made unreadable: those whose type says so, and in other text what has
// the form of one ([Redact]). Files that ${…} puts into text of users, and
// variables with the name of a credential, are left as they are written.
func (v *Value) Mask(config any) *Value { return v.mask(reflect.TypeOf(config)) }

func (v *Value) mask(t reflect.Type) *Value {
	if v == nil || v.Kind == Null {
		return v
	}
	if t == nil {
		return v.redacted()
	}
	_, own := reflect.New(t).Interface().(Decoder)
	if list := t.Kind() == reflect.Map || t.Kind() == reflect.Slice; strings.Contains(typeName(t), "secret") && (own || !list) {
		return v.masked()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return v.mask(t.Elem())
	case reflect.Slice:
		if v.Kind != List {
			return v.mask(t.Elem())
		}
		return v.each(func(string) reflect.Type { return t.Elem() })
	case reflect.Map:
		return v.each(func(string) reflect.Type { return t.Elem() })
	case reflect.Struct:
		fields := fieldsOf(t)
		main := mainField(fields)
		if v.Kind != Map {
			if main == nil {
				return v.redacted()
			}
			return v.mask(main.Type)
		}
		return v.each(func(key string) reflect.Type {
			if f := findField(fields, key); f != nil {
				return f.Type
			}
			if main != nil && main.inline() {
				return main.Type.Elem()
			}
			return nil
		})
	}
	if t.Kind() == reflect.String {
		return v.with(Redact(v.Text))
	}
	return v.redacted()
}

// redacted is v, which is of no type that is secret, without what can be told
// to be so all the same.
func (v *Value) redacted() *Value {
	if !v.Scalar() {
		return v.each(func(string) reflect.Type { return nil })
	}
	text := v.Text
	if strings.Contains(v.written, "${file:") || slices.ContainsFunc(v.Variables(), IsCredential) {
		text = v.written
	}
	return v.with(Redact(text))
}

// with is v with another text.
func (v *Value) with(text string) *Value {
	if text == v.Text {
		return v
	}
	return &Value{Kind: String, Text: text, Span: v.Span}
}

// references finds what ${…} names in a text as it is written.
var references = regexp.MustCompile(`\$\{([^}]*)`)

// Variables are the names of the environment variables in v.
func (v *Value) Variables() []string {
	var names []string
	for _, ref := range references.FindAllStringSubmatch(v.written, -1) {
		if name, _, _ := strings.Cut(ref[1], ":-"); isName(name) {
			names = append(names, name)
		}
	}
	return names
}

// Secrets are the values in v that [Value.Mask] makes unreadable altogether.
func (v *Value) Secrets(config any) []*Value { return v.secrets(v.Mask(config)) }

func (v *Value) secrets(shown *Value) (all []*Value) {
	if v == shown { // both nil, or not masked
		return nil
	}
	if v.Scalar() && shown.Text == masked {
		return []*Value{v}
	}
	for i := range v.Items {
		all = append(all, v.Items[i].secrets(shown.Items[i])...)
	}
	for i := range v.Entries {
		all = append(all, v.Entries[i].Value.secrets(shown.Entries[i].Value)...)
	}
	return all
}

// each masks the items or entries of v by their types.
func (v *Value) each(typeOf func(key string) reflect.Type) *Value {
	c := &Value{Kind: v.Kind, Text: v.Text, Span: v.Span}
	for _, item := range v.Items {
		c.Items = append(c.Items, item.mask(typeOf("")))
	}
	for _, e := range v.Entries {
		c.Entries = append(c.Entries, Entry{Key: e.Key, Value: e.Value.mask(typeOf(e.Key.Text))})
	}
	return c
}

// masked is v with every scalar made unreadable.
func (v *Value) masked() *Value {
	if v.Scalar() {
		if v.Text == "" {
			return v
		}
		return v.with(masked)
	}
	c := &Value{Kind: v.Kind, Span: v.Span}
	for _, item := range v.Items {
		c.Items = append(c.Items, item.masked())
	}
	for _, e := range v.Entries {
		c.Entries = append(c.Entries, Entry{Key: e.Key, Value: e.Value.masked()})
	}
	return c
}
