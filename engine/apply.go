package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/flows"
)

// Changes says what an Apply has changed. Nodes are named FLOW.NODE.
type Changes struct {
	FlowsAdded, FlowsRemoved            []string
	Kept, Changed, Rewired, Added, Gone []string // nodes
	Listener                            bool     // the server section changed
}

// None reports whether nothing has changed.
func (c Changes) None() bool {
	return len(c.FlowsAdded)+len(c.FlowsRemoved)+len(c.Changed)+len(c.Rewired)+len(c.Added)+len(c.Gone) == 0 && !c.Listener
}

func (c Changes) String() string {
	if c.None() {
		return "nothing changed"
	}
	var parts []string
	say := func(what string, names []string) {
		if len(names) > 0 {
			parts = append(parts, what+" "+strings.Join(names, ", "))
		}
	}
	say("flows added:", c.FlowsAdded)
	say("flows removed:", c.FlowsRemoved)
	say("added:", c.Added)
	say("changed:", c.Changed)
	say("rewired:", c.Rewired)
	say("removed:", c.Gone)
	if c.Listener {
		parts = append(parts, "server changed")
	}
	return strings.Join(parts, "; ")
}

// Apply makes the engine run doc in the place of what it runs now. All that
// can fail is done before anything that runs is touched: after an error
// nothing has changed. The error is a [flows.Diagnostics] where a place in the
// document is to blame.
//
// Nodes whose configuration is the same live on with their state. Events wait
// for the new plan between two batches; none is lost, and no request is
// refused.
func (e *Engine) Apply(ctx context.Context, doc *flows.Document) (Changes, error) {
	start := time.Now()
	changes, err := e.apply(ctx, doc)
	if e.hooks.Applied != nil {
		e.hooks.Applied(changes, time.Since(start), err)
	}
	return changes, err
}

func (e *Engine) apply(ctx context.Context, doc *flows.Document) (Changes, error) {
	p, diags := planDocument(doc, e.registry)
	if err := diags.Err(); err != nil {
		return Changes{}, err
	}
	if e.address != "" {
		p.server.Listen = e.address
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return Changes{}, errors.New("the engine has stopped")
	}
	c := &change{engine: e, plan: p}
	c.diff()
	if err := c.acquire(ctx); err != nil {
		c.undo()
		return Changes{}, err
	}
	c.swap()
	return c.Changes, nil
}

// A change is an Apply on its way.
type change struct {
	Changes
	engine   *Engine
	plan     *plan
	fresh    []fresh          // nodes to be opened
	opened   []*part          // in order
	flows    map[string]*flow // that are new
	listener *listener        // that is new
}

// A fresh is a node whose part is new.
type fresh struct {
	flow string
	node *node
}

// diff gives nodes the parts they had, and lists what is new.
func (c *change) diff() {
	next := map[string]bool{}
	for _, f := range c.plan.flows {
		next[f.name] = true
		var before map[string]*node
		if running := c.engine.flows[f.name]; running != nil {
			before = nodesByID(running.live.flowPlan)
		} else {
			c.FlowsAdded = append(c.FlowsAdded, f.name)
		}
		for _, n := range f.nodes {
			name := f.name + "." + n.id
			old := before[n.id]
			delete(before, n.id)
			switch {
			case old == nil:
				c.Added = append(c.Added, name)
				c.fresh = append(c.fresh, fresh{f.name, n})
			case !n.part.same(old.part):
				c.Changed = append(c.Changed, name)
				c.fresh = append(c.fresh, fresh{f.name, n})
			default:
				n.part = old.part
				if sameWiring(f, n, c.engine.flows[f.name].live.flowPlan, old) {
					c.Kept = append(c.Kept, name)
				} else {
					c.Rewired = append(c.Rewired, name)
				}
			}
		}
		for id := range before {
			c.Gone = append(c.Gone, f.name+"."+id)
		}
	}
	for name := range c.engine.flows {
		if !next[name] {
			c.FlowsRemoved = append(c.FlowsRemoved, name)
		}
	}
	slices.Sort(c.Gone)
	slices.Sort(c.FlowsRemoved)
}

func nodesByID(f *flowPlan) map[string]*node {
	byID := make(map[string]*node, len(f.nodes))
	for _, n := range f.nodes {
		byID[n.id] = n
	}
	return byID
}

// sameWiring reports whether all but a node's own configuration is the same.
func sameWiring(f *flowPlan, n *node, g *flowPlan, m *node) bool {
	return sameValue(n.doc.When, m.doc.When) && sameValue(n.doc.Retry, m.doc.Retry) &&
		sameValue(n.doc.Timeout, m.doc.Timeout) && n.drop == m.drop &&
		slices.Equal(f.targets(n), g.targets(m)) && f.lanes == g.lanes
}

// targets names where a node leads, port by port.
func (f *flowPlan) targets(n *node) []string {
	var names []string
	for port, tos := range append([][]int{n.onError}, n.out...) {
		for _, to := range tos {
			names = append(names, fmt.Sprint(port, " ", f.nodes[to].id))
		}
	}
	return names
}

// acquire opens what is new while the old still runs.
func (c *change) acquire(ctx context.Context) error {
	c.flows = map[string]*flow{}
	for _, name := range c.FlowsAdded {
		f, err := c.engine.openFlow(ctx, name)
		if err != nil {
			return fmt.Errorf("opening the log of flow %q: %w", name, err)
		}
		c.flows[name] = f
	}
	var diags flows.Diagnostics
	for _, fr := range c.fresh {
		if err := c.open(ctx, fr); err != nil {
			diags = append(diags, fr.node.doc.At.Errorf("%v", err))
		}
	}
	if diags != nil {
		return diags
	}
	return c.bind()
}

func (c *change) flow(name string) *flow {
	if f := c.flows[name]; f != nil {
		return f
	}
	return c.engine.flows[name]
}

func (c *change) open(ctx context.Context, fr fresh) error {
	e, n := c.engine, fr.node
	f := c.flow(fr.flow)
	n.probe = f.probe(n.id)
	keys, err := e.store.Keys(ctx, fr.flow, n.id)
	if err != nil {
		return err
	}
	checkpoints, err := e.store.Checkpoints(ctx, fr.flow, n.id)
	if err != nil {
		return err
	}
	c.opened = append(c.opened, n.part)
	return n.open(ctx, &Env{
		Flow: fr.flow, Node: n.id, Log: f.log(n),
		Keys: keys, Checkpoints: checkpoints, Share: &e.share,
	})
}

// bind listens at the address of the new plan, if it is a new one and there is
// something to listen for.
func (c *change) bind() error {
	routed := false
	for _, f := range c.plan.flows {
		for _, n := range f.nodes {
			_, ok := n.impl.(Router)
			routed = routed || ok
		}
	}
	now, want := c.engine.listener, c.plan.server
	if !routed {
		return nil
	}
	if now != nil && now.address == want.Listen && now.https == (want.TLS != nil) {
		return now.configure(want)
	}
	l, err := listen(want, c.engine.log)
	if err != nil {
		return err
	}
	c.listener = l
	c.Listener = now != nil
	return nil
}

// undo gives back what acquire took.
func (c *change) undo() {
	for _, p := range slices.Backward(c.opened) {
		if err := p.close(); err != nil {
			c.engine.log.Warn("closing a node that is not used after all", "type", p.spec.Type, "error", err)
		}
	}
	for _, f := range c.flows {
		f.cancel()
	}
	if c.listener != nil {
		c.listener.server.Close()
	}
}

// swap is what no one can see half of: flows take their new plans, then the
// listener its new routes, then sources end and begin. Nothing in it fails.
func (c *change) swap() {
	e := c.engine
	var retired []*retired
	for _, f := range c.plan.flows {
		running := c.flow(f.name)
		old := running.swap(newLivePlan(f))
		if old != nil {
			retired = append(retired, retire(running, old, running.live))
			continue
		}
		e.flows[f.name] = running
		e.readers.Go(running.read)
	}
	var removed []*flow
	for _, name := range c.FlowsRemoved {
		removed = append(removed, e.flows[name])
		delete(e.flows, name)
	}
	c.route()
	for _, f := range removed {
		retired = append(retired, f.end())
	}
	ended := map[string]*sourceRun{}
	for _, r := range retired {
		for _, n := range r.parts {
			if run := e.running[n.part]; run != nil {
				run.cancel()
				delete(e.running, n.part)
				ended[r.flow.name+"."+n.id] = run
			}
		}
	}
	for _, fr := range c.fresh {
		if fr.node.spec.Kind == SourceKind {
			e.start(c.flow(fr.flow), fr.node, ended[fr.flow+"."+fr.node.id])
		}
	}
	for _, r := range retired {
		e.closing.Go(func() {
			r.close(ended)
			if !slices.Contains(c.plan.names(), r.flow.name) {
				r.flow.cancel()
			}
		})
	}
}

// route puts the routes of all live plans in the place of the old ones.
func (c *change) route() {
	e := c.engine
	table := routesOf(e.list())
	old := e.listener
	if c.listener != nil {
		e.listener = c.listener
	}
	if e.listener != nil {
		e.listener.table.Store(table)
	}
	if old != nil && old != e.listener {
		old.table.Store(table) // for those who still know the old address
		e.closing.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), e.drain)
			defer cancel()
			old.close(ctx)
		})
	}
}

// A retired plan closes the parts that no later plan has, behind its last
// user.
type retired struct {
	flow  *flow
	plan  *livePlan
	parts []*node
}

func retire(f *flow, old, next *livePlan) *retired {
	r := &retired{flow: f, plan: old}
	for _, n := range old.nodes {
		kept := next != nil && slices.ContainsFunc(next.nodes, func(m *node) bool { return m.part == n.part })
		if !kept {
			r.parts = append(r.parts, n)
		}
	}
	return r
}

func (r *retired) close(ended map[string]*sourceRun) {
	for _, n := range r.parts {
		if run := ended[r.flow.name+"."+n.id]; run != nil {
			<-run.done
		}
	}
	r.plan.users.Wait()
	for _, n := range r.parts {
		if err := n.close(); err != nil {
			r.flow.log(n).Warn("closing the node", "error", err)
		}
	}
}

// end takes a flow out of work: what it has not settled stays in its log.
func (f *flow) end() *retired {
	f.stopReading()
	old := f.swap(nil)
	return retire(f, old, nil)
}

// close closes all parts of a flow that has stopped.
func (f *flow) close() {
	r := f.end()
	r.close(nil)
	f.cancel()
}
