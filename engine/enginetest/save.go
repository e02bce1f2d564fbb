package enginetest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A Recording is what came into a flow while somebody looked on: a test to be.
type Recording struct {
	Name string // of the test
	Flow string
	Came []Came // in order
}

// Came is an event that came in: by the source whose id its Node is.
type Came struct {
	At    time.Time
	Event *engine.Event
}

// Save writes recordings into a new file of tests at path, about the documents
// at the given paths, with the variables that lookup knows. What the sinks are
// expected to get is what they get when the test runs; what is not the same in
// two runs, such as a random id, is not expected.
//
// No secret is written: not those of the documents, which have stand-ins in the
// file, nor what events have under the name or in the form of one
// (flows.IsCredential, flows.Redact). Of meta, only what the flow names is
// written. Unset are the variables that could have no stand-in: whoever runs
// the test must set them.
func Save(path string, reg *engine.Registry, documents []string, lookup func(string) (string, bool), recordings []Recording) (unset []string, err error) {
	if !IsSuite(path) {
		return nil, fmt.Errorf("%s: a file of tests is called NAME_test.yaml", path)
	}
	used := map[string]string{}
	doc, diags := flows.Load(documents, func(name string) (string, bool) {
		value, ok := lookup(name)
		if ok {
			used[name] = value
		}
		return value, ok
	})
	if err := append(diags, engine.Check(doc, reg)...).Err(); err != nil {
		return nil, err
	}
	w := newWriter(doc, reg, used)
	for _, name := range slices.Sorted(maps.Keys(used)) {
		alone := &Suite{Env: map[string]string{name: w.env[name]}}
		if _, diags := alone.check(path, reg, documents, lookup); diags.Failed() {
			unset = append(unset, name)
			delete(w.env, name)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString(w.suite(recordings))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = w.expectWhatComes(path, reg, documents, lookup)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return unset, nil
}

// check loads the documents that a suite is about.
func (s *Suite) check(path string, reg *engine.Registry, documents []string, lookup func(string) (string, bool)) (*flows.Document, flows.Diagnostics) {
	doc, diags := s.Load(path, documents, lookup)
	return doc, append(diags, engine.Check(doc, reg)...)
}

// expectWhatComes runs the tests of a file, which expect nothing, writes down
// what came of them every time, and sees that they pass.
func (w *writer) expectWhatComes(path string, reg *engine.Registry, documents []string, lookup func(string) (string, bool)) error {
	suite, diags := ReadSuite(path)
	var doc *flows.Document
	if !diags.Failed() {
		doc, diags = suite.check(path, reg, documents, lookup)
	}
	if err := diags.Err(); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, scenario := range slices.Backward(suite.Tests) { // so that the places of those before hold
		result := scenario.Run(doc, reg)
		result.keep(scenario.Run(doc, reg), w)
		lines, _ = result.rewrite(lines)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644); err != nil {
		return err
	}
	if suite, diags = ReadSuite(path); diags.Failed() {
		return diags.Err()
	}
	for _, scenario := range suite.Tests {
		if result := scenario.Run(doc, reg); !result.Passed() {
			return fmt.Errorf("the test %q does not pass:\n%s", scenario.Name, result.Report())
		}
	}
	return nil
}

// keep forgets of r what is secret, or not the same in another run.
func (r *Result) keep(other *Result, w *writer) {
	common := func(got, again []any) ([]any, bool) {
		same, ok := alike(got, cleaned(again, w.known, func(string) bool { return false })).([]any)
		return same, ok
	}
	for id := range r.sinks {
		if got, ok := common(r.Got[id], other.Got[id]); ok {
			r.Got[id] = got
		} else {
			delete(r.sinks, id)
		}
	}
	r.dead, _ = common(r.dead, other.dead)
}

// differs stands for what is not alike.
type differs struct{}

// alike is what two values have in common: of maps the fields that are alike,
// of lists of one length the items.
func alike(a, b any) any {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return differs{}
		}
		same := map[string]any{}
		for key, v := range a {
			if v = alike(v, b[key]); v != (differs{}) {
				same[key] = v
			}
		}
		return same
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return differs{}
		}
		same := make([]any, len(a))
		for i := range a {
			if same[i] = alike(a[i], b[i]); same[i] == (differs{}) {
				return differs{}
			}
		}
		return same
	}
	if !reflect.DeepEqual(a, b) {
		return differs{}
	}
	return a
}
