package core

import (
	"context"
	"crypto/rand"
	_ "embed"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed inject.go
var injectSource string

// Inject makes events by the clock.
var Inject = engine.SourceSpec[InjectConfig]{
	About: engine.About{
		Type:    "inject",
		Summary: "Makes events by itself: at equal steps, by a schedule, or one when it starts.",
		Example: `inject: {every: 10s, data: {room: support-1, note: "made at {{ time }}"}}`,
		Source:  injectSource,
	},
	Default: InjectConfig{Type: "inject"},
	Schema: func(c InjectConfig) engine.Schema {
		return engine.Schema{{
			Of: "an inject event", Source: engine.OneOf("inject"), Type: engine.OneOf(c.Type), Data: c.Data.Shape(),
		}}
	},
	New: newInject,
}

// InjectConfig is the configuration of an inject. It has exactly one of every,
// cron and once.
type InjectConfig struct {
	// Every is the time from one event to the next, and to the first.
	Every flows.Duration `flow:"every"`
	// Cron is a schedule of five fields (minute, hour, day of the month, month,
	// day of the week), or `@hourly`, `@daily`, `@weekly`, `@monthly`. It is in
	// the machine's time zone unless `CRON_TZ=Asia/Tokyo` stands before it.
	Cron Cron `flow:"cron"`
	// Once makes one event when the flow starts; then the source has finished.
	Once bool `flow:"once"`
	// Data is the payload: any value, in whose texts `{{ }}` may stand. The
	// default is null.
	Data Payload `flow:"data"`
	// Type is the type of the events.
	Type string `flow:"type"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *InjectConfig) Validate(report flows.Report) {
	given := 0
	for _, is := range []bool{c.Every != 0, c.Cron.schedule != nil, c.Once} {
		if is {
			given++
		}
	}
	if given != 1 {
		report("", "want exactly one of every, cron and once")
	}
	if c.Every != 0 && time.Duration(c.Every) < time.Millisecond {
		report("every", "want at least 1ms")
	}
	if c.Type == "" {
		report("type", "want a name for the type of the events")
	}
}

type inject struct {
	config   InjectConfig
	schedule schedule // nil for once
	env      *engine.Env
	pending  *engine.Event // made, and not known to be in
}

var (
	_ engine.Source   = (*inject)(nil)
	_ engine.Opener   = (*inject)(nil)
	_ flows.Validator = (*InjectConfig)(nil)
)

func newInject(c InjectConfig) (engine.Source, error) {
	n := &inject{config: c, schedule: c.Cron.schedule}
	if c.Every > 0 {
		n.schedule = interval(c.Every)
	}
	return n, nil
}

func (n *inject) Open(_ context.Context, env *engine.Env) error {
	n.env = env
	return nil
}

func (n *inject) Run(ctx context.Context, in engine.Inlet) error {
	if n.pending != nil { // Run has failed, and is called again
		if err := n.put(ctx, in); err != nil {
			return err
		}
		if n.schedule == nil {
			return nil
		}
	}
	if n.schedule == nil {
		n.make(time.Now())
		return n.put(ctx, in)
	}
	for tick := n.schedule.Next(time.Now()); !tick.IsZero(); tick = n.skip(tick) {
		if !waitUntil(ctx, tick) {
			return nil
		}
		n.make(tick)
		if err := n.put(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// skip returns the first tick behind tick that has not passed yet.
func (n *inject) skip(tick time.Time) time.Time {
	now := time.Now()
	missed := 0
	next := n.schedule.Next(tick)
	for ; !next.IsZero() && next.Before(now); next = n.schedule.Next(next) {
		missed++
	}
	if missed > 0 {
		n.env.Log.Warn("ticks were skipped while an event was being put in", "skipped", missed)
	}
	return next
}

// make makes the event of a tick.
func (n *inject) make(tick time.Time) {
	e := &engine.Event{ID: rand.Text(), Source: "inject", Type: n.config.Type, Time: tick.Round(0)}
	v, err := n.config.Data.Eval(e)
	if err != nil {
		e.Failure = &engine.Failure{Message: err.Error(), Attempts: 1, First: tick, Last: tick}
	}
	e.Data = engine.Value(v)
	n.pending = e
}

// put puts in the event that was made. What is put in is a copy, since an
// inlet keeps what it is given, also when it fails.
func (n *inject) put(ctx context.Context, in engine.Inlet) error {
	if err := in.Put(ctx, n.pending.Copy()); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	n.pending = nil
	return nil
}

// longestWait is how long a wait is at most before the clock is asked again,
// which may have been set, or have gone on while the machine slept.
const longestWait = time.Minute

// waitUntil waits for a time, and reports whether it came before ctx ended.
func waitUntil(ctx context.Context, t time.Time) bool {
	for {
		timer := time.NewTimer(min(time.Until(t), longestWait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
		if !time.Now().Before(t) {
			return true
		}
	}
}
