package core

import (
	"context"
	_ "embed"
	"regexp"
	"sync/atomic"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed topic.go
var topicSource string

// TopicOut writes events to a topic.
var TopicOut = engine.SinkSpec[TopicConfig]{
	About: engine.About{
		Type:    "topic",
		Summary: "Writes each event to a topic, the durable way from one flow to another, or to many.",
		Example: "topic: calls",
		Source:  topicSource,
	},
	New: func(c TopicConfig) (engine.Sink, error) { return &topicOut{name: c.Name}, nil },
}

// TopicIn reads the events of a topic.
var TopicIn = engine.SourceSpec[TopicConfig]{
	About: engine.About{
		Type:    "topic",
		Summary: "Reads what the topic sinks of that name wrote, each event once in each flow that reads.",
		Example: "topic: calls",
		Source:  topicSource,
	},
	New: func(c TopicConfig) (engine.Source, error) { return &topicIn{name: c.Name}, nil },
}

// TopicConfig is the configuration of a topic, either way.
type TopicConfig struct {
	// Name is the topic's name: the flows that write it and those that read it
	// have it in common.
	Name string `flow:"name,main,required"`
}

var topicName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Validate refuses a name that is none.
func (c *TopicConfig) Validate(report flows.Report) {
	if !topicName.MatchString(c.Name) {
		report("name", "want a name of small letters, digits and hyphens, got %q", c.Name)
	}
}

type topicOut struct {
	name string
	log  engine.Log
}

func (t *topicOut) Open(ctx context.Context, env *engine.Env) (err error) {
	t.log, err = env.Topic(ctx, t.name)
	return err
}

func (t *topicOut) Write(ctx context.Context, batch []*engine.Event) error {
	return engine.WriteLog(ctx, t.log, batch)
}

type topicIn struct {
	name   string
	log    engine.Log
	reader string // name of its cursor

	cursor atomic.Pointer[engine.Cursor] // that Run reads by
}

// Open takes the cursor, from when on the topic keeps events for it.
func (t *topicIn) Open(ctx context.Context, env *engine.Env) (err error) {
	if t.log, err = env.Topic(ctx, t.name); err != nil {
		return err
	}
	t.reader = env.Flow + "." + env.Node
	_, err = t.log.Cursor(ctx, t.reader)
	return err
}

// Run puts in what the topic holds behind the cursor. Committed is only what
// is safe in this flow. It takes the cursor anew: a node that was to take the
// place of this one may have had it, and not have come to run.
func (t *topicIn) Run(ctx context.Context, in engine.Inlet) error {
	cursor, err := t.log.Cursor(ctx, t.reader)
	if err != nil {
		return err
	}
	t.cursor.Store(&cursor)
	batch := make([]*engine.Event, 256)
	for {
		n, err := cursor.Next(ctx, batch)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		last := batch[n-1].Offset
		copies := make([]*engine.Event, n)
		for i, e := range batch[:n] {
			copies[i] = e.Copy()
		}
		if err := in.Put(ctx, copies...); err != nil {
			return err
		}
		if err := cursor.Commit(ctx, last); err != nil {
			return err
		}
	}
}

// Settled reports whether all that the topic holds is safe in this flow.
func (t *topicIn) Settled() bool {
	cursor := t.cursor.Load()
	return cursor != nil && (*cursor).Committed() >= t.log.End()
}

// Topic is the name of the topic.
func (t *topicIn) Topic() string { return t.name }

// Topic is the name of the topic.
func (t *topicOut) Topic() string { return t.name }

var (
	_ engine.Channel  = (*topicIn)(nil)
	_ engine.Channel  = (*topicOut)(nil)
	_ engine.Fed      = (*topicIn)(nil)
	_ engine.Opener   = (*topicOut)(nil)
	_ engine.Sink     = (*topicOut)(nil)
	_ engine.Opener   = (*topicIn)(nil)
	_ engine.Source   = (*topicIn)(nil)
	_ flows.Validator = (*TopicConfig)(nil)
)
