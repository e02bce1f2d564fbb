package core

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed aggregate.go
var aggregateSource string

// Aggregate sums up the events of a stretch of time.
var Aggregate = engine.ProcessorSpec[AggregateConfig]{
	About: engine.About{
		Type:    "aggregate",
		Summary: "Sums up the events of each stretch of time: how many, and the sum, least, greatest and last of what is in them.",
		Example: `aggregate: {window: 1m, by: type, last: {newest: id}}`,
		Source:  aggregateSource,
	},
	Gives: AggregateConfig.gives,
	New:   newAggregate,
}

// AggregateConfig is the configuration of an aggregate.
type AggregateConfig struct {
	// Window is how long events are gathered. At its end one event goes on, or
	// one for each key: as the first of the window was, but with an id of its
	// own, the end as its time, and data like
	// `{key: support-1, count: 12, from: TIME, to: TIME, peak: 4}`. Windows
	// follow the clock: those of 1h begin at the full hour, those of 1d at
	// midnight UTC. An event belongs to the window in which it comes to this
	// node.
	Window flows.Duration `flow:"window,main,required"`
	// By gives each of its values an event of its own, which has it as `key`;
	// those that have none make one, too. There may be 100000 in a window, and
	// what is beyond that waits in the log.
	By expr.Expr `flow:"by"`
	// Sum are fields that have the sum of a number in the events, as in
	// `{total: data.price}`. Events in which it is nil are passed over, here and
	// in min, max and last.
	Sum map[string]expr.Expr `flow:"sum"`
	// Min are fields that have the least of a number, or of a text.
	Min map[string]expr.Expr `flow:"min"`
	// Max are fields that have the greatest of a number, or of a text.
	Max map[string]expr.Expr `flow:"max"`
	// Last are fields that have a value as it was in the last event.
	Last map[string]expr.Expr `flow:"last"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *AggregateConfig) Validate(report flows.Report) {
	longerThanNothing(report, "window", c.Window)
	taken := map[string]bool{"key": true, "count": true, "from": true, "to": true}
	for _, part := range c.parts() {
		for _, name := range slices.Sorted(maps.Keys(part.fields)) {
			if taken[name] {
				report(part.name+"."+name+":", "there is a field %q already", name)
			}
			taken[name] = true
		}
	}
}

// Fits says what can't be summed up where it is known which events come.
func (c AggregateConfig) Fits(in engine.Schema, report flows.Report) {
	for _, part := range c.parts() {
		for _, name := range slices.Sorted(maps.Keys(part.fields)) {
			value := part.fields[name]
			if got := value.Shape(in); part.shape.Kinds != 0 && !got.May(part.shape.Kinds&^engine.CanBeNil) {
				d := report(part.name+"."+name, "want %s, and this is %s", part.shape.Kinds, got.Kinds)
				if got.May(engine.CanBeText) {
					d.Hint = "int(…) and float(…) make a number of text"
				}
			}
		}
	}
}

// A fold makes a field's new value of the one before, which is nil at first,
// and of one in an event, which is not.
type fold func(before, value any) (any, error)

type aggregatePart struct {
	name   string
	fields map[string]expr.Expr
	fold   fold
	shape  engine.Shape // of what it makes; that of the value if it is anything
}

func (c AggregateConfig) gives(in engine.Schema) []engine.Schema {
	text := engine.Shape{Kinds: engine.CanBeText}
	fields := map[string]engine.Shape{"count": {Kinds: engine.CanBeNumber}, "from": text, "to": text}
	if c.By.IsSet() {
		fields["key"] = c.By.Shape(in)
	}
	for _, part := range c.parts() {
		for name, value := range part.fields {
			fields[name] = part.shape
			if part.shape.Kinds == 0 {
				fields[name] = value.Shape(in).Or(engine.NilShape)
			}
		}
	}
	return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
		v.Data, v.Of = engine.Shape{Kinds: engine.CanBeMap, Fields: fields}, ""
		return v
	})}
}

func (c *AggregateConfig) parts() []aggregatePart {
	least := func(before, value any) (any, error) { return extreme(before, value, -1) }
	greatest := func(before, value any) (any, error) { return extreme(before, value, 1) }
	latest := func(_, value any) (any, error) { return value, nil }
	ordered := engine.NumberShape.Or(engine.TextShape)
	return []aggregatePart{
		{"sum", c.Sum, sum, engine.NumberShape},
		{"min", c.Min, least, ordered},
		{"max", c.Max, greatest, ordered},
		{"last", c.Last, latest, engine.Shape{}},
	}
}

type aggregate struct {
	hold
	window time.Duration
	by     expr.Expr
	fields []aggregateField
	keeps  bool // tallies keep values of any size

	end   time.Time // of the window that is open
	byKey map[string]*tally
	open  []*tally // those of byKey, by when they began
	over  []*tally // of windows that have ended
}

type aggregateField struct {
	name  string
	value expr.Expr
	fold  fold
}

// A tally is what a window knows of a key.
type tally struct {
	first  *engine.Event // without its data
	last   string        // id of the last one
	oldest engine.Offset
	key    any
	end    time.Time
	count  int64
	values []any // by field
	size   int   // that it takes
}

func newAggregate(c AggregateConfig) (engine.Processor, error) {
	a := &aggregate{
		hold: newHold(), window: time.Duration(c.Window), by: c.By, byKey: map[string]*tally{},
		keeps: len(c.Min)+len(c.Max)+len(c.Last) > 0,
	}
	for _, part := range c.parts() {
		for name, value := range part.fields {
			a.fields = append(a.fields, aggregateField{name, value, part.fold})
		}
	}
	return a, nil
}

func (a *aggregate) Process(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
	all, size := weigh(batch, &a.by, out)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.room(len(all), size); err != nil {
		return err
	}
	a.roll(time.Now())
	for _, x := range all {
		if err := a.take(x); err != nil {
			out.Fail(x.event, engine.Permanent(err))
		}
	}
	a.wakeUp()
	return nil
}

// roll ends the window if its time is over by now.
func (a *aggregate) roll(now time.Time) {
	if now.Before(a.end) {
		return
	}
	a.over = append(a.over, a.open...)
	a.open = nil
	clear(a.byKey)
	a.end = now.Truncate(a.window).Add(a.window)
}

// take counts an event, all of it or nothing.
func (a *aggregate) take(x held) error {
	t := a.byKey[x.key]
	fresh := t == nil
	if fresh {
		key, err := a.by.Eval(x.event)
		if err != nil {
			return err
		}
		first := x.event.Copy()
		first.Data = engine.Data{}
		t = &tally{first: first, oldest: x.event.Offset, key: key, end: a.end, values: make([]any, len(a.fields))}
	}
	values := slices.Clone(t.values)
	for i, f := range a.fields {
		v, err := f.value.Eval(x.event)
		if err == nil && v != nil {
			values[i], err = f.fold(values[i], v)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if fresh {
		a.byKey[x.key] = t
		a.open = append(a.open, t)
	} else {
		a.remove(t.oldest, t.size)
	}
	t.values = values
	t.last = x.event.ID
	t.oldest = min(t.oldest, x.event.Offset)
	t.count++
	if a.keeps {
		t.size = max(t.size, x.size)
	}
	a.add(t.oldest, t.size)
	return nil
}

// Due emits the sums of the windows that have ended.
func (a *aggregate) Due(_ context.Context, out *engine.Outlet) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll(time.Now())
	n := min(len(a.over), mostReleased)
	for _, t := range a.over[:n] {
		out.Emit(a.event(t))
		a.remove(t.oldest, t.size)
	}
	a.over = slices.Delete(a.over, 0, n)
	a.wakeUp()
	return nil
}

// wakeUp has the engine come when there is something to emit.
func (a *aggregate) wakeUp() {
	if len(a.over) > 0 {
		a.send()
	} else if len(a.open) > 0 {
		a.ring(a.end)
	}
}

// event is what a tally becomes.
func (a *aggregate) event(t *tally) *engine.Event {
	data := map[string]any{
		"count": t.count,
		"from":  t.end.Add(-a.window).UTC().Format(time.RFC3339Nano),
		"to":    t.end.UTC().Format(time.RFC3339Nano),
	}
	if a.by.IsSet() {
		data["key"] = t.key
	}
	for i, f := range a.fields {
		data[f.name] = t.values[i]
	}
	e := t.first.Copy()
	e.ID = engine.Digest([]byte(e.ID + "\n" + t.last + "\n" + strconv.FormatInt(t.count, 10)))
	e.Offset = t.oldest
	e.Time = t.end
	e.Data = engine.Value(data)
	return e
}

// Forget drops all that was counted.
func (a *aggregate) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.byKey)
	a.open, a.over = nil, nil
	a.forget()
}

// sum adds numbers: integers exactly.
func sum(before, value any) (any, error) {
	switch value.(type) {
	case int64, float64:
	default:
		return nil, fmt.Errorf("want a number, got %s", kindOf(value))
	}
	if before == nil {
		return value, nil
	}
	a, whole := before.(int64)
	b, both := value.(int64)
	if whole && both {
		if c := a + b; (c > a) == (b > 0) {
			return c, nil
		}
		return nil, errors.New("the sum is too big")
	}
	c := toFloat(before) + toFloat(value)
	if math.IsInf(c, 0) {
		return nil, errors.New("the sum is too big")
	}
	return c, nil
}

func toFloat(number any) float64 {
	if i, ok := number.(int64); ok {
		return float64(i)
	}
	return number.(float64)
}

// extreme is the least (sign -1) or the greatest (sign 1) of two numbers or two
// texts.
func extreme(before, value any, sign int) (any, error) {
	switch value.(type) {
	case int64, float64, string:
	default:
		return nil, fmt.Errorf("want a number or a text, got %s", kindOf(value))
	}
	if before == nil {
		return value, nil
	}
	a, text := before.(string)
	b, both := value.(string)
	if text != both {
		return nil, fmt.Errorf("can't compare %s with %s", kindOf(value), kindOf(before))
	}
	order := cmp.Compare(b, a)
	if !text {
		order = exactly(value).Cmp(exactly(before))
	}
	if order == sign {
		return value, nil
	}
	return before, nil
}

// exactly is a number that compares with others by its exact value.
func exactly(number any) *big.Float {
	if i, ok := number.(int64); ok {
		return new(big.Float).SetInt64(i)
	}
	return big.NewFloat(number.(float64))
}

var (
	_ engine.Holder   = (*aggregate)(nil)
	_ engine.Closer   = (*aggregate)(nil)
	_ flows.Validator = (*AggregateConfig)(nil)
	_ engine.Fitter   = AggregateConfig{}
)
