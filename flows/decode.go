package flows

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A Decoder decodes itself from a value. Types of configuration fields that
// are more than Go's basic ones implement it.
type Decoder interface {
	DecodeValue(v *Value) Diagnostics
}

// A Report tells a mistake at a key of the configuration that is validated; an
// empty key blames the whole.
type Report func(key, format string, args ...any)

// A Validator says what is wrong with a decoded configuration beyond the types
// of its fields.
type Validator interface {
	Validate(report Report)
}

// Decode fills the struct that into points to from v. What into holds already
// are the defaults. Fields are named by the tag `flow:"name"`, with the
// options required, and main for the one field that a plain scalar or list
// stands for. An untagged embedded struct's fields count as the struct's own.
// Decode goes on after a mistake and returns all of them.
func Decode(v *Value, into any) Diagnostics {
	return decode(v, reflect.ValueOf(into).Elem())
}

func decode(v *Value, into reflect.Value) Diagnostics {
	if d, ok := into.Addr().Interface().(Decoder); ok {
		return d.DecodeValue(v)
	}
	if t, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if !v.Scalar() {
			return wrong(v, "text")
		}
		if err := t.UnmarshalText([]byte(v.Text)); err != nil {
			return Diagnostics{v.Errorf("%v", err)}
		}
		return nil
	}
	switch into.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(into.Type().Elem())
		diags := decode(v, fresh.Elem())
		into.Set(fresh)
		return diags
	case reflect.Interface:
		if plain := v.Any(); plain != nil {
			into.Set(reflect.ValueOf(plain))
		}
		return nil
	case reflect.Struct:
		return decodeStruct(v, into)
	case reflect.Slice:
		return decodeSlice(v, into)
	case reflect.Map:
		return decodeMap(v, into)
	case reflect.String:
		if !v.Scalar() || v.Kind == Null {
			return wrong(v, "text")
		}
		into.SetString(v.Text)
	case reflect.Bool:
		b, err := strconv.ParseBool(v.Text)
		if !v.Scalar() || err != nil {
			return wrong(v, "true or false")
		}
		into.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, ok := parseInt(v.Text)
		if !v.Scalar() || !ok {
			return wrong(v, "a whole number")
		}
		into.SetInt(n)
	case reflect.Float64:
		f, ok := parseFloat(v.Text)
		if !v.Scalar() || !ok {
			return wrong(v, "a number")
		}
		into.SetFloat(f)
	default:
		panic(fmt.Sprintf("flows: a configuration can't have a field of type %s", into.Type()))
	}
	return nil
}

// wrong is the mistake of a value of the wrong kind.
func wrong(v *Value, want string) Diagnostics {
	return Diagnostics{v.Errorf("want %s, got %s", want, v.describe())}
}

func decodeStruct(v *Value, into reflect.Value) Diagnostics {
	fields := fieldsOf(into.Type())
	var diags Diagnostics
	switch {
	case v.Kind == Map:
		diags = decodeEntries(v, into, fields)
	case mainField(fields) != nil && v.Kind != Null:
		diags = decode(v, into.FieldByIndex(mainField(fields).index))
	case v.Kind != Null:
		return wrong(v, "a map")
	}
	for _, f := range fields {
		if f.Required && v.Get(f.Key) == nil && !(f.Main && v.Kind != Map && v.Kind != Null) {
			diags = append(diags, v.Errorf("%q is missing", f.Key))
		}
	}
	if val, ok := into.Addr().Interface().(Validator); ok && !diags.Failed() {
		val.Validate(func(key, format string, args ...any) {
			at := v
			if got := v.Get(key); got != nil {
				at = got
			}
			diags = append(diags, at.Errorf(format, args...))
		})
	}
	return diags
}

func decodeEntries(v *Value, into reflect.Value, fields []Field) Diagnostics {
	// A map may be the main field's own value: {PORT: EXPR} of a switch.
	if m := mainField(fields); m != nil && m.inline() {
		return decodeInline(v, into, fields, *m)
	}
	var diags Diagnostics
	for _, e := range v.Entries {
		f := findField(fields, e.Key.Text)
		if f == nil {
			diags = append(diags, e.Key.Errorf("unknown key %q", e.Key.Text).Suggest(e.Key.Text, keys(fields)))
			continue
		}
		diags = append(diags, decode(e.Value, into.FieldByIndex(f.index))...)
	}
	return diags
}

// decodeInline decodes a map whose entries belong to a map field, but for the
// keys that other fields name.
func decodeInline(v *Value, into reflect.Value, fields []Field, main Field) Diagnostics {
	var diags Diagnostics
	rest := &Value{Kind: Map, Span: v.Span}
	for _, e := range v.Entries {
		if f := findField(fields, e.Key.Text); f != nil && f.Key != main.Key {
			diags = append(diags, decode(e.Value, into.FieldByIndex(f.index))...)
			continue
		}
		rest.Entries = append(rest.Entries, e)
	}
	return append(diags, decode(rest, into.FieldByIndex(main.index))...)
}

func decodeSlice(v *Value, into reflect.Value) Diagnostics {
	items := v.Items
	if v.Kind != List { // one stands for a list of one
		if v.Kind == Null {
			return nil
		}
		items = []*Value{v}
	}
	list := reflect.MakeSlice(into.Type(), len(items), len(items))
	var diags Diagnostics
	for i, item := range items {
		diags = append(diags, decode(item, list.Index(i))...)
	}
	into.Set(list)
	return diags
}

func decodeMap(v *Value, into reflect.Value) Diagnostics {
	if v.Kind != Map {
		return wrong(v, "a map")
	}
	m := reflect.MakeMapWithSize(into.Type(), len(v.Entries))
	var diags Diagnostics
	for _, e := range v.Entries {
		item := reflect.New(into.Type().Elem()).Elem()
		diags = append(diags, decode(e.Value, item)...)
		m.SetMapIndex(reflect.ValueOf(e.Key.Text), item)
	}
	into.Set(m)
	return diags
}

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
