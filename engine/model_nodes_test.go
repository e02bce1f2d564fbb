package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

var errInTrouble = errors.New("in trouble")

// registry is the node types of the model. What they do counts as long as l
// lives.
func (m *model) registry(l *life) *engine.Registry {
	retry := engine.Retry{Attempts: 4, First: flows.Duration(10 * time.Millisecond), Max: flows.Duration(200 * time.Millisecond)}
	return engine.NewRegistry(modelLanguage{},
		engine.Queue,
		engine.SourceSpec[nameConfig]{
			About: engine.About{Type: "in"},
			New:   func(nameConfig) (engine.Source, error) { return &modelSource{m: m, life: l}, nil },
		},
		engine.ProcessorSpec[nameConfig]{
			About: engine.About{Type: "step"},
			New:   func(nameConfig) (engine.Processor, error) { return &modelStep{m: m, life: l}, nil },
		},
		engine.ProcessorSpec[nameConfig]{
			About: engine.About{Type: "fork"},
			Ports: func(nameConfig) []string { return []string{"a", "b"} },
			New: func(nameConfig) (engine.Processor, error) {
				return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
					out.EmitTo(int(forkPort(e.Type)[0]-'a'), e)
					return nil
				}), nil
			},
		},
		engine.ProcessorSpec[nameConfig]{
			About: engine.About{Type: "hold"},
			New:   func(nameConfig) (engine.Processor, error) { return &modelHolder{wake: make(chan struct{}, 1)}, nil },
		},
		engine.SinkSpec[nameConfig]{
			About: engine.About{Type: "out"},
			Retry: retry,
			New:   func(nameConfig) (engine.Sink, error) { return &modelSink{m: m, life: l}, nil },
		},
	)
}

// modelLanguage has lists of keys as conditions. The type of an event is its
// key.
type modelLanguage struct{}

func (modelLanguage) Condition(v *flows.Value) (func(*engine.Event) (bool, error), flows.Diagnostics) {
	return func(e *engine.Event) (bool, error) { return slices.Contains(strings.Fields(v.Text), e.Type), nil }, nil
}

func (modelLanguage) Key(*flows.Value) (func(*engine.Event) (string, error), flows.Diagnostics) {
	return func(e *engine.Event) (string, error) { return e.Type, nil }, nil
}

// A modelSource lets the model put events in.
type modelSource struct {
	m    *model
	life *life
	flow string
}

func (s *modelSource) Open(_ context.Context, env *engine.Env) error {
	s.flow = env.Flow
	return nil
}

func (s *modelSource) Run(ctx context.Context, in engine.Inlet) error {
	s.m.mu.Lock()
	s.life.inlets[s.flow] = in
	s.m.mu.Unlock()
	<-ctx.Done()
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.life.inlets[s.flow] == in {
		delete(s.life.inlets, s.flow)
	}
	return nil
}

// A modelStep passes events on, but for those it refuses and when it is in
// trouble.
type modelStep struct {
	m    *model
	life *life
	node string
}

func (s *modelStep) Open(_ context.Context, env *engine.Env) error {
	s.node = env.Node
	return nil
}

func (s *modelStep) Process(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
	for _, e := range batch {
		err := s.m.meet(s.life, s.node, e, false)
		switch _, down := engine.IsUnavailable(err); {
		case down:
			s.m.hurt(s.node, batch)
			return err
		case err != nil:
			out.Fail(e, err)
		default:
			out.Emit(e.Copy())
		}
	}
	return nil
}

// A modelSink delivers one event after the other, and stops before one that is
// to be tried again.
type modelSink struct {
	m    *model
	life *life
	node string
}

func (s *modelSink) Open(_ context.Context, env *engine.Env) error {
	s.node = env.Node
	return nil
}

func (s *modelSink) Write(ctx context.Context, batch []*engine.Event) error {
	var failures engine.Failures
	for i, e := range batch {
		time.Sleep(time.Millisecond)
		err := ctx.Err()
		if err == nil {
			err = s.m.meet(s.life, s.node, e, true)
		}
		if err == nil {
			continue
		}
		failures = append(failures, engine.Failed{Event: e, Err: err})
		if !engine.IsPermanent(err) {
			for _, rest := range batch[i+1:] {
				failures = append(failures, engine.Failed{Event: rest, Err: engine.ErrNotTried})
			}
			break
		}
	}
	if failures == nil {
		return nil
	}
	return failures
}

// meet is what happens when an event comes to a node.
func (m *model) meet(l *life, node string, e *engine.Event, sink bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.dead {
		return engine.Unavailable(errInTrouble, 0)
	}
	i := slices.IndexFunc(m.sent, func(s *sentEvent) bool { return s.id == e.ID })
	if i < 0 {
		return nil // one that was settled before, and waited in a log that nobody read
	}
	if m.sent[i].poison == node {
		return engine.Permanent(errors.New("refused"))
	}
	if tr := m.troubles[node]; tr != nil && (tr.times > 0 || tr.kind == "down") {
		tr.times--
		switch {
		case tr.kind == "panic":
			m.failing, m.sent[i].hurt = true, true
			m.repeats = m.repeats || sink // nobody can tell what it had delivered of its batch
			panic("in trouble")
		case tr.kind == "error":
			m.failing, m.sent[i].hurt = true, true
			return errInTrouble
		case time.Now().Before(tr.until):
			m.failing = true
			m.sent[i].hurt = m.sent[i].hurt || m.limited(m.sent[i], node)
			return engine.Unavailable(errInTrouble, 0)
		}
	}
	if sink {
		a := arrival{sentEvent: m.sent[i]}
		if e.Failure != nil {
			a.failed = e.Failure.Node
		}
		m.got[node] = append(m.got[node], a)
	}
	return nil
}

// hurt notes that a node that is down may give up all of a batch.
func (m *model) hurt(node string, batch []*engine.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range batch {
		if i := slices.IndexFunc(m.sent, func(s *sentEvent) bool { return s.id == e.ID }); i >= 0 {
			m.sent[i].hurt = m.sent[i].hurt || m.limited(m.sent[i], node)
		}
	}
}

// A modelHolder keeps each event for a while.
type modelHolder struct {
	mu    sync.Mutex
	held  []heldEvent
	timer *time.Timer
	wake  chan struct{}
}

type heldEvent struct {
	*engine.Event
	due time.Time
}

const holdTime = 20 * time.Millisecond

func (h *modelHolder) Process(_ context.Context, batch []*engine.Event, _ *engine.Outlet) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range batch {
		if !slices.ContainsFunc(h.held, func(held heldEvent) bool { return held.Offset == e.Offset }) {
			h.held = append(h.held, heldEvent{e, time.Now().Add(holdTime)})
		}
	}
	h.set()
	return nil
}

// set has the holder woken when the next event is due.
func (h *modelHolder) set() {
	if len(h.held) == 0 {
		return
	}
	if h.timer != nil {
		h.timer.Stop()
	}
	h.timer = time.AfterFunc(time.Until(h.held[0].due), func() {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	})
}

func (h *modelHolder) Held() (least engine.Offset, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.held {
		if !ok || e.Offset < least {
			least, ok = e.Offset, true
		}
	}
	return least, ok
}

func (h *modelHolder) Due(_ context.Context, out *engine.Outlet) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.held) > 0 && !time.Now().Before(h.held[0].due) {
		out.Emit(h.held[0].Event)
		h.held = h.held[1:]
	}
	h.set()
	return nil
}

func (h *modelHolder) Wake() <-chan struct{} { return h.wake }

// Forget drops what is held: all of it comes again.
func (h *modelHolder) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = nil
}

func (h *modelHolder) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Stop()
	}
	return nil
}

var (
	_ engine.Opener = (*modelSource)(nil)
	_ engine.Opener = (*modelStep)(nil)
	_ engine.Opener = (*modelSink)(nil)
	_ engine.Holder = (*modelHolder)(nil)
	_ engine.Closer = (*modelHolder)(nil)
)
