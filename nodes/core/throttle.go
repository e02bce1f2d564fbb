package core

import (
	"context"
	_ "embed"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed throttle.go
var throttleSource string

// Throttle lets so many events go on in so much time.
var Throttle = engine.ProcessorSpec[ThrottleConfig]{
	About: engine.About{
		Type:    "throttle",
		Summary: "Lets no more than so many events go on in a time; those over it wait or are dropped.",
		Example: `throttle: {rate: 10/s, by: subject}`,
		Source:  throttleSource,
	},
	Default: ThrottleConfig{Over: "wait"},
	Passes:  true,
	New:     newThrottle,
}

// ThrottleConfig is the configuration of a throttle.
type ThrottleConfig struct {
	// Rate is how many events may go on: `10/s`, `100/m`, `1/30s`. In no stretch
	// of that time are there more; as many may go on at once. After a restart of
	// flowd it is not known what went on before.
	Rate Rate `flow:"rate,main,required"`
	// By has each of its values throttled on its own; the events that have none
	// are throttled together. After a restart of flowd, events behind the oldest
	// that waited go on once more.
	By expr.Expr `flow:"by"`
	// Over is what becomes of the events over the rate: wait or drop. Those
	// that wait are up to 100000, and the rest stays in the log.
	Over string `flow:"over"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *ThrottleConfig) Validate(report flows.Report) {
	if c.Over != "wait" && c.Over != "drop" {
		report("over", "want wait or drop, got %q", c.Over)
	}
}

func newThrottle(c ThrottleConfig) (engine.Processor, error) {
	if c.Over == "drop" {
		return &limit{by: c.By, pacer: newPacer(c.Rate)}, nil
	}
	return &throttle{hold: newHold(), by: c.By, pacer: newPacer(c.Rate)}, nil
}

// A throttle has events wait.
type throttle struct {
	hold
	by    expr.Expr
	pacer pacer
}

func (t *throttle) Process(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
	all, size := weigh(batch, &t.by, out)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.room(len(all), size); err != nil {
		return err
	}
	if err := t.pacer.room(len(all)); err != nil {
		return err
	}
	for _, x := range all {
		t.pacer.line(x.key).wait(x)
		t.add(x.event.Offset, x.size)
	}
	t.wakeUp()
	return nil
}

// Due lets the events go on whose turn it is.
func (t *throttle) Due(_ context.Context, out *engine.Outlet) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Since(t.pacer.began)
	for range mostReleased {
		x, ok := t.pacer.next(now)
		if !ok {
			break
		}
		out.Emit(x.event)
		t.remove(x.event.Offset, x.size)
	}
	t.wakeUp()
	return nil
}

// wakeUp has the engine come when the next event may go on.
func (t *throttle) wakeUp() {
	if at, ok := t.pacer.free(); ok {
		t.ring(t.pacer.began.Add(at))
	}
}

// Forget drops the events that wait.
func (t *throttle) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pacer.forget()
	t.forget()
}

// A limit drops the events over the rate.
type limit struct {
	by    expr.Expr
	mu    sync.Mutex
	pacer pacer
}

// Process lets an event go on again that went on before, and comes again since
// it did not get through.
func (l *limit) Process(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
	all, _ := weigh(batch, &l.by, out)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.pacer.room(len(all)); err != nil {
		return err
	}
	now := time.Since(l.pacer.began)
	for _, x := range all {
		line := l.pacer.line(x.key)
		switch {
		case line.hasPassed(x.event):
			out.Emit(x.event)
		case line.free() <= now:
			line.pass(x.event, now)
			out.Emit(x.event)
		}
	}
	return nil
}

var (
	_ engine.Holder    = (*throttle)(nil)
	_ engine.Closer    = (*throttle)(nil)
	_ engine.Processor = (*limit)(nil)
	_ flows.Validator  = (*ThrottleConfig)(nil)
)
