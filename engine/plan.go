package engine

import (
	"fmt"
	"reflect"
	"time"

	"github.com/flowd/flowd/flows"
)

// A plan is a document made ready to run: flows of nodes with their
// configurations decoded, wired, and their conditions compiled. Nothing is
// built or acquired yet.
type plan struct {
	server ServerConfig
	flows  []*flowPlan            // in the order of the document
	docs   map[string]*flows.Flow // by name: where flows stand that were planned before
}

// logs names the logs that the plan reads.
func (p *plan) logs() []string {
	names := make([]string, len(p.flows))
	for i, f := range p.flows {
		names[i] = f.log
	}
	return names
}

// A flowPlan is one flow of a plan, or what is behind a queue of it.
type flowPlan struct {
	name    string // of the flow
	log     string // name of the log it reads: the flow's, or FLOW.QUEUE
	queue   bool   // it is what is behind a queue
	says    digest // of the flow
	lanes   int
	orderBy func(*Event) (string, error) // nil if not set
	nodes   []*node                      // in topological order
	replies bool                         // it has a Replier
	parted  ways
	doubted bool               // there are warnings about it
	files   flows.Fingerprints // that its nodes depend on

	// While it is planned and opened:
	doc    *flows.Flow
	advice flows.Diagnostics // see Advice
}

// logBehind is the name of the log behind a queue.
func (f *flowPlan) logBehind(queue *node) string { return f.name + "." + queue.id }

// forget lets go of the document, before the flow runs.
func (f *flowPlan) forget() {
	f.doc, f.advice = nil, nil
	for _, n := range f.nodes {
		n.doc = nil
	}
}

// A node is a node of a flow as it is wired in one plan. Its part may live on
// in the node of the next plan.
type node struct {
	*part
	index    int // in flowPlan.nodes
	id       string
	doc      *flows.Node                // while it is planned and opened
	manner   digest                     // of the engine's own keys
	when     func(*Event) (bool, error) // nil: always
	retry    Retry
	limited  bool // the document sets the number of attempts
	timeout  time.Duration
	drop     bool               // what it gives up is dropped
	declared *Spec              // of its type, or nil if that is not known; while it is planned
	settings any                // its decoded configuration, as far as it could be, while it is planned
	sound    bool               // settings lack nothing but what should come from variables that are not set
	files    flows.Fingerprints // that it depends on
	ports    []string
	out      [][]int // by port: indexes of the nodes that take it
	onError  []int   // of the nodes that take its error port
	merges   bool    // more than one port leads to it
}

// planDocument checks doc and finds every mistake that can be found without
// acquiring anything. The plan is whole only if no diagnostic is an error. A
// flow that says what a running one says, and whose files hold what they held,
// is not planned again: its plans are those that run.
func planDocument(doc *flows.Document, reg *Registry, running map[string][]*flowPlan) (*plan, flows.Diagnostics) {
	p := &plan{server: defaultServer, docs: map[string]*flows.Flow{}}
	var diags flows.Diagnostics
	if doc.Server != nil {
		diags = append(diags, flows.Decode(doc.Server, &p.server)...)
		doc.DependsOn(filesOf(p.server))
	}
	var d digester
	for _, f := range doc.Flows {
		p.docs[f.Name] = f
		plans := running[f.Name]
		d.flow(f)
		says := d.sum()
		same := plans != nil && plans[0].says == says && plans[0].files.Hold()
		if !same || plans[0].doubted {
			planned, found := planFlow(f, reg)
			diags = append(diags, found...)
			if !same {
				planned[0].says = says
				plans = planned
			}
		}
		p.flows = append(p.flows, plans...)
		doc.DependsOn(plans[0].files)
	}
	return p, append(diags, p.crossings()...)
}

// place is where the document of p has a node of f.
func (p *plan) place(f *flowPlan, n *node) *flows.Value {
	for _, d := range p.docs[f.name].Nodes {
		if d.ID == n.id {
			return d.At
		}
	}
	return p.docs[f.name].At // of a queue, say
}

// crossings are the paths that several sources take although the answer of one
// of them counts.
func (p *plan) crossings() flows.Diagnostics {
	type taker struct {
		flow  *flowPlan
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
					diags = append(diags, p.place(f, n).Errorf("path %s is taken already, at %s", route.Path, p.place(first.flow, first.node).Span))
					continue
				}
				takers[route.Path] = taker{f, n, route.Alone}
			}
		}
	}
	return diags
}

// planFlow plans one flow: what is before any queue, and what is behind each.
func planFlow(doc *flows.Flow, reg *Registry) ([]*flowPlan, flows.Diagnostics) {
	f := &flowPlan{name: doc.Name, log: doc.Name, doc: doc, lanes: max(1, doc.Lanes)}
	var diags flows.Diagnostics
	if doc.OrderBy != nil {
		key, found := reg.key(doc.OrderBy)
		f.orderBy = key
		diags = append(diags, found...)
		if doc.Lanes == 1 {
			diags = append(diags, doc.OrderBy.Warnf("order_by does nothing with one lane"))
		}
	}
	if len(doc.Nodes) == 0 { // flows has said so
		return []*flowPlan{f}, diags
	}
	g := &graph{byID: map[string]*node{}, inputs: map[*node][]input{}}
	for i, d := range doc.Nodes {
		n, found := planNode(d, i == 0, reg)
		diags = append(diags, found...)
		g.nodes = append(g.nodes, n)
		g.byID[n.id] = n
		f.files = f.files.And(n.files)
	}
	loops := doc.Loops(func(d *flows.Node) bool {
		n := g.byID[d.ID]
		return n.part != nil && n.spec.Kind == SourceKind
	})
	if diags = append(diags, loops...); len(loops) > 0 {
		return []*flowPlan{f}, diags
	}
	diags = append(diags, g.wire()...)
	mistakes, advice := g.check(doc, reg, diags)
	f.advice = advice
	diags = append(diags, mistakes...)
	f.parted = g.ways()
	all, found := g.split(f)
	diags = append(diags, found...)
	if !diags.Failed() && whole(g.nodes) {
		diags = append(diags, g.doubts(f)...)
	}
	f.doubted = len(diags) > 0
	for _, n := range g.nodes { // what was checked may be forgotten
		if n.settings != nil {
			eachField(reflect.ValueOf(n.settings), Checked.Forget)
			n.declared, n.settings = nil, nil
		}
	}
	return all, diags
}

// planNode makes a node of its entry: its type, its configuration and the
// engine's keys. The part of the node is nil if its type is not known or its
// configuration is wrong.
func planNode(d *flows.Node, first bool, reg *Registry) (*node, flows.Diagnostics) {
	n := &node{id: d.ID, doc: d, drop: d.OnError == flows.Drop}
	var sum digester
	sum.manner(d)
	n.manner = sum.sum()
	var diags flows.Diagnostics
	if d.When != nil && d.When.Whole() {
		when, found := reg.condition(d.When)
		n.when = when
		diags = append(diags, found...)
	}
	spec := reg.choose(d, first)
	if spec == nil {
		d.Config.HideCredentials()
		return n, append(diags, d.At.Errorf("unknown node type %q", d.Type).Suggest(d.Type, reg.names()))
	}
	config, found := spec.decode(d.Config)
	diags = append(diags, found...)
	n.declared, n.sound = spec, !found.Failed()
	var set Retry
	if d.Retry != nil {
		diags = append(diags, flows.Decode(d.Retry, &set)...)
	}
	if attempts := d.Retry.Get("attempts"); attempts != nil && set.Attempts == 0 && attempts.Whole() {
		diags = append(diags, attempts.Errorf("attempts must be 1 or more"))
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
	n.settings, n.files = config, filesOf(config)
	if found.Failed() || !d.Config.Whole() {
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
	sum.value(d.Config)
	n.part = &part{spec: spec, config: sum.sum(), impl: impl}
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

// String names the node for messages: flow and id are in the log's fields.
func (n *node) String() string { return fmt.Sprintf("%s %q", n.spec.Type, n.id) }
