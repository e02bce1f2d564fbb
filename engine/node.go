package engine

import (
	"context"
	"log/slog"
)

// A Source brings events in from outside.
type Source interface {
	// Run puts events in until ctx is done or there will be no more, and
	// returns nil then. An error is logged and Run is called again, later and
	// later.
	Run(ctx context.Context, in Inlet) error
}

// An Inlet is where a source puts its events. It is safe for concurrent use.
type Inlet interface {
	// Put returns nil when the events are safe: when the sender may forget
	// them. After an error some of them may be in nevertheless. It sets Node,
	// and Time where it is zero.
	Put(ctx context.Context, batch ...*Event) error

	// Ask puts in an event whose sender waits for an answer, beside the log,
	// and returns the answer that a [Replier] of the flow gives. In a flow
	// that has none it is Put, and then ErrNoAnswer, or ErrNotStored. An error
	// is ErrNoAnswer too when the event came to no Replier, the reason when it
	// failed on its way, and ctx's when ctx ended first: the event goes on all
	// the same.
	Ask(ctx context.Context, e *Event) (Answer, error)
}

// A Processor turns events into others.
type Processor interface {
	// Process handles a batch and emits what comes of it. Each event goes in
	// order, to be emitted or dropped or given to out.Fail. After an error
	// nothing that was emitted counts, and the same batch comes again.
	//
	// Lanes and waiting requests may call it at the same time. It must not
	// keep the batch slice.
	Process(ctx context.Context, batch []*Event, out *Outlet) error
}

// A Sink takes events out.
type Sink interface {
	// Write returns nil when all of the batch is delivered, a [Failures] when
	// some of it is not, and any other error when none of it is.
	//
	// Lanes and waiting requests may call it at the same time. It must not
	// keep the batch slice.
	Write(ctx context.Context, batch []*Event) error
}

// Each is a [Processor] from a function that handles one event. An error
// gives up that event alone.
type Each func(ctx context.Context, e *Event, out *Outlet) error

// Process calls f for each event.
func (f Each) Process(ctx context.Context, batch []*Event, out *Outlet) error {
	for _, e := range batch {
		if err := f(ctx, e, out); err != nil {
			out.Fail(e, err)
		}
	}
	return nil
}

// An Outlet takes what a processor makes of a batch.
type Outlet struct {
	emitted []*Event
	ports   []int // of what was emitted; empty while all of it was by the first
	failed  Failures
}

// Emit passes e on by the node's first port.
func (o *Outlet) Emit(e *Event) {
	o.emitted = append(o.emitted, e)
	if len(o.ports) > 0 {
		o.ports = append(o.ports, 0)
	}
}

// EmitTo passes e on by a port, counted from 0 in the order of the node's
// declaration.
func (o *Outlet) EmitTo(port int, e *Event) {
	o.Emit(e)
	if port == 0 {
		return
	}
	for len(o.ports) < len(o.emitted) {
		o.ports = append(o.ports, 0)
	}
	o.ports[len(o.ports)-1] = port
}

// port is the one by which the i-th event was emitted.
func (o *Outlet) port(i int) int {
	if len(o.ports) == 0 {
		return 0
	}
	return o.ports[i]
}

// Fail gives e up at this node: it goes to the node's error port, else to the
// dead letters. An error that is not [Permanent] is tried again first, if the
// node's retry says so.
func (o *Outlet) Fail(e *Event, err error) { o.failed = append(o.failed, Failed{e, err}) }

// Emitted lists what was emitted by a port, for tests of a node on its own.
func (o *Outlet) Emitted(port int) []*Event {
	var events []*Event
	for i, e := range o.emitted {
		if o.port(i) == port {
			events = append(events, e)
		}
	}
	return events
}

// Failures lists what failed, for tests of a node on its own.
func (o *Outlet) Failures() Failures { return o.failed }

func (o *Outlet) reset() { o.emitted, o.ports, o.failed = o.emitted[:0], o.ports[:0], o.failed[:0] }

// An Opener is a node that acquires something before it can work: a file, a
// connection, its keys. Constructors acquire nothing. Open is called once,
// while an older node of the same id may still be working.
type Opener interface {
	Open(ctx context.Context, env *Env) error
}

// A Closer is a node that holds something to be given back. Close is called
// once, after the last call of the node has returned, also when Open failed.
type Closer interface {
	Close() error
}

// A Holder is a processor that keeps events back for later. The flow's cursor
// stays behind the oldest event held, so a crash brings all of them again.
//
// Process takes events in, and of those it held before it emits none: Due
// does. It is given no event that is in no log. Where there is no room for a
// batch it takes nothing of it and returns an [Unavailable] error: the lane
// comes again with it.
//
// Due is called beside the lanes, by one goroutine at a time, while others call
// Process and Held.
type Holder interface {
	Processor
	// Held returns the smallest offset held, or false.
	Held() (Offset, bool)
	// Due emits what has become due and holds it no more. An event made of
	// several has the smallest of their offsets. After an error all that is
	// held comes again, and what was emitted with it.
	Due(ctx context.Context, out *Outlet) error
	// Wake sends when something is due. It must be one channel for the life
	// of the node. Due is also called when nothing is.
	Wake() <-chan struct{}
	// Forget drops all that is held: it comes again, together with what Due
	// emitted and nothing behind it has settled. No other method is called
	// meanwhile.
	Forget()
}

// A Replier is a sink that answers the request that brought an event, with
// [Event.Answer].
type Replier interface {
	Sink
	Replies()
}

// A Relay is a sink that passes on events of its own making, such as the
// reply it got, in place of those it was given.
type Relay interface {
	Sink
	// WriteOut is Write that emits what goes on. What it emits counts, but for
	// an error that is not a [Failures].
	WriteOut(ctx context.Context, batch []*Event, out *Outlet) error
}

// A Fed source brings what other flows have written, and has no end of its
// own: it is as good as finished while nothing waits for it.
type Fed interface {
	Source
	Settled() bool
}

// A Channel is a source that reads a topic, or a sink that writes one.
type Channel interface{ Topic() string }

// A Router is a source that takes HTTP requests; the engine owns the
// listener. Routes is also called with a nil inlet, to learn the paths alone.
// Run of such a source has nothing to do but wait for ctx.
type Router interface {
	Source
	Routes(in Inlet) []Route
}

// Routed is to be embedded in a [Router] that does nothing else: its Run waits
// for ctx. An engine does not even call it.
type Routed struct{}

func (Routed) waits() {}

// Run waits for ctx.
func (Routed) Run(ctx context.Context, _ Inlet) error {
	<-ctx.Done()
	return nil
}

// An Env is what a node finds around it when it is opened.
type Env struct {
	Flow string // name of the flow
	Node string // id of the node
	Log  *slog.Logger

	Keys        Keys        // dedupe keys of this node
	Checkpoints Checkpoints // of this node
	Share       *Share      // things that nodes share: pools, open files, pacing

	// Topic returns the log of a topic, which any flow may write and read.
	Topic func(ctx context.Context, name string) (Log, error)

	// Outside, if not nil, stands in for the world outside of the process: the
	// flow is rehearsed, and nothing of it may leave the machine.
	Outside *Outside

	queue Log // of a queue node
}
