package enginetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/flowd/flowd/flows"
)

// A Suite is a file of tests of flows, NAME_test.yaml.
type Suite struct {
	// Env are environment variables for the document under test, before those
	// of the process.
	Env map[string]string `flow:"env"`
	// Tests are the tests.
	Tests []*Scenario `flow:"tests,required"`
}

// A Scenario is one test of a flow: what is sent into it, and what must come of
// that.
type Scenario struct {
	// Name says what is tested, as a sentence.
	Name string `flow:"name,required"`
	// Flow is the flow under test. It may be left out where there is one.
	Flow string `flow:"flow"`
	// Now is the time at which the test begins, 2000-01-01T00:00:00Z if left
	// out.
	Now time.Time `flow:"now"`
	// Send is what comes in, in order.
	Send []Send `flow:"send,required"`
	// Reply are the answers that the requests of a sink get, by its id, one
	// after the other; the last stands for all that follow. Left out, every
	// request is taken.
	Reply map[string][]Reply `flow:"reply"`
	// Expect is what each node got, by id, and dead: what was given up.
	Expect tree `flow:"expect"`

	at *flows.Value
}

// Send is one event, by its fields or as the body that its sender sends.
type Send struct {
	// After lets time pass before.
	After flows.Duration `flow:"after"`
	// Source is the id of the source it comes in by, where the flow has
	// several.
	Source string `flow:"source"`

	// ID, Type, Subject, Time, Data and Meta are the fields of the event.
	ID      string         `flow:"id"`
	Type    string         `flow:"type"`
	Subject string         `flow:"subject"`
	Time    time.Time      `flow:"time"`
	Data    any            `flow:"data"`
	Meta    map[string]any `flow:"meta"`

	// File is a body as the sender sends it, in a file beside the test.
	File string `flow:"file"`
	// Body is such a body itself: text as it is, anything else as JSON.
	Body tree `flow:"body"`
	// Path is where the body is posted, if the source has several paths and
	// type does not tell.
	Path string `flow:"path"`
	// Method is the method of the request.
	Method string `flow:"method"`
	// Headers are headers of the request.
	Headers map[string]string `flow:"headers"`
	// Answer is the answer that the sender gets, or a part of it.
	Answer tree `flow:"answer"`

	at   *flows.Value
	body []byte // of File or Body
}

// Reply answers a request of a sink.
type Reply struct {
	// Status is the HTTP status, 200 if left out.
	Status int `flow:"status,main"`
	// Headers are headers of the answer.
	Headers map[string]string `flow:"headers"`
	// Body is the body of the answer: text as it is, anything else as JSON.
	Body tree `flow:"body"`
	// After is how long the answer takes.
	After flows.Duration `flow:"after"`
	// Down refuses the connection.
	Down bool `flow:"down"`
}

// A tree is a value that keeps its places.
type tree struct{ *flows.Value }

// DecodeValue keeps v.
func (t *tree) DecodeValue(v *flows.Value) flows.Diagnostics {
	t.Value = v
	return nil
}

// text is a body: text as it is, anything else as JSON.
func (t tree) text() ([]byte, error) {
	if t.Value == nil {
		return nil, nil
	}
	if t.Kind == flows.String {
		return []byte(t.Text), nil
	}
	return json.Marshal(t.Any())
}

// ReadSuite reads a file of tests. Whether they fit a document is found when
// they run.
func ReadSuite(path string) (*Suite, flows.Diagnostics) {
	s := &Suite{}
	v, diags := flows.ReadFile(path)
	if diags.Failed() {
		return s, diags
	}
	diags = append(diags, flows.Decode(v, s)...)
	if diags.Failed() {
		return s, diags.Sorted()
	}
	names := map[string]bool{}
	for _, sc := range s.Tests {
		if names[sc.Name] {
			diags = append(diags, sc.at.Get("name").Errorf("another test has this name"))
		}
		names[sc.Name] = true
		for i := range sc.Send {
			diags = append(diags, sc.Send[i].read(filepath.Dir(path))...)
		}
	}
	return s, diags.Sorted()
}

// DecodeValue decodes a test and remembers its place.
func (s *Scenario) DecodeValue(v *flows.Value) flows.Diagnostics {
	type plain Scenario
	diags := flows.Decode(v, (*plain)(s))
	s.at = v
	if !s.Now.IsZero() && s.Now.Before(epoch) {
		diags = append(diags, v.Get("now").Errorf("want a time from %s on", epoch.Format(time.RFC3339)))
	}
	return diags
}

// DecodeValue decodes an entry of send and remembers its place.
func (s *Send) DecodeValue(v *flows.Value) flows.Diagnostics {
	type plain Send
	diags := flows.Decode(v, (*plain)(s))
	s.at = v
	return diags
}

// bodied reports whether s is a body rather than the fields of an event.
func (s *Send) bodied() bool { return s.File != "" || s.Body.Value != nil }

// pause reports whether s does nothing but let time pass.
func (s *Send) pause() bool { return len(s.at.Entries) == 1 && s.at.Get("after") != nil }

// read checks an entry and reads its file.
func (s *Send) read(folder string) (diags flows.Diagnostics) {
	fields, request := []string{"id", "subject", "time", "data", "meta"}, []string{"path", "method", "headers", "answer"}
	wrong, with := request, "goes with file or body"
	if s.bodied() {
		wrong, with = fields, "is a field of an event, and this is a body"
	}
	for _, key := range wrong {
		if s.at.Get(key) != nil {
			diags = append(diags, s.at.Key(key).Errorf("%s %s", key, with))
		}
	}
	var err error
	switch {
	case s.File != "" && s.Body.Value != nil:
		diags = append(diags, s.at.Key("body").Errorf("want file or body, not both"))
	case s.File != "":
		path := s.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(folder, path)
		}
		if s.body, err = os.ReadFile(path); err != nil {
			diags = append(diags, s.at.Get("file").Errorf("%v", err))
		}
	case s.Body.Value != nil:
		if s.body, err = s.Body.text(); err != nil {
			diags = append(diags, s.Body.Errorf("this can't be written as JSON: %v", err))
		}
	}
	return diags
}

// documents are the files that the tests of a file are about: NAME.yaml beside
// NAME_test.yaml, else every document of the folder.
func documents(path string) []string {
	name := path[:len(path)-len(filepath.Ext(path))]
	name = name[:len(name)-len(suffix)]
	for _, ext := range []string{".yaml", ".yml"} {
		if _, err := os.Stat(name + ext); err == nil {
			return []string{name + ext}
		}
	}
	return []string{filepath.Dir(path)}
}

const suffix = "_test"

// IsSuite reports whether a path has the name of a file of tests.
func IsSuite(path string) bool {
	for _, ext := range []string{".yaml", ".yml"} {
		if ok, _ := filepath.Match("?*"+suffix+ext, filepath.Base(path)); ok {
			return true
		}
	}
	return false
}

// Load reads the document that a file of tests is about: the given paths, or,
// if there are none, what stands beside it. Variables are looked up in the
// file's env first.
func (s *Suite) Load(path string, paths []string, lookup func(string) (string, bool)) (*flows.Document, flows.Diagnostics) {
	if len(paths) == 0 {
		paths = documents(path)
	}
	return flows.Load(paths, func(name string) (string, bool) {
		if value, ok := s.Env[name]; ok {
			return value, true
		}
		return lookup(name)
	})
}

// flow finds the flow under test.
func (s *Scenario) flow(doc *flows.Document) (*flows.Flow, flows.Diagnostics) {
	if s.Flow == "" && len(doc.Flows) == 1 {
		return doc.Flows[0], nil
	}
	var known []string
	for _, f := range doc.Flows {
		if f.Name == s.Flow {
			return f, nil
		}
		known = append(known, f.Name)
	}
	if s.Flow == "" {
		return nil, flows.Diagnostics{s.at.Errorf("which flow?").Suggest("", known)}
	}
	return nil, flows.Diagnostics{s.at.Get("flow").Errorf("no flow %q in the document", s.Flow).Suggest(s.Flow, known)}
}

// names are the ids that reply and expect name, which must be nodes of f.
func (s *Scenario) names(f *flows.Flow) (diags flows.Diagnostics) {
	known := map[string]bool{}
	for _, n := range f.Nodes {
		known[n.ID] = true
	}
	ids := slices.Sorted(maps.Keys(known))
	unknown := func(key *flows.Value, id string) {
		if !known[id] {
			diags = append(diags, key.Errorf("no node %q in flow %q", id, f.Name).Suggest(id, ids))
		}
	}
	if replies := s.at.Get("reply"); replies != nil {
		for _, e := range replies.Entries {
			unknown(e.Key, e.Key.Text)
		}
	}
	for i := range s.Send {
		if send := &s.Send[i]; send.Source != "" {
			unknown(send.at.Get("source"), send.Source)
		}
	}
	if s.Expect.Value == nil {
		return diags
	}
	if s.Expect.Kind != flows.Map {
		return append(diags, s.Expect.Errorf("want a map of nodes and what they got"))
	}
	for _, e := range s.Expect.Entries {
		if e.Key.Text != dead {
			unknown(e.Key, nodeOf(e.Key.Text))
		}
	}
	return diags
}

// describe names a sent entry for people.
func (s *Send) describe() string {
	switch {
	case s.File != "":
		return s.File
	case s.bodied():
		return cmp.Or(s.Type, "a body")
	}
	return fmt.Sprintf("%s %s", cmp.Or(s.Type, "an event"), s.ID)
}
