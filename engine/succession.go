package engine

import (
	"context"
	"maps"
	"slices"
	"time"
)

// What waits in a queue or in a Holder has been through the nodes before it by an
// older plan. Where a new plan has the same sinks behind it, it goes on by that
// one. Else a sink that has moved to before it would never get what waits, and
// one that has moved to behind it would get that twice. So what a Holder holds
// comes again from the log, and what is in a queue is delivered by the plan it
// came by, as if the queue were gone: another flow reads its log from there on.

// ways are the queues and Holders that are on the ways to each sink, queue and
// Holder of a flow. It is nil for a flow without any.
type ways map[string][]string

func (g *graph) ways() ways {
	if !slices.ContainsFunc(g.nodes, (*node).parts) {
		return nil
	}
	all, to := ways{}, map[*node][]string{}
	for _, n := range g.nodes {
		for _, in := range g.inputs[n] {
			to[n] = append(to[n], to[in.from]...)
			if in.from.parts() && !(in.port == toError && isQueue(in.from.impl)) {
				to[n] = append(to[n], in.from.id)
			}
		}
		slices.Sort(to[n])
		to[n] = slices.Compact(to[n])
		if n.parts() || n.part != nil && n.spec.Kind == SinkKind {
			all[n.id] = to[n]
		}
	}
	return all
}

// parts reports whether n parts a flow: events wait in it.
func (n *node) parts() bool {
	if n.part == nil {
		return false
	}
	return n.holds() || isQueue(n.impl)
}

func (n *node) holds() bool {
	_, ok := n.impl.(Holder)
	return ok
}

// loses reports whether something that is behind a queue or Holder in w is
// elsewhere in next.
func (w ways) loses(next ways, part string) bool {
	for id, way := range w {
		if now, there := next[id]; there && slices.Contains(way, part) && !slices.Contains(now, part) {
			return true
		}
	}
	return false
}

// inherits reports whether what waits in the log of f may go on by p: the same
// is behind the queue, and what came into another after it does not wait for it.
func (f *flow) inherits(p *flowPlan) bool {
	if !p.queue {
		return true
	}
	was := f.live.parted
	return !was.loses(p.parted, queueOf(p)) && !p.parted.loses(was, queueOf(p)) && !f.awaited()
}

// awaited reports whether what is behind a queue waits for f to end. The caller
// holds the engine's mu.
func (f *flow) awaited() bool {
	return f.draining && slices.ContainsFunc(f.engine.list(), func(g *flow) bool {
		return g.live.queue && !g.live.begun.Load() && slices.ContainsFunc(g.live.after, func(t turn) bool { return t.of == f })
	})
}

// queueOf is the id of the queue that p is behind.
func queueOf(p *flowPlan) string { return p.nodes[0].id }

// A succession is what two flows that read one log agree on.
type succession struct {
	before *flow         // delivers what came in by the plan before; guarded by the engine
	opens  chan struct{} // closed when what comes in is no longer of the flow before; nil without one
	sealed chan struct{} // closed when nothing more comes in that is of this flow
	last   Offset        // of those that are of this flow, once it is sealed
	ended  chan struct{} // closed when this flow is done with the log
}

// wait waits until what comes in is of this flow.
func (s *succession) wait(ctx context.Context) error {
	if s.opens == nil {
		return nil
	}
	select {
	case <-s.opens:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// succeed returns a flow that reads the log of f behind it. It runs nothing
// yet.
func (f *flow) succeed(p *flowPlan) *flow {
	next := f.engine.newFlow(p, f.store, f.cursor)
	next.succession.opens = f.succession.sealed
	f.mu.Lock()
	next.probes = maps.Clone(f.probes)
	f.mu.Unlock()
	return next
}

// seal ends what is of f, if another flow is to read its log and all who write
// to it by older plans are done. The caller holds the engine's mu.
func (f *flow) seal() {
	if f.engine.flows[f.reads] == f || f.sealedAt() != noRest || f.writers.Load() > 0 || f.puts.Load() > 0 {
		return
	}
	f.succession.last = f.store.End()
	close(f.succession.sealed)
}

// sealedAt is the last offset that is of f; noRest as long as there is none.
func (f *flow) sealedAt() Offset {
	select {
	case <-f.succession.sealed:
		return f.succession.last
	default:
		return noRest
	}
}

// own returns how many of a batch that was read are of f.
func (f *flow) own(batch []*Event) int {
	last := f.sealedAt()
	for i, e := range batch {
		if e.Offset > last {
			return i
		}
	}
	return len(batch)
}

// A turn is what must be done before a plan begins.
type turn struct {
	of   *flow
	done <-chan struct{}
}

// turns are what comes before p: those who drain the log that it reads, or
// deliver to the same sinks, have to end; a log that it writes to must be
// sealed.
func (c *change) turns(p *flowPlan) (all []turn) {
	for _, d := range c.draining[p.name] {
		switch {
		case d.reads == p.log || d.live.shares(p):
			all = append(all, turn{d, d.succession.ended})
		case p.writes(d.reads):
			all = append(all, turn{d, d.succession.sealed})
		}
	}
	return all
}

// shares reports whether a sink of f is in g as it is.
func (f *flowPlan) shares(g *flowPlan) bool {
	return slices.ContainsFunc(f.nodes, func(n *node) bool {
		return n.spec.Kind == SinkKind && slices.ContainsFunc(g.nodes, func(m *node) bool { return m.id == n.id && m.part.same(n.part) })
	})
}

// writes reports whether f has the queue of a log.
func (f *flowPlan) writes(log string) bool {
	return slices.ContainsFunc(f.nodes, func(n *node) bool { return isQueue(n.impl) && f.logBehind(n) == log })
}

// await waits for the turn of p, and reports false if p is retired or the
// reading ends before.
func (f *flow) await(p *livePlan) bool {
	for _, t := range p.after {
		if !f.awaitTurn(p, t) {
			return false
		}
	}
	p.begun.Store(true)
	return true
}

func (f *flow) awaitTurn(p *livePlan, t turn) bool {
	slow := time.NewTimer(time.Second)
	defer slow.Stop()
	for {
		select {
		case <-t.done:
			return true
		case <-p.work.Done():
			return false
		case <-f.reading.Done():
			return false
		case <-slow.C:
			f.engine.log.Info("what is in a queue that the reload has changed is delivered first",
				"flow", f.reads, "queue", t.of.reads, "events", t.of.waiting())
		}
	}
}
