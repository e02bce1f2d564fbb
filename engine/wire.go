package engine

import (
	"slices"
	"strings"

	"github.com/flowd/flowd/flows"
)

// A graph is the nodes of one flow and what leads to each.
type graph struct {
	nodes  []*node // in topological order once wired
	byID   map[string]*node
	inputs map[*node][]input
}

// An input is a port of a node that leads to another.
type input struct {
	from *node
	port int // or toError
}

// toError is the port of what a node gives up; errorPort is its name.
const (
	toError   = -1
	errorPort = "error"
)

// wire finds what leads to each node, and puts the nodes into topological
// order, which is the order of the document wherever that will do.
func (g *graph) wire() flows.Diagnostics {
	var diags flows.Diagnostics
	for _, n := range g.nodes {
		found, ds := inputsOf(n, g.byID)
		g.inputs[n] = found
		diags = append(diags, ds...)
	}
	sorted := make([]*node, 0, len(g.nodes))
	placed := map[*node]bool{}
	var place func(n *node)
	place = func(n *node) { // flows has refused loops
		if placed[n] {
			return
		}
		placed[n] = true
		for _, in := range g.inputs[n] {
			place(in.from)
		}
		sorted = append(sorted, n)
	}
	for _, n := range g.nodes {
		place(n)
	}
	g.nodes = sorted
	return diags
}

// split parts the graph at its queues: f is what is before any of them, and
// what is behind a queue reads that queue's log.
func (g *graph) split(f *flowPlan) ([]*flowPlan, flows.Diagnostics) {
	all := []*flowPlan{f}
	behind := map[*node]*flowPlan{} // by queue
	of := map[*node]*flowPlan{}
	var diags flows.Diagnostics
	for _, n := range g.nodes {
		at := f
		for i, in := range g.inputs[n] {
			before := of[in.from]
			if q := behind[in.from]; q != nil && in.port != toError {
				before = q
			}
			if i > 0 && before != at {
				diags = append(diags, n.doc.At.Errorf("%q takes events from before a queue and from behind it: put a queue of its own before it", n.id))
			}
			at = before
		}
		of[n] = at
		at.place(n)
		if n.part != nil && isQueue(n.impl) {
			q := &flowPlan{name: f.name, log: f.logBehind(n), queue: true, doc: f.doc, lanes: f.lanes, orderBy: f.orderBy, parted: f.parted}
			q.place(entryOf(n))
			behind[n] = q
			all = append(all, q)
		}
	}
	if diags.Failed() {
		return all, diags
	}
	for _, n := range g.nodes {
		n.merges = len(g.inputs[n]) > 1
		for _, in := range g.inputs[n] {
			from := in.from
			if q := behind[from]; q != nil && in.port != toError {
				from = q.nodes[0]
			}
			from.connect(in.port, n.index)
		}
	}
	return all, nil
}

func (f *flowPlan) place(n *node) {
	n.index = len(f.nodes)
	f.nodes = append(f.nodes, n)
	if n.part != nil {
		_, replies := n.impl.(Replier)
		f.replies = f.replies || replies
	}
}

func (n *node) connect(port, to int) {
	if port == toError {
		n.onError = append(n.onError, to)
		return
	}
	for len(n.out) <= port {
		n.out = append(n.out, nil)
	}
	n.out[port] = append(n.out[port], to)
}

func inputsOf(n *node, byID map[string]*node) ([]input, flows.Diagnostics) {
	d := n.doc
	if n.part != nil && n.spec.Kind == SourceKind {
		if len(d.From) > 0 && byID[d.From[0].ID] != nil { // else flows has said so
			return nil, flows.Diagnostics{d.From[0].At.Errorf("a source takes no events: %s has nothing to do with from", n.spec.Type)}
		}
		return nil, nil
	}
	refs := d.From
	if len(refs) == 0 {
		if d.Above == nil {
			if n.part == nil {
				return nil, nil
			}
			diag := d.At.Errorf("%s %q has no events: nothing is above it", n.spec.Kind, n.id)
			diag.Hint = "a flow begins with a source, or say where its events come from: from: ID"
			return nil, flows.Diagnostics{diag}
		}
		refs = []flows.Ref{{ID: d.Above.ID, At: d.At}}
	}
	var found []input
	var diags flows.Diagnostics
	for _, ref := range refs {
		from := byID[ref.ID]
		if from == nil { // flows has said so
			continue
		}
		port, diag := from.port(ref)
		if diag != nil {
			diags = append(diags, *diag)
			continue
		}
		in := input{from, port}
		if !slices.Contains(found, in) {
			found = append(found, in)
		}
	}
	return found, diags
}

// port finds the port that ref names.
func (n *node) port(ref flows.Ref) (int, *flows.Diagnostic) {
	if ref.Port == errorPort {
		return toError, nil
	}
	if n.part == nil {
		return 0, nil
	}
	if len(n.ports) == 0 {
		if ref.Port == "" {
			return 0, nil
		}
		d := ref.At.Errorf("%s %q has no port %q", n.spec.Type, n.id, ref.Port)
		d.Hint = "its ports: " + n.id + " and " + n.id + "." + errorPort
		return 0, &d
	}
	if i := slices.Index(n.ports, ref.Port); i >= 0 {
		return i, nil
	}
	if ref.Port == "" {
		d := ref.At.Errorf("which port of %q?", n.id)
		d.Hint = "say from: " + n.id + "." + strings.Join(n.ports, " or "+n.id+".")
		return 0, &d
	}
	d := ref.At.Errorf("%s %q has no port %q", n.spec.Type, n.id, ref.Port).
		Suggest(ref.Port, append(slices.Clone(n.ports), errorPort))
	return 0, &d
}

// whole reports whether every node has its part. One whose configuration has a
// mistake that is told already, such as a variable that is not set, has none.
func whole(nodes []*node) bool {
	return !slices.ContainsFunc(nodes, func(n *node) bool { return n.part == nil })
}

// doubts are the warnings about a flow that runs and likely does not do what
// is meant.
func (g *graph) doubts(f *flowPlan) flows.Diagnostics {
	var diags flows.Diagnostics
	sinks := 0
	takers := map[input]int{}
	for _, n := range g.nodes {
		if n.part == nil { // its mistake is told already
			return nil
		}
		for _, in := range g.inputs[n] {
			takers[in]++
		}
	}
	for _, n := range g.nodes {
		if n.spec.Kind == SinkKind {
			sinks++
			if !isQueue(n.impl) {
				continue
			}
		}
		if len(n.ports) == 0 && takers[input{n, 0}] == 0 {
			diags = append(diags, n.doc.At.Warnf("what %q emits goes nowhere", n.id))
		}
		for port, name := range n.ports {
			if takers[input{n, port}] == 0 {
				diags = append(diags, n.doc.At.Warnf("nothing takes port %s.%s", n.id, name))
			}
		}
	}
	if sinks == 0 {
		diags = append(diags, f.doc.At.Warnf("flow %q has no sink", f.name))
	}
	return diags
}
