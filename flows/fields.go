package flows

import (
	"encoding"
	"reflect"
	"strings"
)

// A Field is one key of a configuration, as its struct declares it.
type Field struct {
	Key      string
	Name     string // of the Go field, for its comment
	Type     reflect.Type
	Main     bool
	Required bool

	index []int
}

func (f Field) inline() bool { return f.Key == "" }

// Fields lists the keys of the struct type t, in the order they are declared.
func Fields(t reflect.Type) []Field { return fieldsOf(t) }

func fieldsOf(t reflect.Type) []Field {
	var fields []Field
	for _, sf := range reflect.VisibleFields(t) {
		tag, ok := sf.Tag.Lookup("flow")
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		f := Field{Key: name, Name: sf.Name, Type: sf.Type, index: sf.Index}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "main":
				f.Main = true
			case "required":
				f.Required = true
			}
		}
		fields = append(fields, f)
	}
	return fields
}

func findField(fields []Field, key string) *Field {
	for i := range fields {
		if fields[i].Key == key && key != "" {
			return &fields[i]
		}
	}
	return nil
}

func mainField(fields []Field) *Field {
	for i := range fields {
		if fields[i].Main {
			return &fields[i]
		}
	}
	return nil
}

func keys(fields []Field) []string {
	var names []string
	for _, f := range fields {
		if f.Key != "" {
			names = append(names, f.Key)
		}
	}
	return names
}

// typeName is what a value of type t is called in messages and in the
// documentation of settings. A type names itself by a method FlowType.
func typeName(t reflect.Type) string {
	zero := reflect.New(t).Interface()
	if named, ok := zero.(interface{ FlowType() string }); ok {
		return named.FlowType()
	}
	if _, ok := zero.(encoding.TextUnmarshaler); ok {
		return "text"
	}
	if _, ok := zero.(Decoder); ok {
		return "any value"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list of " + plural(typeName(t.Elem()))
	case reflect.Map:
		return "map of " + plural(typeName(t.Elem()))
	case reflect.Struct:
		return "map"
	}
	return "any value"
}

// uncounted are the names of types that take neither article nor plural.
var uncounted = map[string]bool{"text": true, "true or false": true, "any value": true}

func plural(name string) string {
	first, rest, more := strings.Cut(name, " ")
	switch {
	case uncounted[name] || strings.HasPrefix(name, "text"):
		return name
	case more && (first == "list" || first == "map"):
		return first + "s " + rest
	}
	return name + "s"
}

func article(name string) string {
	switch {
	case uncounted[name] || strings.HasPrefix(name, "text"):
		return name
	case strings.ContainsRune("aeiou", rune(name[0])):
		return "an " + name
	}
	return "a " + name
}
