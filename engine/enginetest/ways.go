package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// paths are the ways of events through a flow, node by node.
type paths struct {
	tallies map[string]*tally
	logs    map[string]string // by node: the queue whose log it works on; empty for the flow's own
	behind  map[origin]origin // of what is behind a queue
	queued  map[string]engine.Offset
}

// An origin names the event that came in, whatever became of it, by its place
// in a log: that of a queue, or the flow's own.
type origin struct {
	queue  string
	offset engine.Offset
}

// A tally is what one node did.
type tally struct {
	state  map[*engine.Event]state // of what it was given
	errs   map[*engine.Event]error // the last failure
	passed []engine.Emitted
}

// A state is what a node did with an event.
type state uint8

const (
	waits  state = iota // it came, and is to come again
	passes              // it, or what was made of it, went on
	stops               // nothing came of it, or not yet
	fails
)

func newPaths() paths {
	return paths{
		tallies: map[string]*tally{}, logs: map[string]string{},
		behind: map[origin]origin{}, queued: map[string]engine.Offset{},
	}
}

// logsOf finds the log that each node works on: what is behind a queue works on
// that of the queue, but for what takes its error port.
func (r *rehearsal) logsOf() map[string]string {
	logs := map[string]string{}
	for range r.flow.Nodes { // a node may stand above the one it takes from
		for _, n := range r.flow.Nodes {
			refs := r.inputs(n)
			if len(refs) == 0 {
				continue
			}
			from := r.nodes[refs[0].ID]
			if logs[n.ID] = logs[from.ID]; from.Type == engine.Queue.Type && refs[0].Port != "error" {
				logs[n.ID] = from.ID
			}
		}
	}
	return logs
}

// inputs is where the events of a node come from.
func (r *rehearsal) inputs(n *flows.Node) []flows.Ref {
	if len(n.From) == 0 && n.Above != nil && r.sources[n.ID] == nil {
		return []flows.Ref{{ID: n.Above.ID}}
	}
	return n.From
}

// of is the origin, at the source, of an event that a node has.
func (p *paths) of(node string, e *engine.Event) origin {
	at := origin{p.logs[node], e.Offset}
	for {
		before, ok := p.behind[at]
		if !ok {
			return at
		}
		at = before
	}
}

func (p *paths) at(node string) *tally {
	t := p.tallies[node]
	if t == nil {
		t = &tally{state: map[*engine.Event]state{}, errs: map[*engine.Event]error{}}
		p.tallies[node] = t
	}
	return t
}

// step notes one attempt of a node.
func (r *rehearsal) step(s engine.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	p := &r.paths
	t := p.at(s.Node)
	self, made := map[*engine.Event]bool{}, map[origin]bool{}
	filters := false // it passes on the events it was given, rather than new ones
	for _, out := range s.Out {
		self[out.Event] = true
		made[p.of(s.Node, out.Event)] = true
		filters = filters || slices.Contains(s.In, out.Event)
	}
	for _, e := range s.In {
		switch {
		case self[e] || !filters && made[p.of(s.Node, e)]:
			t.state[e] = passes
		default:
			t.state[e] = stops
		}
	}
	for _, f := range s.Failed {
		if errors.Is(f.Err, engine.ErrNotTried) {
			t.state[f.Event] = waits
			continue
		}
		t.state[f.Event], t.errs[f.Event] = fails, f.Err
	}
	if len(s.In) == 0 { // what was held back has become due
		for e, was := range t.state {
			if was == stops && made[p.of(s.Node, e)] {
				t.state[e] = passes
			}
		}
	}
	t.passed = append(t.passed, s.Out...)
	if n := r.nodes[s.Node]; n != nil && n.Type == engine.Queue.Type {
		for _, e := range s.In {
			if t.state[e] == passes {
				p.queued[s.Node]++
				p.behind[origin{s.Node, p.queued[s.Node]}] = p.of(s.Node, e)
			}
		}
	}
}

// count is a number of a node, or of one of its ports, ID.PORT: how many went
// there.
func (p *paths) count(key, what string) int {
	id, port, ok := strings.Cut(key, ".")
	t := p.tallies[id]
	switch {
	case !ok:
		return t.count(what)
	case t == nil || what != "in" && what != "out":
		return 0
	case port == "error":
		return t.count("failed")
	}
	n := 0
	for _, out := range t.passed {
		if out.Port == port {
			n++
		}
	}
	return n
}

// counts are what `expect: {ID: {…}}` may ask for.
var counts = []string{"in", "out", "dropped", "failed"}

func (t *tally) count(what string) int {
	if t == nil {
		return 0
	}
	want, n := map[string]state{"dropped": stops, "failed": fails}[what], 0
	switch what {
	case "in":
		return len(t.state)
	case "out":
		return len(t.passed)
	}
	for _, s := range t.state {
		if s == want {
			n++
		}
	}
	return n
}

// became says where the events of an entry ended, and why.
func (r *rehearsal) became(s *sent) string {
	name := s.describe()
	if len(s.events) == 0 {
		return name + ": nothing came of it at its source"
	}
	var all []string
	for _, e := range s.events {
		what := strings.TrimSpace(e.Type + " " + e.ID)
		all = append(all, what+": "+strings.Join(r.endings(e), ", "))
	}
	return strings.Join(all, "; ")
}

// endings are the ends of the way of one event that came in.
func (r *rehearsal) endings(sent *engine.Event) []string {
	var ends []string
	origin := r.paths.of(sent.Node, sent)
	for _, n := range r.flow.Nodes {
		t := r.paths.tallies[n.ID]
		if t == nil {
			if r.passedBy(n, sent) {
				ends = append(ends, fmt.Sprintf("not for %s: its when is not true", n.ID))
			}
			continue
		}
		came := map[state]int{}
		var last error
		for e, s := range t.state {
			if r.paths.of(n.ID, e) == origin {
				came[s]++
				if s == fails {
					last = t.errs[e]
				}
			}
		}
		switch {
		case len(came) == 0 && r.passedBy(n, sent):
			ends = append(ends, fmt.Sprintf("not for %s: its when is not true", n.ID))
		case came[fails] > 0:
			ends = append(ends, fmt.Sprintf("failed at %s: %v", n.ID, last))
		case came[waits] > 0:
			ends = append(ends, "waits at "+n.ID)
		case r.sinks[n.ID] && came[passes] > 0:
			ends = append(ends, "delivered by "+n.ID)
		case came[stops] > 0:
			ends = append(ends, "stopped by "+n.ID)
		}
	}
	for _, d := range r.dead {
		if r.paths.of(d.Failure.Node, d.Event) == origin && r.paths.tallies[d.Failure.Node].count("failed") == 0 {
			ends = append(ends, fmt.Sprintf("given up at %s: %s", d.Failure.Node, d.Failure.Message))
		}
	}
	if len(ends) == 0 {
		ends = append(ends, "nothing took it")
	}
	return ends
}

// passedBy reports whether a sink has a condition, and an event came as far as
// the sink and no further.
func (r *rehearsal) passedBy(n *flows.Node, sent *engine.Event) bool {
	if n.When == nil || !r.sinks[n.ID] {
		return false
	}
	for _, ref := range r.inputs(n) {
		if r.sources[ref.ID] != nil && ref.ID == sent.Node {
			return true
		}
		if t := r.paths.tallies[ref.ID]; t != nil {
			for _, out := range t.passed {
				if out.Port == ref.Port && r.paths.of(ref.ID, out.Event) == r.paths.of(sent.Node, sent) {
					return true
				}
			}
		}
	}
	return false
}
