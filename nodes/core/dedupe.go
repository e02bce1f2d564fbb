package core

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed dedupe.go
var dedupeSource string

// Dedupe lets the first event of each key go on.
var Dedupe = engine.ProcessorSpec[DedupeConfig]{
	About: engine.About{
		Type:    "dedupe",
		Summary: "Lets the first event of each key go on and stops the others that come within a while.",
		Example: `dedupe: {key: data.room.sid, ttl: 10m}`,
		Source:  dedupeSource,
	},
	Default: DedupeConfig{Key: expr.MustExpr("id"), TTL: flows.Duration(time.Hour)},
	Passes:  true,
	Gives: func(_ DedupeConfig, in engine.Schema) []engine.Schema {
		return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
			v.Again = false
			return v
		})}
	},
	New: newDedupe,
}

// DedupeConfig is the configuration of a dedupe.
type DedupeConfig struct {
	// Key is equal for events that are one and the same; the default is the
	// event's id. An event without a key can't be told from another and is
	// given up. An event that flowd replay brings is compared with those of
	// the same replay alone.
	Key expr.Expr `flow:"key,main"`
	// TTL is how long a key is remembered after its first event; the default
	// is 1h.
	TTL flows.Duration `flow:"ttl"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *DedupeConfig) Validate(report flows.Report) {
	if c.TTL <= 0 {
		report("ttl", "want a duration longer than nothing")
	}
}

// Fits says whether events have a key, where it is known which come.
func (c DedupeConfig) Fits(in engine.Schema, report flows.Report) {
	if c.Key.Shape(in).Kinds == engine.CanBeNil {
		report("key", "the key is always nil here, and an event without one is given up")
		return
	}
	var without []string
	for _, v := range in {
		if c.Key.Shape(engine.Schema{v}).Kinds == engine.CanBeNil {
			without = append(without, v.Type.Values...)
		}
	}
	if len(without) > 0 {
		d := report("key", "an event of type %s has no such key and is given up", strings.Join(without, " or "))
		d.Severity, d.Hint = flows.Warning, "keep such events from coming here, or give them a key of their own with ??"
	}
}

type dedupe struct {
	config DedupeConfig
	keys   engine.Keys
}

var (
	_ engine.Processor = (*dedupe)(nil)
	_ engine.Opener    = (*dedupe)(nil)
	_ flows.Validator  = (*DedupeConfig)(nil)
	_ engine.Fitter    = DedupeConfig{}
)

func newDedupe(c DedupeConfig) (engine.Processor, error) { return &dedupe{config: c}, nil }

// noKeys is what nil and an empty text are as keys.
var noKeys = []string{keyOf(`nil`), keyOf(`""`)}

func keyOf(constant string) string {
	x := expr.MustExpr(constant)
	key, err := x.Key(&engine.Event{})
	if err != nil {
		panic(err)
	}
	return key
}

func (d *dedupe) Open(_ context.Context, env *engine.Env) error {
	d.keys = env.Keys
	return nil
}

// A round is what one Process works with.
type round struct {
	events []*engine.Event
	claims []engine.Claim // of the events
}

var rounds = sync.Pool{New: func() any { return new(round) }}

func (d *dedupe) Process(ctx context.Context, batch []*engine.Event, out *engine.Outlet) error {
	r := rounds.Get().(*round)
	defer r.free()
	d.claim(r, batch, out)
	if len(r.claims) == 0 {
		return nil
	}
	won, err := d.keys.Claim(ctx, r.claims, time.Duration(d.config.TTL))
	if err != nil {
		return err
	}
	for i, e := range r.events {
		if won[i] {
			out.Emit(e)
		}
	}
	return nil
}

// claim gathers the claims of a batch, each once: several events may come from
// one offset, and it wins its key each time.
func (d *dedupe) claim(r *round, batch []*engine.Event, out *engine.Outlet) {
	var seen map[engine.Claim]bool
	if !increasing(batch) {
		seen = make(map[engine.Claim]bool, len(batch))
	}
	for _, e := range batch {
		key, err := d.key(e)
		if err != nil {
			out.Fail(e, err)
			continue
		}
		claim := engine.Claim{Key: key, Owner: e.Offset}
		if seen[claim] {
			continue
		}
		if seen != nil {
			seen[claim] = true
		}
		r.events = append(r.events, e)
		r.claims = append(r.claims, claim)
	}
}

// increasing reports whether each event comes from another offset.
func increasing(batch []*engine.Event) bool {
	for i := 1; i < len(batch); i++ {
		if batch[i].Offset <= batch[i-1].Offset {
			return false
		}
	}
	return true
}

// free gives r back. It keeps nothing of the batch alive.
func (r *round) free() {
	clear(r.events)
	clear(r.claims)
	r.events, r.claims = r.events[:0], r.claims[:0]
	rounds.Put(r)
}

// key is the key of e as it is remembered.
func (d *dedupe) key(e *engine.Event) (string, error) {
	key, err := d.config.Key.Key(e)
	if err == nil && slices.Contains(noKeys, key) {
		err = engine.Permanent(errors.New("the key is empty, so the event can't be told from others"))
	}
	if replay := e.Replay(); replay != "" { // which is no duplicate of what was delivered before
		key += "\x00" + replay
	}
	return key, err
}
