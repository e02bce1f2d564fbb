package engine

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowd/flowd/flows"
)

// Options are what an engine may be given. The zero Options are fine.
type Options struct {
	Store Store         // [MemoryStore] if nil; the caller closes it behind the engine
	Log   *slog.Logger  // [slog.Default] if nil
	Hooks Hooks         // to watch it
	Drain time.Duration // for work in hand when Run ends; 10 s if 0
	// Listen, if set, is where webhooks arrive, whatever the document says.
	Listen string
}

// An Engine runs the flows of a document. Its methods are safe for concurrent
// use.
type Engine struct {
	registry *Registry
	store    Store
	log      *slog.Logger
	hooks    Hooks
	drain    time.Duration
	address  string // Options.Listen
	share    Share
	besides  atomic.Uint64 // events that went beside a log
	gates    gates
	retries  retries
	ctx      context.Context
	cancel   context.CancelFunc

	mu       sync.Mutex       // held by Apply and stop, which may take long
	view     sync.RWMutex     // held by who changes flows, their plans or the listener, within mu
	flows    map[string]*flow // by the log they read
	running  map[*part]*sourceRun
	listener *listener
	stopped  bool

	closing sync.WaitGroup // parts that wait for their last user
	readers sync.WaitGroup
	sources sync.WaitGroup
}

// New returns an engine that knows the node types of reg. It does nothing
// until a document is applied.
func New(reg *Registry, o Options) *Engine {
	e := &Engine{
		registry: reg, store: o.Store, log: o.Log, hooks: o.Hooks, drain: o.Drain, address: o.Listen,
		flows: map[string]*flow{}, running: map[*part]*sourceRun{},
	}
	if e.store == nil {
		e.store = MemoryStore()
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	if e.drain == 0 {
		e.drain = 10 * time.Second
	}
	e.besides.Store(uint64(time.Now().UnixNano())) // keys outlive the process, and so must offsets differ
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Check finds every mistake of a document that can be found without running
// it. It acquires nothing.
func Check(doc *flows.Document, reg *Registry) flows.Diagnostics {
	_, diags := planDocument(doc, reg, nil)
	return diags.Sorted()
}

// Check is [Check] of a document that is to be applied next: what runs already
// needs no second look.
func (e *Engine) Check(doc *flows.Document) flows.Diagnostics {
	e.view.RLock()
	running := e.plans()
	e.view.RUnlock()
	_, diags := planDocument(doc, e.registry, running)
	return diags.Sorted()
}

// plans are the plans by which each flow works, its own one first. The caller
// holds mu or view.
func (e *Engine) plans() map[string][]*flowPlan {
	all := map[string][]*flowPlan{}
	ends := map[string]bool{}
	for _, f := range e.list() { // a flow comes before its queues
		all[f.name] = append(all[f.name], f.live.flowPlan)
		ends[f.name] = ends[f.name] || f.draining
	}
	maps.DeleteFunc(all, func(name string, plans []*flowPlan) bool { return ends[name] || plans[0].queue })
	return all
}

// Run waits until ctx is done, or until every source has finished and all is
// delivered, and then stops the engine: listeners stop accepting, sources end,
// lanes finish the batch in hand, nodes are closed. It returns nil if that
// took no longer than Options.Drain. An engine runs once.
func (e *Engine) Run(ctx context.Context) error {
	finished := make(chan struct{})
	waiting, stopWaiting := context.WithCancel(ctx)
	go func() {
		defer close(finished)
		e.waitFinished(waiting)
	}()
	<-finished
	stopWaiting()
	return e.stop()
}

// waitFinished returns when ctx is done, or when no source runs and every log
// is settled.
func (e *Engine) waitFinished(ctx context.Context) {
	for ctx.Err() == nil {
		e.mu.Lock()
		runs := make([]*sourceRun, 0, len(e.running))
		for _, run := range e.running {
			runs = append(runs, run)
		}
		all := e.list()
		e.mu.Unlock()
		if done := firstUnfinished(runs); done != nil {
			select {
			case <-done:
			case <-ctx.Done():
			}
			continue
		}
		fed := allFed(runs)
		unsettled := unsettledOf(all)
		if fed && unsettled < 0 && allFed(runs) {
			return
		}
		var progress <-chan struct{}
		if unsettled >= 0 {
			progress = all[unsettled].progress
		}
		select {
		case <-progress:
		case <-time.After(50 * time.Millisecond): // a reload may have changed the flows
		case <-ctx.Done():
		}
	}
}

// unsettledOf returns the first flow that is not settled, or -1. What one flow
// hands to another meanwhile shows in the ends of the logs.
func unsettledOf(all []*flow) int {
	before := endsOf(all)
	unsettled := slices.IndexFunc(all, func(f *flow) bool { return !f.settled() })
	if unsettled < 0 && !slices.Equal(before, endsOf(all)) {
		return 0
	}
	return unsettled
}

func endsOf(all []*flow) []Offset {
	ends := make([]Offset, len(all))
	for i, f := range all {
		ends[i] = f.store.End()
	}
	return ends
}

// allFed reports whether nothing waits for any [Fed] source.
func allFed(runs []*sourceRun) bool {
	return !slices.ContainsFunc(runs, func(run *sourceRun) bool {
		fed, ok := run.source.(Fed)
		return ok && !fed.Settled()
	})
}

func firstUnfinished(runs []*sourceRun) <-chan struct{} {
	for _, run := range runs {
		if _, ok := run.source.(Fed); ok {
			continue
		}
		select {
		case <-run.done:
		default:
			return run.done
		}
	}
	return nil
}

// settled reports whether all that came into the flow has been through it.
func (f *flow) settled() bool { return f.asks.Load() == 0 && f.waiting() == 0 }

// waiting counts the events of the flow's log that are still to be settled by
// it.
func (f *flow) waiting() uint64 {
	done := f.cursor.Committed()
	last := min(f.store.End(), f.sealedAt())
	return uint64(last - min(done, last))
}

// list is the running flows by the logs they read, the latest one of each log
// first. The caller holds mu or view.
func (e *Engine) list() []*flow {
	all := make([]*flow, 0, len(e.flows))
	for _, f := range e.flows {
		for ; f != nil; f = f.succession.before {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b *flow) int { return strings.Compare(a.reads, b.reads) })
	return all
}

// stop ends everything in the order of the path of an event.
func (e *Engine) stop() error {
	e.mu.Lock()
	e.stopped = true // from here on nothing changes what runs
	all, running, l := e.list(), e.running, e.listener
	e.view.Lock()
	e.flows = nil
	e.view.Unlock()
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), e.drain)
	defer cancel()
	if l != nil {
		l.close(ctx, e.cancel)
	}
	for _, run := range running {
		run.cancel()
	}
	err := wait(ctx, &e.sources)
	for _, f := range all {
		f.stopReading()
	}
	var work sync.WaitGroup
	work.Go(func() {
		e.readers.Wait()
		for _, f := range all {
			f.walks.Wait()
		}
	})
	if late := wait(ctx, &work); late != nil { // what takes too long is given up
		err = late
		e.cancel()
		grace, cancel := context.WithTimeout(context.Background(), e.drain)
		defer cancel()
		if wait(grace, &work) != nil {
			e.log.Error("nodes that do not end are left as they are")
			return err
		}
	}
	e.cancel()
	for _, f := range all {
		f.end().close()
		f.cancel()
	}
	e.closing.Wait()
	return err
}

// wait waits for a group until ctx ends.
func wait(ctx context.Context, g *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { g.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Address returns where webhooks arrive, or nothing if no source takes any.
func (e *Engine) Address() string {
	e.view.RLock()
	defer e.view.RUnlock()
	if e.listener == nil {
		return ""
	}
	return e.listener.bound
}

// Nodes lists what every node has done.
func (e *Engine) Nodes() []NodeStatus {
	e.view.RLock()
	defer e.view.RUnlock()
	var all []NodeStatus
	for f, n := range e.each {
		s := NodeStatus{
			Flow: f.name, Node: n.id, Type: n.spec.Type, Kind: n.spec.Kind,
			In: n.in.Load(), Out: n.probe.out.Load(), Failed: n.failed.Load(),
		}
		if last := n.lastError.Load(); last != nil {
			s.LastError, s.LastErrorAt = last.message, last.at
		}
		all = append(all, s)
	}
	return all
}

// each calls yield for each node until it returns false. One that has moved
// while what is in a queue is still delivered to where it was is where it is
// now. The caller holds view.
func (e *Engine) each(yield func(*flow, *node) bool) {
	all := e.list()
	stands := func(in *flow, id string) bool {
		return slices.ContainsFunc(all, func(f *flow) bool {
			return f.name == in.name && !f.draining && slices.ContainsFunc(f.live.nodes, func(n *node) bool { return n.id == id && !isEntry(n) })
		})
	}
	for _, f := range all {
		for _, n := range f.live.nodes {
			if isEntry(n) || f.draining && stands(f, n.id) {
				continue
			}
			if !yield(f, n) {
				return
			}
		}
	}
}

// Tap shows the events that a node passes on from now, until it is stopped. It
// holds size events and drops what does not fit, so that nobody who looks holds
// up the flow. ok is false if there is no such node.
func (e *Engine) Tap(flow, node string, size int) (tap *Tap, ok bool) {
	e.view.RLock()
	defer e.view.RUnlock()
	for f, n := range e.each {
		if f.name == flow && n.id == node {
			return n.tap(size), true
		}
	}
	return nil, false
}
