package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// attempts counts how often an event was tried at a node, and since when.
type attempts struct {
	n     int
	free  int // of n, that don't count since the destination was down
	first time.Time
}

// attempt has a node work on a batch until every event of it is settled: it
// tries again what may pass and gives up what will not.
func (l *lane) attempt(ctx context.Context, n *node, batch []*Event, work func(context.Context, []*Event) error) error {
	start := time.Now()
	info := BatchInfo{Flow: l.flow.name, Node: n.id, Type: n.spec.Type, In: len(batch)}
	clear(l.tries)
	for began := start; ; began = time.Now() {
		l.outlet.reset()
		err := l.once(ctx, n, batch, work)
		failed, some := asFailures(err)
		switch {
		case err == nil || some: // the others are done
		case isPanic(err) && len(batch) > 1:
			return l.apart(ctx, n, batch, work)
		default:
			l.outlet.reset()
			failed = allFailed(batch, err)
		}
		if l.flow.engine.hooks.Step != nil {
			l.tell(n, batch, failed)
		}
		out := l.take(n)
		info.Out += out
		if err == nil {
			n.spent.Store(0)
			break
		}
		n.failedWith(err)
		if ctx.Err() != nil {
			return l.cutShort(n, eventsOf(failed))
		}
		again, wait := l.sort(n, failed, began, !some, out > 0)
		info.Failed += len(failed) - len(again)
		if len(again) == 0 && len(batch) > 0 {
			break
		}
		if wait > 0 {
			l.flow.log(n).Warn("trying again", "error", err, "events", len(again), "in", wait.Round(time.Millisecond))
		}
		if !l.pause(ctx, n, wait) {
			return l.cutShort(n, again)
		}
		batch = again
		l.late = true // behind those that went on before
	}
	info.Took = time.Since(start)
	l.flow.count(n, info)
	return nil
}

// tell shows an attempt to who wants to see each, before the outlet is taken.
func (l *lane) tell(n *node, batch []*Event, failed Failures) {
	step := Step{Flow: l.flow.name, Node: n.id, In: batch, Failed: failed}
	for i, e := range l.outlet.emitted {
		out := Emitted{Event: e}
		if port := l.outlet.port(i); port < len(n.ports) {
			out.Port = n.ports[port]
		}
		step.Out = append(step.Out, out)
	}
	l.flow.engine.hooks.Step(step)
}

// once is one attempt. A processor has the node's time for the batch, a sink
// has it for each event.
func (l *lane) once(ctx context.Context, n *node, batch []*Event, work func(context.Context, []*Event) error) error {
	if n.timeout > 0 {
		limit := n.timeout
		if n.spec.Kind == SinkKind {
			limit *= time.Duration(len(batch))
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(WithTimeout(ctx, n.timeout), limit)
		defer cancel()
	}
	return contain(func() error { return work(ctx, batch) })
}

type timeoutKey struct{}

// WithTimeout returns a ctx that tells a sink how much time it has for one
// attempt at one event.
func WithTimeout(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, timeoutKey{}, limit)
}

// Timeout returns the time that a sink has for one attempt at one event, as
// the document or the node's type says, or otherwise if neither does.
func Timeout(ctx context.Context, otherwise time.Duration) time.Duration {
	if limit, ok := ctx.Value(timeoutKey{}).(time.Duration); ok {
		return limit
	}
	return otherwise
}

// apart gives a node the events of a batch one by one, to find the one that
// makes it panic.
func (l *lane) apart(ctx context.Context, n *node, batch []*Event, work func(context.Context, []*Event) error) error {
	for i := range batch {
		if err := l.attempt(ctx, n, batch[i:i+1:i+1], work); err != nil {
			return err
		}
	}
	return nil
}

// sort parts what failed into the events to be tried again, after a wait, and
// those that are given up now. Whole is a failure of all of the batch, and
// progress is when some of it went on, so that what was not tried need not
// wait.
func (l *lane) sort(n *node, failed Failures, began time.Time, whole, progress bool) (again []*Event, wait time.Duration) {
	if !progress {
		wait = backoff(n.retry, 1)
	}
	for _, f := range failed {
		if errors.Is(f.Err, ErrNotTried) {
			again = append(again, f.Event)
			continue
		}
		tries, ok := l.tries[f.Event]
		if !ok {
			tries.first = began
		}
		tries.n++
		after, unavailable := IsUnavailable(f.Err)
		// A processor that fails as a whole is not about any one event.
		endless := !n.limited && (unavailable || whole && n.spec.Kind == ProcessorKind)
		if endless {
			tries.free++
		}
		counted := tries.n - tries.free
		if IsPermanent(f.Err) || isPanic(f.Err) || !endless && counted >= n.retry.Attempts && n.spend(progress) {
			l.fail(n, f.Event, f.Err, tries)
			continue
		}
		l.tries[f.Event] = tries
		if endless {
			wait = max(wait, after, backoff(n.retry, tries.free))
		} else {
			wait = max(wait, after, backoff(n.retry, counted))
		}
		again = append(again, f.Event)
	}
	return again, wait
}

// budget is how many events in a row a node may give up after their attempts
// without one that goes on between them. More is a destination that is down,
// whatever it answers: its lane waits for it rather than that the backlog goes
// to the dead letters. A number of attempts that the document sets is kept to.
const budget = 8

// spend takes one from the node's budget, if there is one left.
func (n *node) spend(progress bool) bool {
	if progress {
		n.spent.Store(0)
	}
	return n.limited || n.spec.Kind != SinkKind || n.spent.Add(1) <= budget
}

// backoff is the wait before attempt n+1: first, doubled each time up to max,
// and shortened by up to a quarter at random, so that many don't come at once.
func backoff(r Retry, n int) time.Duration {
	wait := time.Duration(r.First) << min(n-1, 30)
	if wait <= 0 || wait > time.Duration(r.Max) {
		wait = time.Duration(r.Max)
	}
	return wait - time.Duration(rand.Int64N(int64(wait)/4+1))
}

// pause waits, and reports false if the plan or the engine ends first. A wait for
// room in a Holder also ends with the crew, in which nothing makes room then.
func (l *lane) pause(ctx context.Context, n *node, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var stopped <-chan struct{}
	if _, ok := n.impl.(Holder); ok {
		stopped = l.stopped
	}
	select {
	case <-l.plan.work.Done():
		return false
	case <-stopped:
		return false
	case <-l.flow.reading.Done(): // the end: what is not delivered stays in the log
		return false
	case <-ctx.Done():
		return false
	case <-timer.C:
		select {
		case <-l.plan.work.Done():
			return false
		case <-l.flow.reading.Done():
			return false
		default:
			return true
		}
	}
}

// fail gives up e at n.
func (l *lane) fail(n *node, e *Event, err error, tries attempts) {
	l.giveUp(n, e, Failure{
		Message: err.Error(), Node: n.id, Attempts: tries.n, First: tries.first, Last: time.Now(),
	})
	var p *panicked
	if errors.As(err, &p) {
		l.flow.log(n).Error("the node panicked", "panic", p.value, "stack", string(p.stack))
	}
}

// giveUp sends e to the node's error port, else to the dead letters, else
// nowhere, as the document says.
func (l *lane) giveUp(n *node, e *Event, f Failure) {
	if e.ask != nil {
		e.ask.fail(errors.New(f.Message))
	}
	n.lastError.Store(&nodeError{f.Message, f.Last})
	if len(n.onError) > 0 {
		gone := e.failed(f)
		for _, to := range n.onError {
			l.inbox[to] = append(l.inbox[to], gone)
		}
		return
	}
	if n.drop {
		l.flow.log(n).Warn("dropped an event", "id", e.ID, "type", e.Type, "error", f.Message)
		return
	}
	l.bury(e, f)
}

// bury makes e a dead letter, which is stored before the batch is settled.
func (l *lane) bury(e *Event, f Failure) {
	l.dead = append(l.dead, DeadLetter{Flow: l.flow.name, Event: e, Failure: f})
}

func eventsOf(failed Failures) []*Event {
	events := make([]*Event, len(failed))
	for i, f := range failed {
		events[i] = f.Event
	}
	return events
}

func asFailures(err error) (Failures, bool) {
	var f Failures
	ok := errors.As(err, &f)
	return f, ok
}

func (o *Outlet) failures() error {
	if len(o.failed) == 0 {
		return nil
	}
	return o.failed
}

func allFailed(batch []*Event, err error) Failures {
	failed := make(Failures, len(batch))
	for i, e := range batch {
		failed[i] = Failed{e, err}
	}
	return failed
}

func (f Failures) has(e *Event) bool {
	for _, failed := range f {
		if failed.Event == e {
			return true
		}
	}
	return false
}

func isPanic(err error) bool {
	var p *panicked
	return errors.As(err, &p)
}
