package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowd/flowd/flows"
)

// A FlowStatus is how a flow is doing.
type FlowStatus struct {
	Name     string
	Lanes    int
	Paused   bool
	Draining bool           // it is no longer in the document, and delivers what it has taken
	Cursors  []CursorStatus // of its log, then of those of its queues
	Trouble  error          // why a log of it can't be read, or nil

	LastError   string // of its nodes, or empty
	LastErrorAt time.Time
}

// A CursorStatus is how far a flow has come in a log. What lies between
// Committed and End is still to be settled.
type CursorStatus struct {
	Log            string // FLOW, or FLOW.QUEUE
	Committed, End Offset
}

// Lag counts the events still to be settled.
func (c CursorStatus) Lag() uint64 { return uint64(c.End - min(c.Committed, c.End)) }

// Lag counts the events of all logs of a flow that are still to be settled.
func (s FlowStatus) Lag() uint64 {
	var lag uint64
	for _, c := range s.Cursors {
		lag += c.Lag()
	}
	return lag
}

// Flows lists the flows that run, by name.
func (e *Engine) Flows() []FlowStatus {
	e.view.RLock()
	defer e.view.RUnlock()
	var all []FlowStatus
	for _, f := range e.list() { // a flow comes before its queues
		if n := len(all); n == 0 || all[n-1].Name != f.name {
			all = append(all, FlowStatus{Name: f.name, Lanes: f.live.lanes, Paused: f.gate.shut(), Draining: f.draining})
		}
		s := &all[len(all)-1]
		if e.flows[f.reads] == f {
			s.Cursors = append(s.Cursors, CursorStatus{f.reads, f.cursor.Committed(), f.store.End()})
		}
		if err := f.trouble.Load(); err != nil && s.Trouble == nil {
			s.Trouble = *err
		}
		for _, n := range f.live.nodes {
			if last := n.lastError.Load(); last != nil && last.at.After(s.LastErrorAt) {
				s.LastError, s.LastErrorAt = last.message, last.at
			}
		}
	}
	return all
}

// Store returns the store that the engine was given.
func (e *Engine) Store() Store { return e.store }

// A HealthyStore is a [Store] that knows whether it can be written. Health is
// nil when it can.
type HealthyStore interface {
	Store
	Health() error
}

// A MeasuredStore is a [Store] that has figures of itself to show.
type MeasuredStore interface {
	Store
	Measure() StoreFigures
}

// StoreFigures are the figures of a store since it was opened.
type StoreFigures struct {
	Size, Limit int64 // bytes it takes, and may take
	Keys        int   // dedupe keys it remembers
	DeadLetters int
	Lost        uint64        // events that were stored and can't be read any more
	Written     int64         // bytes
	Syncs       int64         // times it waited for the disk
	SyncTime    time.Duration // of all of them
}

// ErrNoFlow is returned, wrapped, for a flow that does not run.
var ErrNoFlow = errors.New("no such flow runs")

// Pause stops a flow between two batches: what is in hand is settled, and
// nothing more is begun until [Engine.Resume]. Its sources go on: what they put
// in waits in the log, and requests that wait for an answer are refused. A
// paused flow is still paused after a reload, though not after a restart.
func (e *Engine) Pause(flow string) error { return e.gate(flow, (*gate).close) }

// Resume lets a flow go on. One that is not paused stays as it is.
func (e *Engine) Resume(flow string) error { return e.gate(flow, (*gate).open) }

func (e *Engine) gate(flow string, turn func(*gate)) error {
	e.view.RLock()
	defer e.view.RUnlock()
	for _, f := range e.flows {
		if f.name == flow {
			turn(f.gate)
			return nil
		}
	}
	return fmt.Errorf("flow %q: %w", flow, ErrNoFlow)
}

// gates are those of all flows by name. They outlive the flows.
type gates struct {
	mu     sync.Mutex
	byFlow map[string]*gate
}

func (g *gates) of(flow string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byFlow[flow] == nil {
		if g.byFlow == nil {
			g.byFlow = map[string]*gate{}
		}
		g.byFlow[flow] = &gate{}
	}
	return g.byFlow[flow]
}

// A gate is where lanes wait before a batch while their flow is paused.
type gate struct {
	opens atomic.Pointer[chan struct{}] // nil while the gate is open
}

func (g *gate) shut() bool { return g.opens.Load() != nil }

func (g *gate) close() {
	opens := make(chan struct{})
	g.opens.CompareAndSwap(nil, &opens)
}

func (g *gate) open() {
	if opens := g.opens.Swap(nil); opens != nil {
		close(*opens)
	}
}

// wait returns nil once the gate is open, and errAbandoned if the plan is
// retired or the reading ends before.
func (g *gate) wait(retired <-chan struct{}, reading context.Context) error {
	for {
		opens := g.opens.Load()
		if opens == nil {
			return nil
		}
		select {
		case <-*opens:
		case <-retired:
			return errAbandoned
		case <-reading.Done():
			return errAbandoned
		}
	}
}

var errPaused = fmt.Errorf("%w: the flow is paused", ErrNotStored)

// Retry puts dead letters in again, each at the node that gave its event up, as
// the event was there, and removes them once that is safe. It takes the letters
// for which which is true, and returns how many it has put in; an error tells
// of those it left. When ctx ends first, the rest goes on.
//
// With a store that forgets, an event is safe when it has been through the
// flow, so Retry waits for that.
func (e *Engine) Retry(ctx context.Context, which func(DeadLetter) bool) (int, error) {
	letters, err := e.retries.take(ctx, e.store.DeadLetters(), which)
	if err != nil || len(letters) == 0 {
		return 0, err
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	e.mu.Lock()
	stopped := e.stopped
	if !stopped {
		e.closing.Go(func() {
			n, err := putBack(e.ctx, e.store.DeadLetters(), letters, e.placeOf)
			e.retries.giveBack(letters) // before the answer, so that who asks again is not told there is none
			done <- result{n, err}
		})
	}
	e.mu.Unlock()
	if stopped {
		e.retries.giveBack(letters)
		return 0, errStopped
	}
	select {
	case r := <-done:
		return r.n, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// placeOf returns what appends to the log whose reader has the node that gave a
// letter up.
func (e *Engine) placeOf(_ context.Context, d DeadLetter) (appendFunc, error) {
	e.view.RLock()
	defer e.view.RUnlock()
	for _, f := range e.list() {
		if f.name == d.Flow && !f.draining && f.live.takes(d) {
			return f.put, nil
		}
	}
	return nil, errNoPlace(d)
}

// RetryStored is [Engine.Retry] in a store that no engine uses: the engine that
// runs the flows of doc next finds the events in their logs.
func RetryStored(ctx context.Context, s Store, doc *flows.Document, reg *Registry, which func(DeadLetter) bool) (int, error) {
	p, diags := planDocument(doc, reg, nil)
	if err := diags.Err(); err != nil {
		return 0, err
	}
	letters, err := (&retries{}).take(ctx, s.DeadLetters(), which)
	if err != nil {
		return 0, err
	}
	return putBack(ctx, s.DeadLetters(), letters, func(ctx context.Context, d DeadLetter) (appendFunc, error) {
		for _, f := range p.flows {
			if f.name != d.Flow || !f.takes(d) {
				continue
			}
			log, err := f.open(ctx, s)
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context, batch ...*Event) error { return log.Append(ctx, batch) }, nil
		}
		return nil, errNoPlace(d)
	})
}

type appendFunc func(ctx context.Context, batch ...*Event) error

func errNoPlace(d DeadLetter) error {
	return fmt.Errorf("flow %q has no node %q now: what it gave up is left", d.Flow, d.Failure.Node)
}

// takes reports whether the letter's event is to enter here: before the node
// that gave it up, or, if that was its source, at the source.
func (f *flowPlan) takes(d DeadLetter) bool {
	if atSource(d) {
		return !f.queue
	}
	for _, n := range f.nodes {
		if n.id == d.Failure.Node && n.spec.Kind != SourceKind {
			return true
		}
	}
	return false
}

func atSource(d DeadLetter) bool { return d.Failure.Node == d.Event.Node }

// putBack appends the events of letters, as many at a time as go to the same
// node, and removes those letters behind it. It goes on with the others after
// an error.
func putBack(ctx context.Context, dead DeadLetters, letters []DeadLetter, place func(context.Context, DeadLetter) (appendFunc, error)) (n int, err error) {
	var errs []error
	for len(letters) > 0 {
		run := 1
		for run < len(letters) && run < batchSize && letters[run].Flow == letters[0].Flow &&
			letters[run].Failure.Node == letters[0].Failure.Node && atSource(letters[run]) == atSource(letters[0]) {
			run++
		}
		if err := putBackAt(ctx, dead, letters[:run], place); err == nil {
			n += run
		} else if len(errs) == 0 || errs[len(errs)-1].Error() != err.Error() {
			errs = append(errs, err)
		}
		letters = letters[run:]
	}
	return n, errors.Join(errs...)
}

func putBackAt(ctx context.Context, dead DeadLetters, letters []DeadLetter, place func(context.Context, DeadLetter) (appendFunc, error)) error {
	put, err := place(ctx, letters[0])
	if err != nil {
		return err
	}
	var events []*Event
	var ids []string
	for _, d := range letters {
		e := d.Event.Copy()
		e.Offset, e.ask = 0, nil
		if !atSource(d) {
			e.At = d.Failure.Node
		}
		events = append(events, e)
		ids = append(ids, d.ID)
	}
	if err := put(ctx, events...); err != nil {
		return fmt.Errorf("putting events in again at %s.%s: %w", letters[0].Flow, letters[0].Failure.Node, err)
	}
	return dead.Remove(ctx, ids...)
}

// retries are the letters that are being tried again, so that none is twice at
// a time.
type retries struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (r *retries) take(ctx context.Context, dead DeadLetters, which func(DeadLetter) bool) ([]DeadLetter, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := dead.List(ctx)
	if err != nil {
		return nil, err
	}
	var taken []DeadLetter
	for _, d := range all {
		if r.ids[d.ID] || !which(d) {
			continue
		}
		if r.ids == nil {
			r.ids = map[string]bool{}
		}
		r.ids[d.ID] = true
		taken = append(taken, d)
	}
	return taken, nil
}

func (r *retries) giveBack(letters []DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range letters {
		delete(r.ids, d.ID)
	}
}

// again puts an event before the node that it is to go on from: one that gave
// it up, or did not come to an end with it.
func (l *lane) again(e *Event) {
	c := e.Copy()
	c.At = ""
	for i, n := range l.plan.nodes {
		if n.id == e.At && n.spec.Kind != SourceKind {
			l.inbox[i] = append(l.inbox[i], c)
			l.late = true
			return
		}
	}
	l.bury(c, Failure{Message: fmt.Sprintf("the node %q it was to go on from is no longer there", e.At), Node: e.At, Last: time.Now()})
}
