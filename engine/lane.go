package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A lane walks batches through the nodes of a plan. It belongs to one
// goroutine; its buffers are used again from batch to batch.
type lane struct {
	flow   *flow
	plan   *livePlan
	inbox  [][]*Event // by node: what waits before it
	outlet Outlet
	run    []*Event // the part of an inbox that a node is given
	dead   []DeadLetter
	rest   Offset              // of the first event not settled, when a walk is cut short
	tries  map[*Event]attempts // at the node in hand
	late   bool                // what waits before a node may be out of its order
	source *node               // of the event that came in last
	held   []*Event            // of a walk beside the log: At is the node that would hold it
	cut    []*Event            // of one that is cut short: At is the node that is not done with it

	stopped <-chan struct{} // closed when its crew stops; nil without a crew
}

func newLane(f *flow) *lane { return &lane{flow: f, tries: map[*Event]attempts{}} }

// errAbandoned is the end of a walk that another plan, or the end of the
// engine, has cut short: nothing of the batch is settled.
var errAbandoned = errors.New("the batch was given up, to be taken again")

// walk takes a batch, in the order of the log, through the plan. When it
// returns nil every event of it is settled: delivered, dropped, held, or a
// dead letter. When it is cut short, those before rest are.
func (l *lane) walk(ctx context.Context, p *livePlan, batch []*Event) error {
	l.prepare(p)
	for _, e := range batch {
		l.enter(e)
	}
	return l.drain(ctx)
}

// due walks what has become due in a Holder. After an error nothing is known
// of what became of it: all that is not committed must come again.
func (l *lane) due(ctx context.Context, p *livePlan, n *node) error {
	l.prepare(p)
	l.outlet.reset()
	start := time.Now()
	err := l.once(ctx, n, nil, func(ctx context.Context, _ []*Event) error {
		return n.impl.(Holder).Due(ctx, &l.outlet)
	})
	if err != nil {
		n.failedWith(err)
		return fmt.Errorf("what is due in %s: %w", n, err)
	}
	failed := l.outlet.failed
	for _, f := range failed {
		n.failedWith(f.Err)
		l.fail(n, f.Event, f.Err, attempts{n: 1, first: start})
	}
	info := BatchInfo{
		Flow: l.flow.name, Node: n.id, Type: n.spec.Type, Out: len(l.outlet.emitted), Failed: len(failed),
	}
	if info.Out+info.Failed == 0 {
		return nil
	}
	if l.flow.engine.hooks.Step != nil {
		l.tell(n, nil, failed)
	}
	l.take(n)
	info.Took = time.Since(start)
	l.flow.count(n, info)
	return l.drain(ctx)
}

func (l *lane) prepare(p *livePlan) {
	l.plan, l.source = p, nil
	for len(l.inbox) < len(p.nodes) {
		l.inbox = append(l.inbox, nil)
	}
	for i := range l.inbox {
		l.inbox[i] = l.inbox[i][:0]
	}
	l.dead = l.dead[:0]
	l.rest = noRest
	l.late = false
	l.held, l.cut = nil, nil
}

// noRest is the rest of a walk that is not cut short.
const noRest = ^Offset(0)

// enter puts an event before the nodes that its source leads to, or before the
// one that it is to be tried at again.
func (l *lane) enter(e *Event) {
	if e.At != "" {
		l.again(e)
		return
	}
	source := l.source
	if source == nil || source.id != e.Node {
		source = l.plan.sources[e.Node]
		l.source = source
	}
	if source == nil && len(l.plan.sources) == 1 { // it has another id now, or a queue before it
		for _, source = range l.plan.sources {
		}
	}
	switch {
	case source == nil && l.enterBehind(e):
	case source == nil:
		l.bury(e, Failure{Message: fmt.Sprintf("its source %q is no longer in the flow", e.Node), Node: e.Node, Last: time.Now()})
	case e.Failure != nil && e.Failure.Node == "": // the source could not read it
		f := *e.Failure
		f.Node = source.id
		l.giveUp(source, e, f)
	default:
		l.emit(source, 0, e)
	}
}

// enterBehind puts an event before the nodes that its source led to when there
// was one, and reports whether any of them is left.
func (l *lane) enterBehind(e *Event) bool {
	found := false
	for i, n := range l.plan.nodes {
		if n.spec.Kind != SourceKind && slices.Contains(l.plan.gone[e.Node], n.id) {
			l.inbox[i] = append(l.inbox[i], e)
			l.late, found = true, true
		}
	}
	return found
}

// emit puts e before the nodes that a port leads to.
func (l *lane) emit(n *node, port int, e *Event) {
	if port >= len(n.out) {
		return
	}
	for _, to := range n.out[port] {
		l.inbox[to] = append(l.inbox[to], e)
	}
}

// drain works through the inboxes in topological order. Where a node's work is
// cut short, the events before the first that it has not settled still go the
// rest of their way, so that they need not come again.
func (l *lane) drain(ctx context.Context) error {
	for i, n := range l.plan.nodes {
		in := l.inbox[i]
		if (n.merges || l.late) && !slices.IsSortedFunc(in, byOffset) {
			slices.SortStableFunc(in, byOffset)
		}
		if l.rest != noRest {
			in = slices.DeleteFunc(in, func(e *Event) bool { return e.Offset >= l.rest })
		}
		if len(in) == 0 {
			continue
		}
		if err := l.visit(ctx, n, in); err != nil && !errors.Is(err, errAbandoned) {
			return err
		}
	}
	if l.rest != noRest {
		l.dead = slices.DeleteFunc(l.dead, func(d DeadLetter) bool { return d.Event.Offset >= l.rest })
	}
	if err := l.flow.bury(ctx, l.dead); err != nil {
		l.rest = 0
		return err
	}
	if l.rest != noRest {
		return errAbandoned
	}
	return nil
}

// cutShort ends a walk before the events that are not settled at n. A walk
// beside the log goes on without them.
func (l *lane) cutShort(n *node, unsettled []*Event) error {
	if len(unsettled) > 0 && !unsettled[0].Offset.Logged() {
		l.cut = appendAt(l.cut, n.id, unsettled)
		return nil
	}
	for _, e := range unsettled {
		l.rest = min(l.rest, e.Offset)
	}
	if len(unsettled) == 0 { // it can't be told which
		l.rest = 0
	}
	return errAbandoned
}

// appendAt appends copies of a batch that enter a flow at a node.
func appendAt(to []*Event, at string, batch []*Event) []*Event {
	for _, e := range batch {
		c := e.Copy()
		c.At = at
		to = append(to, c)
	}
	return to
}

func byOffset(a, b *Event) int { return cmp.Compare(a.Offset, b.Offset) }

// visit gives a node what waits before it. Events that its condition is not
// true for pass by, in their place in the order.
func (l *lane) visit(ctx context.Context, n *node, in []*Event) error {
	if n.when == nil {
		return l.work(ctx, n, in)
	}
	l.run = l.run[:0]
	for _, e := range in {
		ok, err := n.when(e)
		if err == nil && ok {
			l.run = append(l.run, e)
			continue
		}
		if err := l.work(ctx, n, l.run); err != nil {
			return err
		}
		l.run = l.run[:0]
		if err != nil {
			l.fail(n, e, err, attempts{n: 1, first: time.Now()})
		} else {
			l.emit(n, 0, e) // passes by, untouched
		}
	}
	return l.work(ctx, n, l.run)
}

// work has a node handle a batch.
func (l *lane) work(ctx context.Context, n *node, batch []*Event) error {
	if len(batch) == 0 {
		return nil
	}
	if !batch[0].Offset.Logged() && (n.holds() || isQueue(n.impl) && !l.plan.begun.Load()) {
		l.held = appendAt(l.held, n.id, batch)
		return nil
	}
	switch impl := n.impl.(type) {
	case Processor:
		return l.attempt(ctx, n, batch, func(ctx context.Context, batch []*Event) error {
			if err := impl.Process(ctx, batch, &l.outlet); err != nil {
				return err
			}
			return l.outlet.failures()
		})
	case Relay:
		return l.attempt(ctx, n, batch, func(ctx context.Context, batch []*Event) error {
			return impl.WriteOut(ctx, batch, &l.outlet)
		})
	case Sink:
		return l.attempt(ctx, n, batch, func(ctx context.Context, batch []*Event) error {
			err := impl.Write(ctx, batch)
			l.deliver(batch, err)
			return err
		})
	}
	return fmt.Errorf("%s is of no kind", n)
}

// deliver emits what a sink has delivered of a batch.
func (l *lane) deliver(batch []*Event, err error) {
	failed, some := asFailures(err)
	if err != nil && !some {
		return
	}
	if err == nil {
		l.outlet.emitted = append(l.outlet.emitted, batch...)
		return
	}
	for _, e := range batch {
		if !failed.has(e) {
			l.outlet.Emit(e)
		}
	}
}

// take moves what the node emitted on to the nodes behind it.
func (l *lane) take(n *node) int {
	out := &l.outlet
	count := len(out.emitted)
	if n.taps.Load() != nil {
		n.show(out.emitted)
	}
	if len(out.ports) > 0 {
		for i, e := range out.emitted {
			l.emit(n, out.ports[i], e)
		}
	} else if len(n.out) > 0 && count > 0 {
		l.pass(n.out[0])
	}
	out.reset()
	return count
}

// pass moves all that was emitted before the nodes of a port. The last of them
// gets the slice itself, if nothing waits before it.
func (l *lane) pass(to []int) {
	for i, at := range to {
		if i == len(to)-1 && len(l.inbox[at]) == 0 {
			l.inbox[at], l.outlet.emitted = l.outlet.emitted, l.inbox[at]
			return
		}
		l.inbox[at] = append(l.inbox[at], l.outlet.emitted...)
	}
}
