package core

import (
	"container/list"
	"context"
	_ "embed"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed silence.go
var silenceSource string

// Silence tells when nothing comes any more.
var Silence = engine.ProcessorSpec[SilenceConfig]{
	About: engine.About{
		Type:    "silence",
		Summary: "Makes an event when nothing came for a while; those that come end here.",
		Example: `silence: {after: 10m, by: subject}`,
		Source:  silenceSource,
	},
	Gives: SilenceConfig.gives,
	New:   newSilence,
}

// SilenceConfig is the configuration of a silence.
type SilenceConfig struct {
	// After is how long nothing came, since the last event or, after a restart
	// of flowd, since that came again. What waits in the log has not come yet.
	// There is one event for each silence, and none before anything came. It
	// has the type `silence` and data like
	// `{key: support-1, since: TIME, last: DATA}`, with when the last event came
	// and its data, and is otherwise as that was.
	After flows.Duration `flow:"after,main,required"`
	// By has each of its values watched on its own, as `key`; the events that
	// have none are watched together.
	By expr.Expr `flow:"by"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *SilenceConfig) Validate(report flows.Report) { longerThanNothing(report, "after", c.After) }

func (c SilenceConfig) gives(in engine.Schema) []engine.Schema {
	return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
		fields := map[string]engine.Shape{"since": {Kinds: engine.CanBeText}, "last": v.Data}
		if c.By.IsSet() {
			fields["key"] = c.By.Shape(engine.Schema{v})
		}
		v.Type, v.Of = engine.OneOf("silence"), ""
		v.Data = engine.Shape{Kinds: engine.CanBeMap, Fields: fields}
		return v
	})}
}

type silence struct {
	hold
	after time.Duration
	by    expr.Expr
	byKey map[string]*list.Element
	last  *list.List // the last event of each key (held), by when it came
	came  arrivals
	gone  []arrival // of the last silence that was told, if any
}

func newSilence(c SilenceConfig) (engine.Processor, error) {
	return &silence{
		hold: newHold(), after: time.Duration(c.After), by: c.By,
		byKey: map[string]*list.Element{}, last: list.New(),
	}, nil
}

func (s *silence) Process(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
	all, size := weigh(batch, &s.by, out)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(len(all), size); err != nil {
		return err
	}
	now := time.Now()
	for _, x := range all {
		x.came = s.came.of(x.event.Offset, now)
		s.put(x)
	}
	s.wakeUp()
	return nil
}

// put has an event be the last of its key, unless a later one is.
func (s *silence) put(x held) {
	if before := s.byKey[x.key]; before != nil {
		y := before.Value.(held)
		if y.came.After(x.came) {
			return
		}
		s.remove(y.event.Offset, y.size)
		s.last.Remove(before)
	}
	s.add(x.event.Offset, x.size)
	at := s.last.Back()
	for at != nil && at.Value.(held).came.After(x.came) {
		at = at.Prev()
	}
	if at == nil {
		s.byKey[x.key] = s.last.PushFront(x)
	} else {
		s.byKey[x.key] = s.last.InsertAfter(x, at)
	}
}

// Due tells of the keys of which nothing came for long enough.
func (s *silence) Due(_ context.Context, out *engine.Outlet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for range mostReleased {
		first := s.last.Front()
		if first == nil {
			break
		}
		x := first.Value.(held)
		if x.came.Add(s.after).After(now) {
			break
		}
		s.last.Remove(first)
		delete(s.byKey, x.key)
		s.remove(x.event.Offset, x.size)
		s.gone = []arrival{{x.event.Offset, x.came}}
		if e, err := s.event(x, now); err != nil {
			out.Fail(x.event, err)
		} else {
			out.Emit(e)
		}
	}
	s.wakeUp()
	return nil
}

// wakeUp has the engine come when the next silence is long enough.
func (s *silence) wakeUp() {
	if first := s.last.Front(); first != nil {
		s.ring(first.Value.(held).came.Add(s.after))
	}
}

// event tells of the silence behind an event.
func (s *silence) event(x held, now time.Time) (*engine.Event, error) {
	last, err := x.event.Data.Value()
	if err != nil {
		return nil, err
	}
	data := map[string]any{"since": x.came.UTC().Format(time.RFC3339Nano), "last": last}
	if s.by.IsSet() {
		if data["key"], err = s.by.Eval(x.event); err != nil {
			return nil, err
		}
	}
	e := x.event.Copy()
	e.ID += "/silence"
	e.Type = "silence"
	e.Time = now
	e.Data = engine.Value(data)
	return e, nil
}

// Forget drops all events, and remembers when they came.
func (s *silence) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := s.gone
	for at := s.last.Front(); at != nil; at = at.Next() {
		x := at.Value.(held)
		came = append(came, arrival{x.event.Offset, x.came})
	}
	s.came.remember(came, time.Now().Add(-s.after))
	clear(s.byKey)
	s.last.Init()
	s.gone = nil
	s.forget()
}

var (
	_ engine.Holder   = (*silence)(nil)
	_ engine.Closer   = (*silence)(nil)
	_ flows.Validator = (*SilenceConfig)(nil)
)
