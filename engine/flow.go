package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A flow is a running flow: its log, the reader of it, its sources and the
// plan they work by. It lives as long as a document has a flow of its name.
type flow struct {
	engine *Engine
	name   string
	reads  string // name of its log
	store  Log
	cursor Cursor
	ctx    context.Context // ends when work in hand must end
	cancel context.CancelFunc

	draining   bool // no longer in the document; guarded by the engine
	succession succession
	shut       atomic.Bool   // it ends, and takes nothing more
	puts       atomic.Int64  // appends on their way
	taken      atomic.Uint64 // the offset up to which the reader has given events to the lanes
	paced      atomic.Uint64 // what that was when a source put in a batch
	writers    atomic.Int64  // of a queue: plans that may write to it
	gate       *gate
	trouble    atomic.Pointer[error] // why the log can't be read, since the last commit

	mu     sync.Mutex
	live   *livePlan // nil when the flow has stopped
	probes map[string]*probe

	reading     context.Context // ends when no new batch may be begun
	stopReading context.CancelFunc
	progress    chan struct{} // tells of a commit
	reached     Offset        // the last offset that all lanes have walked since a rewind; guarded by the crew
	walks       sync.WaitGroup
	asks        atomic.Int64
	spare       sync.Pool // of *lane, for asks
}

// A livePlan is a flowPlan that is running. It is left by its last user before
// what it does not share with the next plan is closed.
type livePlan struct {
	*flowPlan
	sources map[string]*node
	gone    map[string][]string // by id of a source that plans before had: the nodes it led to
	holders []*node
	feeds   []*flow         // behind its queues
	after   []turn          // what comes before it
	begun   atomic.Bool     // its turn has come
	work    context.Context // ends when another plan takes its place
	retire  context.CancelFunc
	users   sync.WaitGroup
}

// errStopped is what a source of a flow that has stopped is told.
var errStopped = errors.New("the flow has stopped")

func newLivePlan(p *flowPlan) *livePlan {
	lp := &livePlan{flowPlan: p, sources: map[string]*node{}}
	lp.work, lp.retire = context.WithCancel(context.Background())
	for _, n := range p.nodes {
		if n.spec.Kind == SourceKind {
			lp.sources[n.id] = n
		}
		if n.holds() {
			lp.holders = append(lp.holders, n)
		}
	}
	return lp
}

// remember keeps where the sources led that the plan before had and this one
// has not: what came in by them may still be in the log.
func (p *livePlan) remember(before *livePlan) {
	if before == nil {
		return
	}
	p.gone = maps.Clone(before.gone)
	if p.gone == nil {
		p.gone = map[string][]string{}
	}
	for id, n := range before.sources {
		var led []string
		for _, to := range slices.Concat(n.out...) {
			led = append(led, before.nodes[to].id)
		}
		p.gone[id] = led
	}
	for id := range p.sources {
		delete(p.gone, id)
	}
}

// openFlow opens the log that p reads. It runs nothing yet.
func (e *Engine) openFlow(ctx context.Context, p *flowPlan) (*flow, error) {
	store, err := p.open(ctx, e.store)
	if err != nil {
		return nil, err
	}
	cursor, err := store.Cursor(ctx, p.log)
	if err != nil {
		return nil, err
	}
	return e.newFlow(p, store, cursor), nil
}

func (e *Engine) newFlow(p *flowPlan, store Log, cursor Cursor) *flow {
	f := &flow{
		engine: e, name: p.name, reads: p.log, gate: e.gates.of(p.name), store: store, cursor: cursor,
		succession: succession{sealed: make(chan struct{}), ended: make(chan struct{})},
		probes:     map[string]*probe{}, progress: make(chan struct{}, 1),
	}
	f.ctx, f.cancel = context.WithCancel(e.ctx)
	f.reading, f.stopReading = context.WithCancel(f.ctx)
	return f
}

// open returns the log that f reads.
func (f *flowPlan) open(ctx context.Context, s Store) (Log, error) {
	if f.queue {
		return s.Queue(ctx, f.log)
	}
	return s.Log(ctx, f.log)
}

// swap puts a plan in the place of the one before, which it returns, retired.
func (f *flow) swap(p *livePlan) *livePlan {
	f.mu.Lock()
	old := f.live
	f.live = p
	f.mu.Unlock()
	if old != nil {
		old.retire()
	}
	return old
}

// works reports whether f works by p already. No flow does not.
func (f *flow) works(p *flowPlan) bool { return f != nil && f.live != nil && f.live.flowPlan == p }

// enter returns the plan to work by, which must be left; nil if there is none
// any more.
func (f *flow) enter() *livePlan {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live != nil {
		f.live.users.Add(1)
	}
	return f.live
}

func (f *flow) leave(p *livePlan) { p.users.Done() }

// probe returns the probe of a node id, which outlives plans.
func (f *flow) probe(id string) *probe {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.probes[id]
	if p == nil {
		p = &probe{}
		f.probes[id] = p
	}
	return p
}

// put appends events to the log. It waits no longer than the flow lives.
func (f *flow) put(ctx context.Context, batch ...*Event) error {
	f.puts.Add(1)
	defer f.puts.Add(-1)
	if f.shut.Load() || f.reading.Err() != nil {
		return errStopped
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.ctx, func() { cancel(errStopped) })()
	if err := f.succession.wait(ctx); err != nil {
		return err
	}
	return f.store.Append(ctx, batch)
}

// inlet is where the source node id puts its events.
func (f *flow) inlet(id string) Inlet { return &inlet{f, id, f.probe(id)} }

type inlet struct {
	flow *flow
	node string
	*probe
}

func (in *inlet) Put(ctx context.Context, batch ...*Event) error {
	if len(batch) == 0 {
		return nil
	}
	if err := in.stamp(batch); err != nil {
		return err
	}
	if err := in.flow.put(ctx, batch...); err != nil {
		return err
	}
	in.passed(batch)
	in.flow.pace(ctx, batch)
	return nil
}

func (in *inlet) Ask(ctx context.Context, e *Event) (Answer, error) {
	if err := in.stamp([]*Event{e}); err != nil {
		return Answer{}, err
	}
	in.passed([]*Event{e})
	return in.flow.ask(ctx, e)
}

func (in *inlet) stamp(batch []*Event) error {
	now := time.Now()
	for _, e := range batch {
		e.Node, e.ask = in.node, nil
		if e.Time.IsZero() {
			e.Time = now
		}
		e.Time = e.Time.Round(0).UTC() // as a log gives it back
	}
	return settleMeta(batch)
}

func (in *inlet) passed(batch []*Event) {
	in.out.Add(uint64(len(batch)))
	if in.taps.Load() != nil {
		in.show(batch)
	}
}

// takeBack puts events that could not go their way to the end beside the log
// into it: from there they go on at the nodes they are sent to, or the whole
// way again.
func (f *flow) takeBack(batch []*Event) {
	if len(batch) == 0 {
		return
	}
	for i, e := range batch {
		batch[i] = e.Copy()
		batch[i].Offset, batch[i].ask = 0, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.engine.ctx), f.engine.drain)
	defer cancel()
	var err error
	if m, ok := f.store.(*memoryLog); ok { // whose Append waits until the events are through
		_, err = m.add(batch)
	} else {
		err = f.store.Append(ctx, batch)
	}
	if err != nil {
		for _, e := range batch {
			f.engine.log.Error("an event that passed beside the log is lost", "flow", f.name, "id", e.ID, "type", e.Type, "error", err)
		}
	}
}

// bury stores dead letters. It tries until it succeeds or the flow is stopped.
func (f *flow) bury(ctx context.Context, dead []DeadLetter) error {
	if len(dead) == 0 {
		return nil
	}
	for i := range dead {
		dead[i].Event = storable(dead[i].Event)
	}
	for try := 1; ; try++ {
		err := f.engine.store.DeadLetters().Add(ctx, dead...)
		if err == nil {
			break
		}
		f.engine.log.Error("storing dead letters", "flow", f.name, "count", len(dead), "error", err)
		select {
		case <-time.After(backoff(DefaultRetry, try)):
		case <-ctx.Done():
			return errAbandoned
		}
	}
	for _, d := range dead {
		f.engine.log.Error("gave up an event", "flow", f.name, "node", d.Failure.Node,
			"id", d.Event.ID, "type", d.Event.Type, "attempts", d.Failure.Attempts, "error", d.Failure.Message)
		if f.engine.hooks.GaveUp != nil {
			f.engine.hooks.GaveUp(d)
		}
	}
	return nil
}

// storable is e without what no store can hold.
func storable(e *Event) *Event {
	c := e.Copy()
	if _, err := c.Data.Bytes(); err != nil {
		c.Data = Value(err.Error())
	}
	if settleMeta([]*Event{c}) != nil {
		c.Meta = nil
	}
	return c
}

func (f *flow) count(n *node, info BatchInfo) {
	n.in.Add(uint64(info.In))
	n.probe.out.Add(uint64(info.Out))
	n.failed.Add(uint64(info.Failed))
	if f.engine.hooks.Batch != nil {
		f.engine.hooks.Batch(info)
	}
}

func (f *flow) log(n *node) *slog.Logger {
	return f.engine.log.With("flow", f.name, "node", n.id)
}
