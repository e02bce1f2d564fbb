package core

import (
	"container/list"
	"context"
	_ "embed"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed batch.go
var batchSource string

// Batch makes one event of several.
var Batch = engine.ProcessorSpec[BatchConfig]{
	About: engine.About{
		Type:    "batch",
		Summary: "Makes one event of several, whose data is the list of theirs.",
		Example: `batch: {size: 20, wait: 30s, by: subject}`,
		Source:  batchSource,
	},
	Default: BatchConfig{Size: 100, Wait: flows.Duration(time.Second)},
	Gives: func(_ BatchConfig, in engine.Schema) []engine.Schema {
		item := in.Name("data")
		return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
			v.Data, v.Of = engine.Shape{Kinds: engine.CanBeList, Item: &item}, ""
			return v
		})}
	},
	New: func(c BatchConfig) (engine.Processor, error) {
		return &batch{hold: newHold(), config: c, byKey: map[string]*lot{}, open: list.New()}, nil
	},
}

// BatchConfig is the configuration of a batch.
type BatchConfig struct {
	// Size is how many events make a list at most. The event that goes on is as
	// the first of them was, but for its data, and its id, which is made of
	// theirs.
	Size int `flow:"size,main"`
	// Wait is how long the first event of a list waits at most for the others.
	Wait flows.Duration `flow:"wait"`
	// By gives each of its values a list of its own; the events that have none
	// make one, too. After a restart of flowd, lists behind the oldest event
	// that waited go on once more.
	By expr.Expr `flow:"by"`
}

// longestList bounds the size of a list.
const longestList = 10_000

// Validate says what is wrong beyond the types of the fields.
func (c *BatchConfig) Validate(report flows.Report) {
	if c.Size < 1 || c.Size > longestList {
		report("size", "want 1 to %d events", longestList)
	}
	longerThanNothing(report, "wait", c.Wait)
}

type batch struct {
	hold
	config BatchConfig
	byKey  map[string]*lot // that are not full
	open   *list.List      // those of byKey, by when they began
	full   []*lot          // in the order in which they became so
}

// A lot is the events that will be one.
type lot struct {
	events []held
	place  *list.Element
}

func (b *batch) Process(_ context.Context, events []*engine.Event, out *engine.Outlet) error {
	readable := make([]*engine.Event, 0, len(events))
	var list []byte
	for _, e := range events {
		var err error
		if list, err = engine.AppendJSON(list[:0], []any{e.Data}); err != nil { // one must not spoil the others
			out.Fail(e, engine.Permanent(err))
			continue
		}
		readable = append(readable, e)
	}
	all, size := weigh(readable, &b.config.By, out)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.room(len(all), size); err != nil {
		return err
	}
	now := time.Now()
	for _, x := range all {
		x.came = now
		b.put(x)
	}
	b.wakeUp()
	return nil
}

// put adds an event to the lot of its key.
func (b *batch) put(x held) {
	l := b.byKey[x.key]
	if l == nil {
		l = &lot{}
		l.place = b.open.PushBack(l)
		b.byKey[x.key] = l
	}
	l.events = append(l.events, x)
	b.add(x.event.Offset, x.size)
	if len(l.events) == b.config.Size {
		b.close(l)
		b.full = append(b.full, l)
	}
}

// close has the next event of its key begin another lot.
func (b *batch) close(l *lot) {
	delete(b.byKey, l.events[0].key)
	b.open.Remove(l.place)
}

// Due emits the lots that are full, and those that have waited.
func (b *batch) Due(_ context.Context, out *engine.Outlet) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for range mostReleased {
		l := b.next(now)
		if l == nil {
			break
		}
		out.Emit(l.event())
		for _, x := range l.events {
			b.remove(x.event.Offset, x.size)
		}
	}
	b.wakeUp()
	return nil
}

// next takes a lot that is due, or nil.
func (b *batch) next(now time.Time) *lot {
	if len(b.full) > 0 {
		l := b.full[0]
		b.full[0] = nil
		b.full = b.full[1:]
		return l
	}
	at, ok := b.deadline()
	if !ok || at.After(now) {
		return nil
	}
	l := b.open.Front().Value.(*lot)
	b.close(l)
	return l
}

// deadline is when the first lot that is open has waited.
func (b *batch) deadline() (time.Time, bool) {
	first := b.open.Front()
	if first == nil {
		return time.Time{}, false
	}
	return first.Value.(*lot).events[0].came.Add(time.Duration(b.config.Wait)), true
}

// wakeUp has the engine come when the next lot is due.
func (b *batch) wakeUp() {
	if len(b.full) > 0 {
		b.send()
	} else if at, ok := b.deadline(); ok {
		b.ring(at)
	}
}

// event is what the lot becomes.
func (l *lot) event() *engine.Event {
	first := l.events[0].event
	offset := first.Offset
	var ids strings.Builder
	data := []byte{'['}
	for i, x := range l.events {
		offset = min(offset, x.event.Offset)
		ids.WriteString(x.event.ID + "\n")
		if i > 0 {
			data = append(data, ',')
		}
		data, _ = x.event.Data.AppendJSON(data) // Process has seen that it can be written
	}
	e := first.Copy()
	e.Offset = offset
	e.ID = engine.Digest([]byte(ids.String()))
	e.Data = engine.Compact(append(data, ']'))
	return e
}

// Forget drops all lots.
func (b *batch) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.byKey)
	b.open.Init()
	b.full = nil
	b.forget()
}

var (
	_ engine.Holder   = (*batch)(nil)
	_ engine.Closer   = (*batch)(nil)
	_ flows.Validator = (*BatchConfig)(nil)
)
