package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/flows"
)

// A plan is a document made ready to run: flows of nodes with their
// configurations decoded, wired, and their conditions compiled. Nothing is
// built or acquired yet.
type plan struct {
	server ServerConfig
	flows  []*flowPlan // in the order of the document
}

func (p *plan) names() []string {
	names := make([]string, len(p.flows))
	for i, f := range p.flows {
		names[i] = f.name
	}
	return names
}

// A flowPlan is one flow of a plan.
type flowPlan struct {
	name    string
	at      *flows.Value
	lanes   int
	orderBy func(*Event) (string, error) // nil if not set
	nodes   []*node                      // in topological order
	replies bool                         // it has a Replier
}

// A node is a node of a flow as it is wired in one plan. Its part may live on
// in the node of the next plan.
type node struct {
	*part
	index   int // in flowPlan.nodes
	id      string
	doc     *flows.Node
	when    func(*Event) (bool, error) // nil: always
	retry   Retry
	limited bool // the document sets the number of attempts
	timeout time.Duration
	drop    bool // what it gives up is dropped
	ports   []string
	out     [][]int // by port: indexes of the nodes that take it
	onError []int   // of the nodes that take its error port
	merges  bool    // more than one port leads to it
}

// planDocument checks doc and finds every mistake that can be found without
// acquiring anything. The plan is whole only if no diagnostic is an error.
func planDocument(doc *flows.Document, reg *Registry) (*plan, flows.Diagnostics) {
	p := &plan{server: defaultServer}
	var diags flows.Diagnostics
	if doc.Server != nil {
		diags = append(diags, flows.Decode(doc.Server, &p.server)...)
	}
	for _, f := range doc.Flows {
		planned, found := planFlow(f, reg)
		p.flows = append(p.flows, planned)
		diags = append(diags, found...)
	}
	return p, append(diags, p.crossings()...)
}

// crossings are the paths that several sources take although the answer of one
// of them counts.
func (p *plan) crossings() flows.Diagnostics {
	type taker struct {
		node  *node
		alone bool
	}
	takers := map[string]taker{}
	var diags flows.Diagnostics
	for _, f := range p.flows {
		for _, n := range f.nodes {
			if n.part == nil {
				continue
			}
			router, ok := n.impl.(Router)
			if !ok {
				continue
			}
			for _, route := range router.Routes(nil) {
				first, taken := takers[route.Path]
				if taken && (first.alone || route.Alone) {
					diags = append(diags, n.doc.At.Errorf("path %s is taken already, at %s", route.Path, first.node.doc.At.Span))
					continue
				}
				takers[route.Path] = taker{n, route.Alone}
			}
		}
	}
	return diags
}

func planFlow(doc *flows.Flow, reg *Registry) (*flowPlan, flows.Diagnostics) {
	f := &flowPlan{name: doc.Name, at: doc.At, lanes: max(1, doc.Lanes)}
	var diags flows.Diagnostics
	if doc.OrderBy != nil {
		key, found := reg.key(doc.OrderBy)
		f.orderBy = key
		diags = append(diags, found...)
		if f.lanes == 1 {
			diags = append(diags, doc.OrderBy.Warnf("order_by does nothing with one lane"))
		}
	}
	byID := map[string]*node{}
	for i, d := range doc.Nodes {
		n, found := planNode(d, i == 0, reg)
		diags = append(diags, found...)
		f.nodes = append(f.nodes, n)
		byID[n.id] = n
	}
	sorted, found := wire(f.nodes, byID)
	f.nodes = sorted
	diags = append(diags, found...)
	for _, n := range f.nodes {
		if n.part != nil {
			_, replies := n.impl.(Replier)
			f.replies = f.replies || replies
		}
	}
	if !diags.Failed() {
		diags = append(diags, f.doubts()...)
	}
	return f, diags
}

// planNode makes a node of its entry: its type, its configuration and the
// engine's keys. The part of the node is nil if its type is not known or its
// configuration is wrong.
func planNode(d *flows.Node, first bool, reg *Registry) (*node, flows.Diagnostics) {
	n := &node{id: d.ID, doc: d, drop: d.OnError == flows.Drop}
	var diags flows.Diagnostics
	if d.When != nil {
		when, found := reg.condition(d.When)
		n.when = when
		diags = append(diags, found...)
	}
	spec := reg.choose(d, first)
	if spec == nil {
		return n, append(diags, d.At.Errorf("unknown node type %q", d.Type).Suggest(d.Type, reg.names()))
	}
	config, found := spec.decode(d.Config)
	diags = append(diags, found...)
	var set Retry
	if d.Retry != nil {
		diags = append(diags, flows.Decode(d.Retry, &set)...)
	}
	n.retry, n.limited = set.or(spec.Retry), set.Attempts > 0
	n.timeout = spec.Timeout
	if d.Timeout != nil {
		var timeout flows.Duration
		diags = append(diags, flows.Decode(d.Timeout, &timeout)...)
		n.timeout = time.Duration(timeout)
	}
	if spec.Kind == SourceKind {
		for key, v := range map[string]*flows.Value{"when": d.When, "retry": d.Retry, "timeout": d.Timeout} {
			if v != nil {
				diags = append(diags, v.Errorf("a source has no %s: put it on the node below", key))
			}
		}
	}
	if found.Failed() {
		return n, diags
	}
	if spec.ports != nil {
		n.ports = spec.ports(config)
	}
	impl, err := spec.build(config)
	if err != nil {
		at := d.Config
		if at == nil {
			at = d.At
		}
		return n, append(diags, at.Errorf("%v", err))
	}
	n.part = &part{spec: spec, config: d.Config, impl: impl}
	return n, diags
}

// choose returns the spec of a node's type. A type that is a source and a sink
// is a source where nothing leads to it.
func (r *Registry) choose(d *flows.Node, first bool) *Spec {
	found := r.Lookup(d.Type)
	if len(found) == 0 {
		return nil
	}
	if first && len(d.From) == 0 {
		return found[0]
	}
	return found[len(found)-1]
}

func (r *Registry) condition(v *flows.Value) (func(*Event) (bool, error), flows.Diagnostics) {
	if r.language == nil {
		return nil, flows.Diagnostics{v.Errorf("this engine has no expressions")}
	}
	return r.language.Condition(v)
}

func (r *Registry) key(v *flows.Value) (func(*Event) (string, error), flows.Diagnostics) {
	if r.language == nil {
		return nil, flows.Diagnostics{v.Errorf("this engine has no expressions")}
	}
	return r.language.Key(v)
}

// errorPort is the name of the port of what a node gives up.
const errorPort = "error"

// wire connects the nodes and returns them in topological order, which is the
// order of the document wherever that will do.
func wire(nodes []*node, byID map[string]*node) ([]*node, flows.Diagnostics) {
	var diags flows.Diagnostics
	inputs := make(map[*node][]input, len(nodes))
	for _, n := range nodes {
		found, ds := inputsOf(n, byID)
		inputs[n] = found
		diags = append(diags, ds...)
	}
	sorted := make([]*node, 0, len(nodes))
	placed := map[*node]bool{}
	var place func(n *node)
	place = func(n *node) { // flows has refused loops
		if placed[n] {
			return
		}
		placed[n] = true
		for _, in := range inputs[n] {
			place(in.from)
		}
		n.index = len(sorted)
		sorted = append(sorted, n)
	}
	for _, n := range nodes {
		place(n)
	}
	for _, n := range sorted {
		n.merges = len(inputs[n]) > 1
		for _, in := range inputs[n] {
			in.from.connect(in.port, n.index)
		}
	}
	return sorted, diags
}

// An input is a port of a node that leads to another. Port -1 is the error
// port.
type input struct {
	from *node
	port int
}

func (n *node) connect(port, to int) {
	if port < 0 {
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
		if len(d.From) > 0 {
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
		return -1, nil
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

// doubts are the warnings about a flow that runs and likely does not do what
// is meant.
func (f *flowPlan) doubts() flows.Diagnostics {
	var diags flows.Diagnostics
	sources, sinks := 0, 0
	reached := make([]bool, len(f.nodes))
	for i, n := range f.nodes {
		switch n.spec.Kind {
		case SourceKind:
			sources++
			reached[i] = true
		case SinkKind:
			sinks++
		}
		if !reached[i] {
			diags = append(diags, n.doc.At.Warnf("nothing reaches %q", n.id))
			continue
		}
		for _, to := range append(slices.Concat(n.out...), n.onError...) {
			reached[to] = true
		}
		if n.spec.Kind != SinkKind && len(slices.Concat(n.out...)) == 0 {
			diags = append(diags, n.doc.At.Warnf("what %q emits goes nowhere", n.id))
		}
		for port, name := range n.ports {
			if port >= len(n.out) || len(n.out[port]) == 0 {
				if len(n.out) > 0 {
					diags = append(diags, n.doc.At.Warnf("nothing takes port %s.%s", n.id, name))
				}
			}
		}
	}
	if sources == 0 {
		diags = append(diags, f.at.Warnf("flow %q has no source", f.name))
	}
	if sinks == 0 {
		diags = append(diags, f.at.Warnf("flow %q has no sink", f.name))
	}
	return diags
}

// String names the node for messages: flow and id are in the log's fields.
func (n *node) String() string { return fmt.Sprintf("%s %q", n.spec.Type, n.id) }
