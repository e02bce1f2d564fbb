package main

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

// misspellings are what may become of a name when it is typed: a letter left
// out, one twice, two swapped, another case, another hyphen.
func misspellings(name string) []string {
	var all []string
	add := func(wrong string) {
		if wrong != "" && wrong != name && !slices.Contains(all, wrong) {
			all = append(all, wrong)
		}
	}
	for i := range name {
		add(name[:i] + name[i+1:])
		add(name[:i] + name[i:i+1] + name[i:])
		if i > 0 {
			add(name[:i-1] + name[i:i+1] + name[i-1:i] + name[i+1:])
		}
	}
	add(strings.ToUpper(name))
	add(strings.ToUpper(name[:1]) + name[1:])
	add(strings.ReplaceAll(name, "_", "-"))
	add(strings.ReplaceAll(name, "_", ""))
	add(strings.ReplaceAll(name, "-", "_"))
	return all
}

// mistaken are the misspellings of a name that can't be one of another.
func mistaken(name string, known []string) []string {
	return slices.DeleteFunc(misspellings(name), func(wrong string) bool {
		return slices.ContainsFunc(known, func(other string) bool {
			lower := strings.ToLower(wrong)
			return other != name &&
				(other == lower || slices.Contains(misspellings(other), lower) || slices.Contains(misspellings(lower), other))
		})
	})
}

// A place is where keys stand: KEYS in a document.
type place struct{ name, document string }

func (p place) inside(key string) place {
	return place{p.name + " " + key, strings.Replace(p.document, "KEYS", key+": {KEYS}", 1)}
}

// among are the keys at a place; each is to be found again.
func (p place) among(t *testing.T, keys []string, tell func(t *testing.T, document string) flows.Diagnostics) {
	for _, key := range keys {
		t.Run(p.name+" "+key, func(t *testing.T) {
			before, behind, _ := strings.Cut(p.document, "KEYS")
			document := before
			type told struct {
				line, column, length int
				message, hint        string
			}
			want := map[told]bool{}
			for _, wrong := range mistaken(key, keys) {
				want[told{
					strings.Count(document, "\n") + 1, len(document) - strings.LastIndex(document, "\n"), len(wrong),
					fmt.Sprintf("unknown key %q", wrong), fmt.Sprintf("did you mean %q?", key),
				}] = true
				document += wrong + ": 1, "
			}
			if len(want) == 0 {
				t.Fatal("it can't be misspelt")
			}
			document += behind
			diags := tell(t, document)
			for _, d := range diags {
				delete(want, told{d.Span.Line, d.Span.Column, d.Span.Length, d.Message, d.Hint})
			}
			for missing := range want {
				t.Errorf("not told: %v", missing)
			}
			if t.Failed() {
				t.Logf("%s\n%s", document, diags.Format())
			}
		})
	}
}

// in misspells each key of a configuration of a type, and of those inside it.
func (p place) in(t *testing.T, of reflect.Type, tell func(t *testing.T, document string) flows.Diagnostics) (found int) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return p.in(t, of.Elem(), tell)
	case reflect.Map:
		return p.inside("some").in(t, of.Elem(), tell)
	case reflect.Struct:
	default:
		return 0
	}
	zero := reflect.New(of).Interface()
	if _, ok := zero.(encoding.TextUnmarshaler); ok {
		return 0
	}
	fields := flows.Fields(of)
	var keys []string
	takesAny := false
	for _, f := range fields {
		if takesAny = takesAny || f.Key == ""; f.Key != "" {
			keys = append(keys, f.Key)
		}
	}
	if !takesAny {
		p.among(t, keys, tell)
		found = len(keys)
	}
	for _, f := range fields {
		if f.Key != "" {
			found += p.inside(f.Key).in(t, f.Type, tell)
		}
	}
	return found
}

// checkedHere is what flowd says of a document.
func checkedHere(t *testing.T, document string) flows.Diagnostics {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("flows.yaml", []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &options{files: []string{"flows.yaml"}}
	_, diags := o.check()
	return diags
}

func ofTests(t *testing.T, document string) flows.Diagnostics {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("flows_test.yaml", []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	_, diags := enginetest.ReadSuite("flows_test.yaml")
	return diags
}

func TestEachKeyOfEachNodeTypeIsFoundAgainWhenMisspelt(t *testing.T) {
	found := 0
	for _, spec := range registry.Specs() {
		above := ""
		if spec.Kind != engine.SourceKind {
			above = "webhook: /in, "
		}
		document := fmt.Sprintf("flows:\n  f:\n    nodes: [%s%s: {KEYS}]\n", above, spec.Type)
		found += place{spec.Kind.String() + " " + spec.Type, document}.in(t, reflect.TypeOf(spec.Default), checkedHere)
	}
	if found < 150 {
		t.Errorf("only %d keys were found", found)
	}
}

func TestEachKeyThatIsNoNodesIsFoundAgainWhenMisspelt(t *testing.T) {
	const flow = "flows: {f: {nodes: [webhook: /in, debug: ]}}\n"
	place{"document", "{KEYS}"}.among(t, []string{"server", "admin", "store", "flows"}, checkedHere)
	place{"flow", "flows: {f: {KEYS}}\n"}.among(t, []string{"description", "lanes", "order_by", "nodes"}, checkedHere)
	place{"node", "flows: {f: {nodes: [webhook: /in, {debug: , KEYS}]}}\n"}.
		among(t, []string{"id", "from", "when", "retry", "on_error", "timeout"}, checkedHere)
	place{"retry", "flows: {f: {nodes: [webhook: /in, {debug: , retry: {KEYS}}]}}\n"}.in(t, reflect.TypeFor[engine.Retry](), checkedHere)
	place{"server", "server: {KEYS}\n" + flow}.in(t, reflect.TypeFor[engine.ServerConfig](), checkedHere)
	place{"admin", "admin: {KEYS}\n" + flow}.in(t, reflect.TypeFor[admin.Config](), checkedHere)
	place{"store", "store: {KEYS}\n" + flow}.in(t, reflect.TypeFor[storeConfig](), checkedHere)
}

func TestEachKeyOfATestIsFoundAgainWhenMisspelt(t *testing.T) {
	place{"a file of tests:", "{KEYS}"}.in(t, reflect.TypeFor[enginetest.Suite](), ofTests)
}

func TestEachNodeTypeIsFoundAgainWhenMisspelt(t *testing.T) {
	var types []string
	for _, spec := range registry.Specs() {
		if !slices.Contains(types, spec.Type) {
			types = append(types, spec.Type)
		}
	}
	for _, name := range types {
		wrongs := mistaken(name, types)
		document := "flows:\n  f:\n    nodes:\n"
		for _, wrong := range wrongs {
			document += "      - " + wrong + ":\n"
		}
		var got, want []string
		for _, d := range checkedHere(t, document) {
			if strings.HasPrefix(d.Message, "unknown node type") {
				got = append(got, d.String())
			}
		}
		for i, wrong := range wrongs {
			want = append(want, fmt.Sprintf("flows.yaml:%d:9: error: unknown node type %q (did you mean %q?)", i+4, wrong, name))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
