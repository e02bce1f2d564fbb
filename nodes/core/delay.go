package core

import (
	"context"
	_ "embed"
	"slices"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed delay.go
var delaySource string

// Delay keeps each event back for a while.
var Delay = engine.ProcessorSpec[DelayConfig]{
	About: engine.About{
		Type:    "delay",
		Summary: "Keeps each event back for a while, and lets all go on in the order in which they came.",
		Example: `delay: 30s`,
		Source:  delaySource,
	},
	Passes: true,
	New: func(c DelayConfig) (engine.Processor, error) {
		return &delay{hold: newHold(), wait: time.Duration(c.For)}, nil
	},
}

// DelayConfig is the configuration of a delay.
type DelayConfig struct {
	// For is how long an event waits here. After a restart of flowd the wait
	// begins anew, so that an event may wait longer, and never shorter. With a
	// store in memory, a source is told that its event is safe only when it has
	// been through the flow, so it waits as well.
	For flows.Duration `flow:"for,main,required"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *DelayConfig) Validate(report flows.Report) { longerThanNothing(report, "for", c.For) }

type delay struct {
	hold
	wait  time.Duration
	queue []held // by the time they came
	came  arrivals
	gone  []arrival // the last that went on, if any
}

func (d *delay) Process(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
	all, size := weigh(batch, &expr.Expr{}, out)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.room(len(all), size); err != nil {
		return err
	}
	now := time.Now()
	for _, x := range all {
		x.came = d.came.of(x.event.Offset, now)
		at := len(d.queue)
		for at > 0 && d.queue[at-1].came.After(x.came) {
			at--
		}
		d.queue = slices.Insert(d.queue, at, x)
		d.add(x.event.Offset, x.size)
	}
	d.ring(d.queue[0].came.Add(d.wait))
	return nil
}

// Due lets the events go on whose time is over.
func (d *delay) Due(_ context.Context, out *engine.Outlet) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for range mostReleased {
		if len(d.queue) == 0 || d.queue[0].came.Add(d.wait).After(now) {
			break
		}
		x := d.queue[0]
		out.Emit(x.event)
		d.queue[0] = held{}
		d.queue = d.queue[1:]
		d.remove(x.event.Offset, x.size)
		d.gone = []arrival{{x.event.Offset, x.came}}
	}
	if len(d.queue) > 0 {
		d.ring(d.queue[0].came.Add(d.wait))
	}
	return nil
}

// Forget drops all events, and remembers when they came.
func (d *delay) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	came := d.gone
	for _, x := range d.queue {
		came = append(came, arrival{x.event.Offset, x.came})
	}
	d.came.remember(came, time.Now().Add(-d.wait))
	d.queue, d.gone = nil, nil
	d.forget()
}

var (
	_ engine.Holder   = (*delay)(nil)
	_ engine.Closer   = (*delay)(nil)
	_ flows.Validator = (*DelayConfig)(nil)
)
