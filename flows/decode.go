package flows

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A Decoder decodes itself from a value. Types of configuration fields that
// are more than Go's basic ones implement it.
type Decoder interface {
	DecodeValue(v *Value) Diagnostics
}

// A Report tells a mistake at a key of the configuration that is validated: at
// its value, or, where a colon ends it, at the key itself. a.b is a key inside
// that of another, and a.0 an item of a list. An empty key blames the whole. The
// diagnostic may be given a hint.
type Report func(key, format string, args ...any) *Diagnostic

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
	if v.broken {
		return nil
	}
	if into.Type() == secretType {
		v.Hide()
	}
	if d, ok := into.Addr().Interface().(Decoder); ok {
		return d.DecodeValue(v)
	}
	if t, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return decodeText(v, t, into.Type())
	}
	switch into.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(into.Type().Elem())
		if !into.IsNil() { // the default, which others share
			fresh.Elem().Set(into.Elem())
		}
		diags := decode(v, fresh.Elem())
		into.Set(fresh)
		return diags
	case reflect.Interface:
		into.SetZero()
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
	}
	return decodeScalar(v, into)
}

// touch reports whether one of the mistakes is in at already, a setting of v,
// or, where at is v itself, anywhere in it: what Validate says of such a value
// need not be true.
func (ds Diagnostics) touch(at, v *Value) bool {
	if at == v {
		return ds.Failed()
	}
	for _, d := range ds {
		if at.holds(d.Span) {
			return true
		}
	}
	return false
}

// holds reports whether a place is in v or in what it holds.
func (v *Value) holds(s Span) bool {
	if v.Span.Line == s.Line && v.Span.Column <= s.Column && s.Column < v.Span.Column+max(1, v.Span.Length) {
		return true
	}
	for _, item := range v.Items {
		if item.holds(s) {
			return true
		}
	}
	for _, e := range v.Entries {
		if e.Key.holds(s) || e.Value.holds(s) {
			return true
		}
	}
	return false
}

func decodeText(v *Value, into encoding.TextUnmarshaler, t reflect.Type) Diagnostics {
	if !v.Scalar() || v.Kind == Null {
		return wrongType(v, t)
	}
	if err := into.UnmarshalText([]byte(v.Text)); err != nil {
		message := err.Error()
		if v.written != "" {
			message = strings.ReplaceAll(message, strconv.Quote(v.Text), v.describe())
		}
		return Diagnostics{v.Errorf("%s", message)}
	}
	return nil
}

func decodeScalar(v *Value, into reflect.Value) Diagnostics {
	ok := v.Scalar() && v.Kind != Null
	switch into.Kind() {
	case reflect.String:
		if ok {
			into.SetString(v.Text)
		}
	case reflect.Bool:
		ok = ok && kindOf(v.Text) == Bool
		into.SetBool(ok && strings.EqualFold(v.Text, "true"))
	case reflect.Int, reflect.Int64:
		var n int64
		if n, ok = parseInt(v.Text); ok {
			into.SetInt(n)
		} else if intForm.MatchString(v.Text) {
			return Diagnostics{v.Errorf("%s is too large a number", v.describe())}
		}
	case reflect.Float64:
		var f float64
		if f, ok = parseFloat(v.Text); ok && f-f == 0 { // neither infinite nor no number
			into.SetFloat(f)
		} else {
			ok = false
		}
	default:
		panic(fmt.Sprintf("flows: a configuration can't have a field of type %s", into.Type()))
	}
	if !ok {
		return wrongType(v, into.Type())
	}
	return nil
}

// wrongType is the mistake of a value that can't be a t.
func wrongType(v *Value, t reflect.Type) Diagnostics {
	name := typeName(t)
	if strings.Contains(name, "secret") {
		v.Hide()
	}
	if strings.Contains(name, "secret") && v.Kind != Null && v.Scalar() {
		return Diagnostics{v.Errorf("want %s, got text", article(name))}
	}
	var known []string
	if t.Kind() == reflect.Struct {
		known = keys(fieldsOf(t))
	}
	return Diagnostics{wrong(v, article(name), known)}
}

// wrong is the mistake of a value that is not what is wanted. Known are the
// keys it has if that is a map.
func wrong(v *Value, want string, known []string) Diagnostic {
	d := v.Errorf("want %s, got %s", want, v.describe())
	word, rest, _ := strings.Cut(v.Text, " ")
	before, after, colon := strings.Cut(word, ":")
	switch {
	case v.Kind == Null && v.Span.comment():
		d.Hint = "what follows # is a comment; put it in quotes if it is text"
	case want == "true or false" && slices.Contains([]string{"yes", "on"}, strings.ToLower(v.Text)):
		d.Hint = "write true"
	case want == "true or false" && slices.Contains([]string{"no", "off"}, strings.ToLower(v.Text)):
		d.Hint = "write false"
	case v.Kind == String && colon && after != "" && slices.Contains(known, before):
		d.Hint = fmt.Sprintf("write %q, with a space behind the colon", before+": "+after)
	case v.Kind == String && rest != "" && slices.Contains(known, word):
		d.Hint = fmt.Sprintf("write %q", word+": "+rest)
	case len(known) > 0 && len(known) <= few:
		d.Hint = "its keys: " + strings.Join(known, ", ")
	}
	return d
}

func decodeStruct(v *Value, into reflect.Value) Diagnostics {
	fields := fieldsOf(into.Type())
	main := mainField(fields)
	var diags Diagnostics
	switch {
	case v.Kind == Map:
		diags = decodeEntries(v, into, fields)
	case v.Kind == Null && main != nil && main.Required:
		return wrongType(v, main.Type)
	case v.Kind == Null:
	case main != nil:
		diags = decode(v, into.FieldByIndex(main.index))
	default:
		return wrongType(v, into.Type())
	}
	for _, f := range fields {
		given := v.Get(f.Key) != nil || f.Main && v.Kind != Map || f.inline() && into.FieldByIndex(f.index).Len() > 0
		if f.Required && !given && !v.means(f.Key, fields) {
			diags = append(diags, v.missing(f))
		}
	}
	if val, ok := into.Addr().Interface().(Validator); ok && v.Whole() {
		told := diags
		val.Validate(func(key, format string, args ...any) *Diagnostic {
			at := v.Blame(key, told)
			if at == nil {
				return new(Diagnostic)
			}
			diags = append(diags, at.Errorf(format, args...))
			return &diags[len(diags)-1]
		})
	}
	return diags
}

// means reports whether a key of v is unknown and likely this one, which is told
// there.
func (v *Value) means(key string, fields []Field) bool {
	return slices.ContainsFunc(v.Entries, func(e Entry) bool {
		return findField(fields, e.Key.Text) == nil && nearest(e.Key.Text, keys(fields)) == key
	})
}

// Blame returns the value that a [Report] blames by a key, or nil where one of
// the mistakes that are told already stands.
func (v *Value) Blame(key string, told Diagnostics) *Value {
	if at := v.reach(key); !told.touch(at, v) {
		return at
	}
	return nil
}

// missing is the mistake of a map without a key it must have.
func (v *Value) missing(f Field) Diagnostic {
	if f.inline() {
		return v.Errorf("want at least one entry")
	}
	return v.Errorf("%q is missing", f.Key)
}

// reach returns what a [Report] blames, or the innermost value of it that is
// there.
func (v *Value) reach(key string) *Value {
	if got := v.Get(key); got != nil {
		return got
	}
	if name, ok := strings.CutSuffix(key, ":"); ok && v.Get(name) != nil {
		return v.Key(name)
	}
	if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v.Items) {
		return v.Items[i]
	}
	if outer, inner, ok := strings.Cut(key, "."); ok && v.Get(outer) != nil {
		return v.Get(outer).reach(inner)
	}
	return v
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
			known := keys(fields)
			if e.hideCredentials(); IsCredential(nearest(e.Key.Text, known)) {
				e.Value.Hide()
			}
			diags = append(diags, unknownKey(e.Key, known))
			continue
		}
		diags = append(diags, decode(e.Value, into.FieldByIndex(f.index))...)
	}
	return diags
}

// unknownKey is the mistake of a key that its map does not have.
func unknownKey(key *Value, known []string) Diagnostic {
	d := key.Errorf("unknown key %q", key.Text)
	if nearest(key.Text, known) == "" && slices.Contains(engineKeys, key.Text) {
		d.Hint = "if it is the node's, write it beside the node's type, not under it"
		return d
	}
	return d.Suggest(key.Text, known)
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
	switch v.Kind {
	case Null:
		return wrongType(v, into.Type())
	case List:
	default: // one stands for a list of one
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
		return wrongType(v, into.Type())
	}
	m := reflect.MakeMapWithSize(into.Type(), len(v.Entries))
	var diags Diagnostics
	for _, e := range v.Entries {
		item := reflect.New(into.Type().Elem()).Elem()
		diags = append(diags, decode(e.Value, item)...)
		m.SetMapIndex(reflect.ValueOf(e.Key.Text).Convert(into.Type().Key()), item)
	}
	into.Set(m)
	return diags
}
