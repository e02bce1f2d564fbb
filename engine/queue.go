package engine

import (
	"cmp"
	"context"
	_ "embed"
)

//go:embed queue.go
var queueSource string

// Queue ends a lane and begins another: it writes events to a log of its own,
// and what is behind it reads them from there.
var Queue = SinkSpec[QueueConfig]{
	About: About{
		Type:    "queue",
		Summary: "Ends a lane and begins another: what is behind it can be slow or down without holding up what is before it.",
		Example: "queue:",
		Source:  queueSource,
	},
	New: func(QueueConfig) (Sink, error) { return &queue{}, nil },
}

// QueueConfig is the configuration of a queue: it has none.
type QueueConfig struct{}

// A queue is the sink half of a queue node. The reader of its log is a flow of
// its own, which begins at the queue's entry.
type queue struct{ log Log }

func isQueue(impl any) bool {
	_, ok := impl.(*queue)
	return ok
}

func (q *queue) Open(_ context.Context, env *Env) error {
	q.log = env.queue
	return nil
}

func (q *queue) Write(ctx context.Context, batch []*Event) error { return WriteLog(ctx, q.log, batch) }

// WriteLog is the Write of a sink that writes into a log: it appends copies of
// events, which the log gives offsets of its own. Those that no log can hold are
// refused.
func WriteLog(ctx context.Context, log Log, batch []*Event) error {
	copies := make([]*Event, 0, len(batch))
	var refused Failures
	for _, e := range batch {
		c := e.Copy()
		c.ask = nil
		_, err := c.Data.Bytes()
		if err = cmp.Or(err, settleMeta([]*Event{c})); err != nil {
			refused = append(refused, Failed{e, Permanent(err)})
			continue
		}
		copies = append(copies, c)
	}
	if err := log.Append(ctx, copies); err != nil {
		return Unavailable(err, 0)
	}
	if refused != nil {
		return refused
	}
	return nil
}

// An entry is where events come in behind a queue: the source of its log, with
// nothing to do. They keep the name of the source they came in by.
type entry struct{}

func (entry) Run(context.Context, Inlet) error { return nil }

var entrySpec = SourceSpec[QueueConfig]{About: Queue.About, New: func(QueueConfig) (Source, error) { return entry{}, nil }}.declare()

// entryOf is the node behind a queue that its log leads to.
func entryOf(q *node) *node {
	return &node{id: q.id, doc: q.doc, part: &part{spec: entrySpec, impl: entry{}}}
}

func isEntry(n *node) bool {
	_, ok := n.impl.(entry)
	return ok
}

var (
	_ Opener = (*queue)(nil)
	_ Sink   = (*queue)(nil)
	_ Source = entry{}
)
