package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flowd/flowd/flows"
)

// A KeptLog is a [Log] that keeps events for a while after they are delivered.
type KeptLog interface {
	Log
	// Kept fills batch with the events behind after that are still kept, in
	// order, whoever has read them, and returns how many: 0 at the end of the
	// log. It does not wait for more.
	Kept(ctx context.Context, after Offset, batch []*Event) (n int, err error)
}

// ReplayOptions choose the events of a replay.
type ReplayOptions struct {
	Since time.Time // those that happened then or later, by their own Time
	Types []string  // those of these types; all if there are none
	// To is the id of the node that they enter at, without passing what is
	// before it; if it is empty, they enter at their source. What enters behind
	// a queue is what went into the queue.
	To string
	// DryRun counts the events and puts none in.
	DryRun bool
	// Progress, if not nil, is told how many events there were so far: after
	// each batch, and every now and then while one has to wait.
	Progress func(events int)
}

// replayed is the name in Meta of the replay that brought an event.
const replayed = "replayed"

// Replay returns the replay that brought e, as nodes see it in meta.replayed:
// the time at which it began, which no two of them have in common. It is empty
// for an event that no replay brought.
func (e *Event) Replay() string {
	at, _ := e.Meta[replayed].(string)
	return at
}

// ErrNotKept is returned, wrapped, for a replay from a store that keeps no
// event that is delivered.
var ErrNotKept = errors.New("the store keeps no events that are delivered")

// Replay takes the delivered events of a flow that are still kept through the
// flow as it is now, in their order, and returns how many those are. They go
// into the flow's log as copies, behind what waits there, where they are as
// safe as any others; [Event.Replay] tells them from those. What a replay or
// the retry of a dead letter has put into the log is not taken again.
//
// It returns when the last of them is in the log, when ctx ends, or when the
// flow does. What is in then stays.
func (e *Engine) Replay(ctx context.Context, flow string, o ReplayOptions) (int, error) {
	f, err := e.entrance(flow, o.To)
	if err != nil {
		return 0, err
	}
	r := &replay{ReplayOptions: o, name: time.Now().UTC().Format(time.RFC3339Nano)}
	r.put = func(ctx context.Context, batch []*Event) (again bool, err error) {
		if now, err := e.entrance(flow, o.To); err != nil {
			return false, err
		} else if now != f {
			return false, errStopped
		}
		if f.store.End()-f.cursor.Committed() > replayAhead {
			return true, nil
		}
		err = f.put(ctx, batch...)
		return errors.Is(err, ErrFull), err
	}
	return r.run(ctx, f.store, f.cursor.Committed())
}

// entrance returns the flow that a replay enters by: the one that has the node,
// or, without one, the one that has the sources.
func (e *Engine) entrance(name, node string) (*flow, error) {
	e.view.RLock()
	defer e.view.RUnlock()
	runs := false
	for _, f := range e.list() {
		if f.name != name || f.draining {
			continue
		}
		if f.live.entered(node) {
			return f, nil
		}
		runs = true
	}
	return nil, errNoEntrance(name, node, runs)
}

func errNoEntrance(flow, node string, runs bool) error {
	if !runs {
		return fmt.Errorf("flow %q: %w", flow, ErrNoFlow)
	}
	return fmt.Errorf("flow %q has no node %q that events go to: %w", flow, node, ErrNoFlow)
}

// entered reports whether a replay to that node, or to none, enters here.
func (f *flowPlan) entered(id string) bool {
	if id == "" {
		return !f.queue
	}
	return slices.ContainsFunc(f.nodes, func(n *node) bool { return n.id == id && n.spec.Kind != SourceKind })
}

// CountReplay is a dry [Engine.Replay] in a store that no engine uses, of a
// flow of doc.
func CountReplay(ctx context.Context, s Store, doc *flows.Document, reg *Registry, flow string, o ReplayOptions) (int, error) {
	p, diags := planDocument(doc, reg, nil)
	if err := diags.Err(); err != nil {
		return 0, err
	}
	runs := false
	for _, f := range p.flows {
		if f.name != flow {
			continue
		}
		if !f.entered(o.To) {
			runs = true
			continue
		}
		log, err := f.open(ctx, s)
		if err != nil {
			return 0, err
		}
		cursor, err := log.Cursor(ctx, f.log)
		if err != nil {
			return 0, err
		}
		o.DryRun = true
		return (&replay{ReplayOptions: o}).run(ctx, log, cursor.Committed())
	}
	return 0, errNoEntrance(flow, o.To, runs)
}

// A replay is on its way.
type replay struct {
	ReplayOptions
	name string
	// put appends a batch, or says that it is to be tried again in a while.
	put    func(ctx context.Context, batch []*Event) (again bool, err error)
	events int    // so far
	gone   uint64 // between others, before their turn came
}

const (
	// replayAhead is how many events may wait in a log before a replay adds to
	// them, so that it takes neither the room nor the turn of what comes in.
	replayAhead = 2 * batchSize
	// replayPause is how long it waits then.
	replayPause = 20 * time.Millisecond
)

// run takes what log has up to last.
func (r *replay) run(ctx context.Context, log Log, last Offset) (int, error) {
	kept, ok := log.(KeptLog)
	if !ok {
		return 0, ErrNotKept
	}
	batch := make([]*Event, batchSize)
	for at := Offset(0); at < last; {
		n, err := kept.Kept(ctx, at, batch)
		if err != nil {
			return r.events, fmt.Errorf("reading kept events: %w", err)
		}
		if n == 0 {
			break
		}
		if at == 0 {
			at = batch[0].Offset - 1
		}
		r.gone += uint64(batch[n-1].Offset-at) - uint64(n)
		at = batch[n-1].Offset
		if err := r.take(ctx, r.choose(batch[:n], last)); err != nil {
			return r.events, err
		}
	}
	if r.gone > 0 {
		return r.events, fmt.Errorf("%d events were no longer there when their turn came", r.gone)
	}
	return r.events, nil
}

// choose returns copies of those of a batch that are to be taken.
func (r *replay) choose(batch []*Event, last Offset) []*Event {
	var chosen []*Event
	for _, e := range batch {
		if e.Offset > last || e.At != "" || e.Replay() != "" || e.Time.Before(r.Since) ||
			len(r.Types) > 0 && !slices.Contains(r.Types, e.Type) {
			continue
		}
		c := e.Copy()
		c.Offset, c.At = 0, r.To
		c.Meta = maps.Clone(e.Meta)
		if c.Meta == nil {
			c.Meta = Meta{}
		}
		c.Meta[replayed] = r.name
		chosen = append(chosen, c)
	}
	return chosen
}

// take puts a batch in, as soon as there is room for it.
func (r *replay) take(ctx context.Context, batch []*Event) error {
	for !r.DryRun && len(batch) > 0 {
		again, err := r.put(ctx, batch)
		if err == nil && !again {
			break
		}
		if !again {
			return fmt.Errorf("replaying: %w", err)
		}
		r.tell()
		select {
		case <-time.After(replayPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.events += len(batch)
	r.tell()
	return nil
}

func (r *replay) tell() {
	if r.Progress != nil {
		r.Progress(r.events)
	}
}
