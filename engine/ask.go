package engine

import (
	"context"
	"fmt"
	"sync"
)

// An ask is a request that waits for its answer while its event is on its way.
// The copies of the event share it.
type ask struct {
	mu       sync.Mutex
	answered bool
	reason   error         // why its event was given up, or nil
	done     chan struct{} // closed when answer or err is final
	answer   Answer
	err      error
}

func newAsk() *ask { return &ask{done: make(chan struct{})} }

// Answer answers the request that brought e, and reports whether one was
// waiting: no request, or one that is answered already, is not.
func (e *Event) Answer(a Answer) bool {
	return e.ask != nil && e.ask.settle(a, nil)
}

func (a *ask) settle(answer Answer, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.answered {
		return false
	}
	a.answered, a.answer, a.err = true, answer, err
	close(a.done)
	return true
}

// fail remembers why the event was given up; another branch may still answer.
func (a *ask) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reason == nil {
		a.reason = err
	}
}

// end settles an ask that has come to the end of the flow.
func (a *ask) end() {
	a.mu.Lock()
	reason := a.reason
	a.mu.Unlock()
	if reason == nil {
		reason = ErrNoAnswer
	}
	a.settle(Answer{}, reason)
}

// wait returns the answer, or ctx's error when it ends first.
func (a *ask) wait(ctx context.Context) (Answer, error) {
	select {
	case <-a.done:
		return a.answer, a.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// maxAsks bounds the requests that wait in one flow.
const maxAsks = 1024

var errBusy = fmt.Errorf("%w: too many requests are waiting for their answer", ErrNotStored)

// Ask takes one event through the flow beside its log.
func (f *flow) ask(ctx context.Context, e *Event) (Answer, error) {
	p := f.enter()
	if p == nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrNotStored, errStopped)
	}
	if !p.replies {
		f.leave(p)
		if err := f.put(ctx, e); err != nil {
			return Answer{}, fmt.Errorf("%w: %w", ErrNotStored, err)
		}
		return Answer{}, ErrNoAnswer
	}
	if f.gate.shut() {
		f.leave(p)
		return Answer{}, errPaused
	}
	if f.asks.Add(1) > maxAsks {
		f.asks.Add(-1)
		f.leave(p)
		return Answer{}, errBusy
	}
	e.Offset = beside | Offset(f.engine.besides.Add(1))
	e.ask = newAsk()
	f.walks.Go(func() {
		defer f.asks.Add(-1)
		defer e.ask.end()
		f.passBeside(p, e)
	})
	return e.ask.wait(ctx)
}

// passBeside walks one event through p. Where another plan comes before a node
// is done with it, it goes on from there by that one, so that no node before
// gets it twice. What a node would hold, and what is left when the flow ends,
// goes into the log.
func (f *flow) passBeside(p *livePlan, e *Event) {
	l, _ := f.spare.Get().(*lane)
	if l == nil {
		l = newLane(f)
	}
	defer f.spare.Put(l)
	rest := []*Event{e}
	for len(rest) > 0 && p != nil {
		err := l.walk(f.ctx, p, rest)
		f.leave(p)
		if err != nil { // the dead letters could not be stored
			for _, d := range l.dead {
				l.held = appendAt(l.held, d.Failure.Node, []*Event{d.Event})
			}
		}
		f.takeBack(l.held)
		if rest = l.cut; len(rest) == 0 {
			return
		}
		if p = nil; f.reading.Err() == nil {
			p = f.enter()
		}
		if p != nil && !p.goesOn(rest) {
			rest = []*Event{e}
		}
	}
	f.takeBack(rest)
}

// goesOn reports whether p has all the nodes that the events are to go on at.
func (p *livePlan) goesOn(batch []*Event) bool {
	for _, e := range batch {
		if !p.entered(e.At) {
			return false
		}
	}
	return true
}
