package enginetest

import (
	"context"
	"errors"
	"io"

	"github.com/flowd/flowd/engine"
)

// stage puts a node on stage: a source that does not run, and a sink of which
// nothing leaves the machine. Processors work as they are.
func (r *rehearsal) stage(spec *engine.Spec, node any) any {
	switch spec.Kind {
	case engine.SourceKind:
		return &stagedSource{r: r, inner: node.(engine.Source), ready: make(chan struct{})}
	case engine.SinkKind:
		s := &stagedSink{r: r, inner: node.(engine.Sink), attempts: map[*engine.Event]int{}, read: map[string]seenFile{}}
		if _, ok := node.(engine.Relay); ok {
			return &stagedRelay{s}
		}
		if _, ok := node.(engine.Replier); ok {
			return &stagedReplier{s}
		}
		return s
	}
	return node
}

// A stagedSink has the real sink deliver one event at a time, and sees what it
// sends.
type stagedSink struct {
	r        *rehearsal
	inner    engine.Sink
	id       string
	attempts map[*engine.Event]int
	requests int                 // so far, for the script of replies
	read     map[string]seenFile // files below its folder
}

func (s *stagedSink) Open(ctx context.Context, env *engine.Env) error {
	s.id = env.Node
	s.r.sinks[s.id] = true
	o, ok := s.inner.(engine.Opener)
	if !ok {
		return nil
	}
	staged := *env
	staged.Outside = &engine.Outside{HTTP: s, File: s.file, Stdout: io.Discard}
	return o.Open(ctx, &staged)
}

func (s *stagedSink) Close() error {
	if c, ok := s.inner.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// A take is one attempt to deliver one event, and what was sent for it.
type take struct {
	event *engine.Event
	shown []any
}

type takeKey struct{}

func (s *stagedSink) Write(ctx context.Context, batch []*engine.Event) error {
	return s.each(ctx, batch, s.inner.Write)
}

// each delivers a batch one by one.
func (s *stagedSink) each(ctx context.Context, batch []*engine.Event, write func(context.Context, []*engine.Event) error) error {
	var failures engine.Failures
	for i, e := range batch {
		t := &take{event: e}
		s.r.mu.Lock()
		s.attempts[e]++
		s.r.mu.Unlock()
		err := write(context.WithValue(ctx, takeKey{}, t), batch[i:i+1:i+1])
		if one := (engine.Failures)(nil); errors.As(err, &one) && len(one) == 1 {
			err = one[0].Err
		}
		if err == nil {
			s.delivered(t)
			continue
		}
		failures = append(failures, engine.Failed{Event: e, Err: err})
		if _, down := engine.IsUnavailable(err); down {
			for _, behind := range batch[i+1:] {
				failures = append(failures, engine.Failed{Event: behind, Err: engine.ErrNotTried})
			}
			break
		}
	}
	if len(failures) > 0 {
		return failures
	}
	return nil
}

// delivered records what a sink got: the last of its requests, the lines it has
// written, or the event itself.
func (s *stagedSink) delivered(t *take) {
	if _, ok := s.inner.(engine.Replier); ok { // its answer is what it got through
		return
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if len(t.shown) > 0 {
		shown := t.shown[len(t.shown)-1].(map[string]any)
		shown["attempts"] = s.attempts[t.event]
		s.r.record(s.id, shown)
		return
	}
	lines, err := s.lines()
	if err != nil {
		s.r.mistakes = append(s.r.mistakes, s.r.scenario.at.Errorf("reading what %s wrote: %v", s.id, err))
	}
	for _, line := range lines {
		s.r.record(s.id, line)
	}
	if len(lines) == 0 {
		s.r.record(s.id, t.event.Fields())
	}
}

// A stagedRelay is a sink that passes on events of its own making.
type stagedRelay struct{ *stagedSink }

func (s *stagedRelay) WriteOut(ctx context.Context, batch []*engine.Event, out *engine.Outlet) error {
	return s.each(ctx, batch, func(ctx context.Context, one []*engine.Event) error {
		var made engine.Outlet
		err := s.inner.(engine.Relay).WriteOut(ctx, one, &made)
		if err == nil {
			for _, e := range made.Emitted(0) {
				out.Emit(e)
			}
		}
		return err
	})
}

// A stagedReplier is a sink that answers requests. What it answered is known
// when the request has its answer.
type stagedReplier struct{ *stagedSink }

func (s *stagedReplier) Replies() {}

func (s *stagedReplier) Write(ctx context.Context, batch []*engine.Event) error {
	return s.each(ctx, batch, func(ctx context.Context, one []*engine.Event) error {
		first := s.r.replies(one[0].Offset, s.id)
		err := s.inner.Write(ctx, one)
		if err != nil && first {
			s.r.replies(one[0].Offset, "")
		}
		return err
	})
}

// replies notes which node answers the request that brought an event, before
// it does, and reports whether it is the first to.
func (r *rehearsal) replies(o engine.Offset, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id != "" && r.repliers[o] != "" || o.Logged() {
		return false
	}
	r.repliers[o] = id
	return true
}
