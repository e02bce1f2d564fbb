package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return Changes{}, errors.New("the engine has stopped")
	}
	p, diags := planDocument(doc, e.registry, e.plans())
	if err := diags.Err(); err != nil {
		return Changes{}, err
	}
	if e.address != "" {
		p.server.Listen = e.address
	}
	c := &change{engine: e, plan: p, flows: map[string]*flow{}, draining: map[string][]*flow{}}
	c.diff()
	if err := c.acquire(ctx); err != nil {
		c.undo()
		return Changes{}, err
	}
	c.swap()
	e.tend()
	e.warnOfOrphans()
	return c.Changes, nil
}

// A change is an Apply on its way.
type change struct {
	Changes
	engine   *Engine
	plan     *plan
	added    []*flowPlan        // whose logs nothing reads yet
	removed  []*flow            // whose logs the plan does not read
	replaced []*flow            // whose logs the plan does not read on, but behind them
	draining map[string][]*flow // by name: those that still deliver what came by older plans
	fresh    []fresh            // nodes to be opened
	opened   []*part            // in order
	flows    map[string]*flow   // that are new, by log
	listener *listener          // for the routes of the plan; nil if it has none
	manner   *manner            // that the listener takes on
}

// A fresh is a node whose part is new.
type fresh struct {
	plan   *flowPlan
	node   *node
	before *part // of its id, or nil
}

// diff gives nodes the parts they had, and lists what is new.
func (c *change) diff() {
	for _, f := range c.plan.flows {
		running := c.engine.flows[f.log]
		if running.works(f) {
			c.keep(f)
			continue
		}
		anew := running != nil && !running.inherits(f)
		switch {
		case running == nil:
			c.added = append(c.added, f)
			if !f.queue {
				c.FlowsAdded = append(c.FlowsAdded, f.name)
			}
		case anew:
			c.replaced = append(c.replaced, running)
			c.flows[f.log] = running.succeed(f)
		}
		c.diffNodes(f, running, anew)
	}
	logs := c.plan.logs()
	for _, f := range c.engine.list() {
		if !slices.Contains(logs, f.reads) && !f.draining {
			c.removed = append(c.removed, f)
			if !f.live.queue {
				c.FlowsRemoved = append(c.FlowsRemoved, f.name)
			}
		}
	}
	slices.Sort(c.Gone)
}

// keep lists the nodes of a flow that goes on as it is.
func (c *change) keep(f *flowPlan) {
	for _, n := range f.nodes {
		if !isEntry(n) {
			c.Kept = append(c.Kept, f.name+"."+n.id)
		}
	}
}

// diffNodes gives the nodes of f the parts they had in the flow that runs, if
// there is one, unless all are made anew.
func (c *change) diffNodes(f *flowPlan, running *flow, anew bool) {
	var before map[string]*node
	if running != nil {
		before = nodesByID(running.live.flowPlan)
	}
	for _, n := range f.nodes {
		name := f.name + "." + n.id
		old := before[n.id]
		delete(before, n.id)
		if isEntry(n) {
			if old != nil && !anew {
				n.part = old.part
			} else {
				c.fresh = append(c.fresh, fresh{plan: f, node: n})
			}
			continue
		}
		switch {
		case old == nil:
			c.Added = append(c.Added, name)
			c.fresh = append(c.fresh, fresh{plan: f, node: n})
		case anew || !n.part.same(old.part) || !maps.Equal(n.files, old.files) || running.draining && n.spec.Kind == SourceKind: // whose source has ended
			c.Changed = append(c.Changed, name)
			c.fresh = append(c.fresh, fresh{f, n, old.part})
		default:
			n.part = old.part
			if sameWiring(f, n, running.live.flowPlan, old) {
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

func nodesByID(f *flowPlan) map[string]*node {
	byID := make(map[string]*node, len(f.nodes))
	for _, n := range f.nodes {
		byID[n.id] = n
	}
	return byID
}

// sameWiring reports whether all but a node's own configuration is the same.
func sameWiring(f *flowPlan, n *node, g *flowPlan, m *node) bool {
	return n.manner == m.manner && slices.Equal(f.targets(n), g.targets(m)) && f.lanes == g.lanes
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
	for _, p := range c.added {
		f, err := c.engine.openFlow(ctx, p)
		if err != nil {
			return fmt.Errorf("opening the log of flow %q: %w", p.log, err)
		}
		c.flows[p.log] = f
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

// flow returns the flow that reads a log.
func (c *change) flow(log string) *flow {
	if f := c.flows[log]; f != nil {
		return f
	}
	return c.engine.flows[log]
}

func (c *change) open(ctx context.Context, fr fresh) error {
	e, n := c.engine, fr.node
	f := c.flow(fr.plan.log)
	n.probe = f.probe(n.id)
	keys, err := e.store.Keys(ctx, fr.plan.log, n.id) // whose offsets own them
	if err != nil {
		return err
	}
	checkpoints, err := e.store.Checkpoints(ctx, fr.plan.name, n.id)
	if err != nil {
		return err
	}
	env := &Env{
		Flow: fr.plan.name, Node: n.id, Log: f.log(n),
		Keys: keys, Checkpoints: checkpoints, Share: &e.share,
		Topic: e.topic(n),
	}
	if isQueue(n.impl) {
		env.queue = c.flow(fr.plan.logBehind(n)).store
	}
	c.opened = append(c.opened, n.part)
	return n.open(ctx, env)
}

// bind listens at the address of the new plan, if it is a new one and there is
// something to listen for.
func (c *change) bind() error {
	if !c.plan.routed() {
		return nil
	}
	now, want := c.engine.listener, c.plan.server
	m, err := want.manner()
	if err != nil {
		return err
	}
	if now != nil && (now.address == want.Listen || now.bound == want.Listen) {
		c.Listener = !m.same(now.manner.Load())
		c.listener, c.manner = now, m
		return nil
	}
	l, err := listen(want.Listen, now, c.engine.log)
	if err != nil {
		return err
	}
	c.Listener = now != nil
	c.listener, c.manner = l, m
	return nil
}

// routed reports whether any source of the plan takes requests.
func (p *plan) routed() bool {
	for _, f := range p.flows {
		for _, n := range f.nodes {
			if router, ok := n.impl.(Router); ok && len(router.Routes(nil)) > 0 {
				return true
			}
		}
	}
	return false
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
	if c.listener != nil && c.listener != c.engine.listener {
		c.listener.release()
	}
}

// swap is what no one can see half of: flows take their new plans, then the
// listener its new routes, then sources end and begin. Nothing in it fails.
func (c *change) swap() {
	e := c.engine
	e.view.Lock()
	defer e.view.Unlock()
	drained := c.drain()
	var retired []*retired
	for _, p := range c.plan.flows {
		f := c.flow(p.log)
		if f.works(p) {
			continue
		}
		p.forget()
		next := newLivePlan(p)
		next.feeds = c.feeds(p)
		next.remember(f.live)
		next.after = c.turns(p)
		next.begun.Store(len(next.after) == 0)
		if old := f.swap(next); old != nil {
			retired = append(retired, retire(f, old, f.live))
			continue
		}
		e.flows[p.log] = f
		e.readers.Go(f.read)
	}
	c.route()
	for _, r := range retired {
		e.end(r.parts)
	}
	for _, f := range c.removed {
		e.end(f.live.nodes)
	}
	for _, fr := range c.fresh {
		if fr.node.spec.Kind == SourceKind {
			e.start(c.flow(fr.plan.log), fr.node, fr.before)
		}
	}
	for _, r := range retired {
		e.closing.Go(r.close)
	}
	for _, f := range drained {
		e.closing.Go(func() { e.drainFlow(f) })
	}
}

// drain has flows drain, and returns those that did not before. Those that come
// back while they do drain no more.
func (c *change) drain() (begin []*flow) {
	for _, p := range c.plan.flows {
		f := c.flow(p.log)
		f.draining = false
		f.shut.Store(false)
	}
	for _, f := range slices.Concat(c.removed, c.replaced) {
		if !f.draining {
			f.draining = true
			begin = append(begin, f)
		}
	}
	for _, f := range c.replaced {
		c.flows[f.reads].succession.before = f
	}
	for _, f := range c.engine.list() {
		if f.draining {
			c.draining[f.name] = append(c.draining[f.name], f)
		}
	}
	return begin
}

// feeds are the flows behind the queues of p, which counts as a writer to them
// until it has been retired and its last user has left.
func (c *change) feeds(p *flowPlan) (behind []*flow) {
	for _, n := range p.nodes {
		if isQueue(n.impl) {
			f := c.flow(p.logBehind(n))
			f.writers.Add(1)
			behind = append(behind, f)
		}
	}
	return behind
}

// end cancels the sources among nodes.
func (e *Engine) end(nodes []*node) {
	for _, n := range nodes {
		if run := e.running[n.part]; run != nil {
			run.cancel()
			delete(e.running, n.part)
		}
	}
}

// drainFlow lets a flow that is no longer in the document deliver what it has
// taken, and what plans before it still write to it, and ends it then; unless
// the document has it again by that time.
func (e *Engine) drainFlow(f *flow) {
	for {
		e.mu.Lock()
		if !f.draining || !slices.Contains(e.list(), f) { // the engine that stops closes it
			e.mu.Unlock()
			return
		}
		f.seal()
		if f.idle() {
			f.shut.Store(true)
			if f.idle() { // nothing has come in just before
				break
			}
		}
		e.mu.Unlock()
		select {
		case <-f.progress:
		case <-time.After(20 * time.Millisecond):
		case <-f.reading.Done():
			return
		}
	}
	f.seal() // the last who wrote to it may have left since
	e.view.Lock()
	e.unlist(f)
	r := f.end()
	e.view.Unlock()
	e.tend()
	e.mu.Unlock()
	r.close()
	f.cancel()
	close(f.succession.ended)
}

// idle reports whether nothing is in the flow, or before it in its log, or on
// its way into it.
func (f *flow) idle() bool {
	return f.succession.before == nil && f.puts.Load() == 0 && f.writers.Load() == 0 && f.settled()
}

// unlist takes a flow out of those that run. The caller holds mu and view.
func (e *Engine) unlist(f *flow) {
	next := e.flows[f.reads]
	if next == f {
		delete(e.flows, f.reads)
		return
	}
	for next.succession.before != f {
		next = next.succession.before
	}
	next.succession.before = nil
}

// route puts the routes of all live plans in the place of the old ones. An
// address that nothing is to arrive at any more is given up at once, for what
// comes next may want it.
func (c *change) route() {
	e := c.engine
	table := routesOf(e.list())
	old, next := e.listener, c.listener
	if next != nil {
		next.table.Store(table)
		next.manner.Store(c.manner)
	}
	if next == old {
		return
	}
	e.listener = next
	if next != nil {
		go next.serve(e.log)
	}
	if old == nil {
		return
	}
	old.table.Store(table) // for those who still know the old address
	if next != nil && next.beside {
		old.closing.Store(true)
	} else {
		old.stop()
	}
	e.closing.Go(func() {
		select {
		case <-time.After(handover):
		case <-e.ctx.Done():
		}
		ctx, cancel := context.WithTimeout(context.Background(), e.drain)
		defer cancel()
		old.close(ctx, func() {})
	})
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

func (r *retired) close() {
	for _, n := range r.parts {
		if n.run != nil {
			select {
			case <-n.run.done:
			case <-r.flow.engine.ctx.Done(): // it has had its time
			}
		}
	}
	r.plan.users.Wait()
	for _, behind := range r.plan.feeds {
		behind.writers.Add(-1)
		behind.tell()
	}
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
