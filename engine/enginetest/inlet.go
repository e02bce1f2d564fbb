package enginetest

import (
	"context"
	"sync"

	"github.com/flowd/flowd/engine"
)

// An Inlet records what a source puts in. The zero Inlet takes everything. It
// is safe for concurrent use.
type Inlet struct {
	// Fail, if set, is asked before a batch is taken.
	Fail func(batch []*engine.Event) error
	// Answers, if set, answers requests; without it they get ErrNoAnswer.
	Answers func(e *engine.Event) (engine.Answer, error)

	mu     sync.Mutex
	events []*engine.Event
	grown  chan struct{}
}

// Put takes a batch.
func (in *Inlet) Put(ctx context.Context, batch ...*engine.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if in.Fail != nil {
		if err := in.Fail(batch); err != nil {
			return err
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.events = append(in.events, batch...)
	if in.grown != nil {
		close(in.grown)
		in.grown = nil
	}
	return nil
}

// Ask takes one event and answers it.
func (in *Inlet) Ask(ctx context.Context, e *engine.Event) (engine.Answer, error) {
	if err := in.Put(ctx, e); err != nil {
		return engine.Answer{}, err
	}
	if in.Answers == nil {
		return engine.Answer{}, engine.ErrNoAnswer
	}
	return in.Answers(e)
}

// Events lists what was taken.
func (in *Inlet) Events() []*engine.Event {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]*engine.Event(nil), in.events...)
}

// Wait waits until at least n events were taken and lists all of them; it
// returns those there are when ctx ends.
func (in *Inlet) Wait(ctx context.Context, n int) []*engine.Event {
	for {
		in.mu.Lock()
		if len(in.events) >= n {
			in.mu.Unlock()
			return in.Events()
		}
		if in.grown == nil {
			in.grown = make(chan struct{})
		}
		grown := in.grown
		in.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return in.Events()
		}
	}
}

var _ engine.Inlet = (*Inlet)(nil)
