package engine

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Hooks are functions that the engine calls, so that somebody can watch it.
// Any of them may be nil. They are called by many goroutines and must not
// block.
type Hooks struct {
	// Batch is called once for each batch that a node is done with.
	Batch func(BatchInfo)
	// Step is called behind each attempt of a node at a batch, with what became
	// of each event. It must not keep the slices.
	Step func(Step)
	// Settled is called when the cursor of a flow was committed.
	Settled func(flow string, lag uint64)
	// GaveUp is called for each event that a node gave up.
	GaveUp func(DeadLetter)
	// Applied is called after each Apply, with its error.
	Applied func(Changes, time.Duration, error)
}

// BatchInfo is what a node did with a batch.
type BatchInfo struct {
	Flow, Node      string
	Type            string
	In, Out, Failed int
	Took            time.Duration // with its retries
}

// A Step is one attempt of a node at a batch.
type Step struct {
	Flow, Node string
	In         []*Event
	Out        []Emitted
	Failed     Failures // to be tried again, or given up
}

// Emitted is an event that a node passed on.
type Emitted struct {
	Port  string // empty for the only one
	Event *Event
}

// A NodeStatus is what a node has done since it was first loaded, over all
// reloads.
type NodeStatus struct {
	Flow, Node, Type string
	Kind             Kind
	In, Out, Failed  uint64
	LastError        string // or empty
	LastErrorAt      time.Time
}

// A probe counts what passes a node and lets it be tapped. It is kept by node
// id over reloads.
type probe struct {
	in, out, failed atomic.Uint64
	lastError       atomic.Pointer[nodeError]
	taps            atomic.Pointer[[]*Tap] // nil when nobody looks

	mu sync.Mutex // of changes of taps
}

type nodeError struct {
	message string
	at      time.Time
}

func (p *probe) failedWith(err error) {
	p.lastError.Store(&nodeError{err.Error(), time.Now()})
}

// show gives events to whoever taps the node; it drops rather than blocks.
func (p *probe) show(events []*Event) {
	taps := p.taps.Load()
	if taps == nil {
		return
	}
	for _, tap := range *taps {
		for _, e := range events {
			select {
			case tap.events <- e:
			default:
				tap.dropped.Add(1)
			}
		}
	}
}

// A Tap shows the events that a node passes on. It is safe for concurrent use.
type Tap struct {
	events  chan *Event
	dropped atomic.Uint64
	of      *probe
}

// Events are those that the node passed on. The channel is never closed.
func (t *Tap) Events() <-chan *Event { return t.events }

// Dropped is how many events were not shown, since nobody took those before
// them in time.
func (t *Tap) Dropped() uint64 { return t.dropped.Load() }

// Stop ends the tap.
func (t *Tap) Stop() {
	t.of.change(func(taps []*Tap) []*Tap {
		return slices.DeleteFunc(taps, func(other *Tap) bool { return other == t })
	})
}

func (p *probe) tap(size int) *Tap {
	t := &Tap{events: make(chan *Event, size), of: p}
	p.change(func(taps []*Tap) []*Tap { return append(taps, t) })
	return t
}

func (p *probe) change(f func([]*Tap) []*Tap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var taps []*Tap
	if now := p.taps.Load(); now != nil {
		taps = slices.Clone(*now)
	}
	if taps = f(taps); len(taps) == 0 {
		p.taps.Store(nil)
		return
	}
	p.taps.Store(&taps)
}
