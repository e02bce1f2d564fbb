package nodes_test

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

// misspelt is name with one letter twice.
func misspelt(name string) string {
	i := len(name) / 2
	return name[:i] + name[i:i+1] + name[i:]
}

// A misspelling is a document with a key that is misspelt, and how the
// mistake is to be told.
type misspelling struct {
	name     string // of the test
	document string
	wrong    string // what stands there
	right    string
	message  string
}

// of is a document whose key at a place, written in flow style, is misspelt.
func of(spec *engine.Spec, path []string, key string) misspelling {
	open := strings.Join(append(path, misspelt(key)), ": {")
	node := fmt.Sprintf("      - %s: {%s: 1%s\n", spec.Type, open, strings.Repeat("}", len(path)+1))
	document := "flows:\n  f:\n    nodes:\n"
	if spec.Kind != engine.SourceKind {
		document += "      - webhook: /in\n"
	}
	return misspelling{
		name:     fmt.Sprintf("%s %s %s", spec.Kind, spec.Type, strings.Join(append(path, key), ".")),
		document: document + node,
		wrong:    misspelt(key), right: key,
		message: fmt.Sprintf("unknown key %q", misspelt(key)),
	}
}

// keysOf misspells each key of a configuration, and of those inside.
func keysOf(spec *engine.Spec, t reflect.Type, path []string, depth int) []misspelling {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return keysOf(spec, t.Elem(), path, depth)
	case reflect.Map:
		return keysOf(spec, t.Elem(), append(slices.Clone(path), "some"), depth)
	case reflect.Struct:
	default:
		return nil
	}
	zero := reflect.New(t).Interface()
	_, decodes := zero.(flows.Decoder)
	_, isText := zero.(encoding.TextUnmarshaler)
	if decodes || isText || depth > 4 {
		return nil
	}
	var all []misspelling
	fields := flows.Fields(t)
	takesAny := slices.ContainsFunc(fields, func(f flows.Field) bool { return f.Key == "" })
	for _, f := range fields {
		if f.Key == "" {
			continue
		}
		if !takesAny {
			all = append(all, of(spec, path, f.Key))
		}
		all = append(all, keysOf(spec, f.Type, append(slices.Clone(path), f.Key), depth+1)...)
	}
	return all
}

func TestEachKeyOfEachNodeTypeIsFoundAgainWhenMisspelt(t *testing.T) {
	var all []misspelling
	for _, spec := range nodes.All().Specs() {
		all = append(all, keysOf(spec, reflect.TypeOf(spec.Default), nil, 0)...)
	}
	if len(all) < 100 {
		t.Errorf("only %d keys were found", len(all))
	}
	tell(t, all)
}

func TestEachNodeTypeIsFoundAgainWhenMisspelt(t *testing.T) {
	var all []misspelling
	for _, spec := range nodes.All().Specs() {
		wrong := misspelt(spec.Type)
		all = append(all, misspelling{
			name:     spec.Kind.String() + " " + spec.Type,
			document: "flows:\n  f:\n    nodes:\n      - webhook: /in\n      - " + wrong + ":\n",
			wrong:    wrong, right: spec.Type,
			message: fmt.Sprintf("unknown node type %q", wrong),
		})
	}
	tell(t, all)
}

func TestEachKeyThatIsNoNodesIsFoundAgainWhenMisspelt(t *testing.T) {
	var all []misspelling
	add := func(key, document string) {
		wrong := misspelt(key)
		all = append(all, misspelling{
			name: key, document: strings.Replace(document, "KEY", wrong, 1),
			wrong: wrong, right: key, message: fmt.Sprintf("unknown key %q", wrong),
		})
	}
	for _, key := range []string{"server", "admin", "store", "flows"} {
		add(key, "KEY: {}\n")
	}
	for _, key := range []string{"description", "lanes", "order_by", "nodes"} {
		add(key, "flows:\n  f:\n    KEY: 1\n")
	}
	for _, key := range []string{"id", "from", "when", "retry", "on_error", "timeout"} {
		add(key, "flows:\n  f:\n    nodes:\n      - webhook: /in\n      - debug:\n        KEY: 1\n")
	}
	for _, key := range []string{"attempts", "first", "max"} {
		add(key, "flows:\n  f:\n    nodes:\n      - webhook: /in\n      - debug:\n        retry: {KEY: 1}\n")
	}
	for _, key := range []string{"listen", "tls", "max_body"} {
		add(key, "server: {KEY: 1}\n")
	}
	tell(t, all)
}

// tell wants each mistake to be told once, at its place, with what was meant.
func tell(t *testing.T, all []misspelling) {
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			before, _, _ := strings.Cut(m.document, m.wrong+":")
			line := strings.Count(before, "\n") + 1
			column := len(before) - strings.LastIndex(before, "\n")
			var told flows.Diagnostics
			for _, d := range checked(t, m.document) {
				if d.Message == m.message {
					told = append(told, d)
				}
			}
			if len(told) != 1 {
				t.Fatalf("want %q once, got %v of\n%s", m.message, told, m.document)
			}
			d := told[0]
			if want := fmt.Sprintf("did you mean %q?", m.right); d.Hint != want {
				t.Errorf("hint %q, want %q", d.Hint, want)
			}
			if d.Span.Line != line || d.Span.Column != column || d.Span.Length != len(m.wrong) {
				t.Errorf("told at %s, %d wide, want %d:%d, %d wide", d.Span, d.Span.Length, line, column, len(m.wrong))
			}
		})
	}
}
