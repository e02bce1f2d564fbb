package flows

import (
	"encoding"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
)

// A FieldDoc is what there is to say about one setting.
type FieldDoc struct {
	Key      string // empty for a map that takes every key no other setting has
	Type     string // for people: text, whole number, list of durations
	Default  string // as it is written in a document; empty if there is none
	Required bool
	Main     bool // whether a plain scalar or list stands for it
	Doc      string
	Fields   []FieldDoc // of a map with settings of its own
}

// Describe documents the settings of a configuration: their keys and types by
// its struct tags, their defaults by what it holds, their meaning by the
// comments in source, the Go files that declare its types, one or several in a
// row.
func Describe(defaults any, source string) []FieldDoc {
	return describeStruct(reflect.ValueOf(defaults), Comments(source), map[reflect.Type]bool{})
}

func describeStruct(v reflect.Value, comments map[string]string, within map[reflect.Type]bool) []FieldDoc {
	t := v.Type()
	if within[t] { // a type inside itself is described once
		return nil
	}
	within[t] = true
	defer delete(within, t)
	var docs []FieldDoc
	for _, f := range fieldsOf(t) {
		value := v.FieldByIndex(f.index)
		d := FieldDoc{Key: f.Key, Type: typeName(f.Type), Required: f.Required, Main: f.Main}
		d.Doc = comments[declaredIn(t, f.index).Name()+"."+f.Name]
		if rest, ok := strings.CutPrefix(d.Doc, f.Name+" "); ok && f.Key != "" {
			d.Doc = f.Key + " " + rest // people know the key, not the Go name
		}
		if inner, ok := settingsOf(value); ok {
			d.Fields = describeStruct(inner, comments, within)
		} else {
			d.Default = written(value)
		}
		docs = append(docs, d)
	}
	return docs
}

// declaredIn is the struct that declares a field: t, or one embedded in it.
func declaredIn(t reflect.Type, index []int) reflect.Type {
	for _, i := range index[:len(index)-1] {
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	return t
}

// settingsOf returns the struct whose fields are settings of their own: v, or
// what it points to or is a list or map of.
func settingsOf(v reflect.Value) (reflect.Value, bool) {
	t := v.Type()
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		if v.IsValid() && t.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		} else {
			v = reflect.Value{}
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || len(fieldsOf(t)) == 0 {
		return reflect.Value{}, false
	}
	if _, own := reflect.New(t).Interface().(Decoder); own {
		return reflect.Value{}, false
	}
	if !v.IsValid() {
		v = reflect.Zero(t)
	}
	return v, true
}

// written is a default as a document would have it, or empty for none.
func written(v reflect.Value) string {
	switch {
	case !v.IsValid() || v.IsZero():
		return ""
	case v.Kind() == reflect.Pointer:
		return written(v.Elem())
	}
	switch x := v.Interface().(type) {
	case fmt.Stringer:
		return x.String()
	case encoding.TextMarshaler:
		text, _ := x.MarshalText()
		return string(text)
	}
	switch v.Kind() {
	case reflect.Slice:
		var items []string
		for i := range v.Len() {
			items = append(items, written(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Struct, reflect.Map, reflect.Interface:
		return ""
	}
	return fmt.Sprint(v.Interface())
}

var packageClause = regexp.MustCompile(`(?m)^package `)

// Comments returns the comments of the fields of struct types in Go source, by
// "Type.Field", one line for each paragraph. Source is one file or several in a
// row; what can't be parsed has no comments.
func Comments(source string) map[string]string {
	comments := map[string]string{}
	begins := packageClause.FindAllStringIndex(source, -1)
	for i, begin := range begins {
		end := len(source)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		file, _ := parser.ParseFile(token.NewFileSet(), "", source[begin[0]:end], parser.ParseComments|parser.SkipObjectResolution)
		if file == nil {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok {
					commentsOf(s, spec.Name.Name, comments)
				}
			}
			return true
		})
	}
	return comments
}

func commentsOf(s *ast.StructType, name string, comments map[string]string) {
	for _, f := range s.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		if text = paragraphs(text); text == "" {
			continue
		}
		for _, n := range f.Names {
			comments[name+"."+n.Name] = text
		}
	}
}

// paragraphs takes the line breaks out of each paragraph.
func paragraphs(text string) string {
	var all []string
	for p := range strings.SplitSeq(text, "\n\n") {
		if words := strings.Fields(p); len(words) > 0 {
			all = append(all, strings.Join(words, " "))
		}
	}
	return strings.Join(all, "\n")
}
