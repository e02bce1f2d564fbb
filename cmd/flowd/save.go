package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/engine/enginetest"
)

// A recorder keeps the events that come into flows, for a test.
type recorder struct {
	*options
	path    string
	flows   []string
	sources map[string]bool // FLOW.NODE
	came    map[string][]enginetest.Came
}

// newRecorder prepares to write a test of the given flows, or of all. Whatever
// would be in the way of that in the end is told at once.
func newRecorder(o *options, path string, of []string) (*recorder, error) {
	if !enginetest.IsSuite(path) {
		return nil, usage("--save %s: a file of tests is called NAME_test.yaml", path)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, usage("--save: %s is there already", path)
	}
	for _, name := range of {
		if flow, node, ok := strings.Cut(name, "."); ok {
			return nil, usage("--save wants whole flows: %s, without .%s", flow, node)
		}
	}
	doc, diags := o.check()
	if err := diags.Err(); err != nil {
		return nil, err
	}
	r := &recorder{options: o, path: path, sources: map[string]bool{}, came: map[string][]enginetest.Came{}}
	for _, f := range doc.Flows {
		r.flows = append(r.flows, f.Name)
		for i, n := range f.Nodes {
			if kindOf(n, i == 0) == engine.SourceKind.String() {
				r.sources[f.Name+"."+n.ID] = true
			}
		}
	}
	return r, nil
}

// keep keeps an event if it has just come in.
func (r *recorder) keep(data []byte) (kept bool, err error) {
	var e admin.Tapped
	if err := json.Unmarshal(data, &e); err != nil {
		return false, fmt.Errorf("reading an event: %w", err)
	}
	if !r.sources[e.Flow+"."+e.Node] {
		return false, nil
	}
	at, _ := time.Parse(time.RFC3339Nano, e.Time) // flowd writes no other
	meta, _ := engine.JSON(e.Meta).Value()        // none if it can't be written
	fields, _ := meta.(map[string]any)
	r.came[e.Flow] = append(r.came[e.Flow], enginetest.Came{At: time.Now(), Event: &engine.Event{
		ID: e.Event.ID, Type: e.Type, Subject: e.Subject, Time: at, Data: engine.JSON(e.Data), Meta: fields, Node: e.Node,
	}})
	return true, nil
}

// write writes the test, one of each flow that something came into.
func (r *recorder) write() error {
	var all []enginetest.Recording
	n := 0
	for _, flow := range r.flows {
		came := r.came[flow]
		if len(came) == 0 {
			continue
		}
		n += len(came)
		all = append(all, enginetest.Recording{
			Name: fmt.Sprintf("what came into %s at %s", flow, came[0].At.UTC().Format(time.DateTime)), Flow: flow, Came: came,
		})
	}
	if n == 0 {
		return fmt.Errorf("%s is not written: no event came in", r.path)
	}
	unset, err := enginetest.Save(r.path, registry, r.documents(), os.LookupEnv, all)
	if err != nil {
		return fmt.Errorf("%s is not written: %w", r.path, err)
	}
	fmt.Fprintf(r.err, "wrote %s: %s of %s, and what the sinks get of them\n", r.path, count(n, "event"), count(len(all), "flow"))
	if len(unset) > 0 {
		fmt.Fprintf(r.err, "it wants these environment variables: %s\n", strings.Join(unset, ", "))
	}
	fmt.Fprintf(r.err, "run it: flowd test -f %s %s\n", strings.Join(r.documents(), " -f "), r.path)
	return nil
}
