package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/flowd/flowd/flows"
)

// An Orphan is what waits in a log for a reader that is no longer in the
// document: for a flow or a queue that was taken out while nothing ran, or for
// the flow that read a topic.
type Orphan struct {
	Log    string // FLOW, FLOW.QUEUE or topic:NAME
	Cursor string // of the reader: FLOW, FLOW.QUEUE, or FLOW.NODE for a topic
	Events uint64
}

// Of reports whether o is part of a flow, or is that queue or node of one.
func (o Orphan) Of(name string) bool {
	return o.Cursor == name || strings.HasPrefix(o.Cursor, name+".")
}

// A TendedStore is a [Store] that lets go, after a while, of what waits for
// nobody.
type TendedStore interface {
	Store
	// Tend tells whose cursors are wanted. Until it is called all are, and so
	// is any that is opened later. What waits for the others is kept as long as
	// if it were delivered, and a log without any cursor is taken as delivered.
	Tend(wanted func(log, cursor string) bool)
	// Orphans lists what waits for cursors that are not wanted.
	Orphans() []Orphan
	// Drop gives up what waits for one cursor of a log, and with no name of a
	// cursor all of the log up to now.
	Drop(ctx context.Context, log, cursor string) error
}

// A cursorName is a cursor of a log.
type cursorName struct{ log, cursor string }

// A readership is the cursors of topics that a node has opened.
type readership struct {
	mu      sync.Mutex
	cursors []cursorName
}

// A topicLog notes who reads it.
type topicLog struct {
	Log
	name    string
	readers *readership
}

func (t *topicLog) Cursor(ctx context.Context, name string) (Cursor, error) {
	t.readers.mu.Lock()
	if c := (cursorName{t.name, name}); !slices.Contains(t.readers.cursors, c) {
		t.readers.cursors = append(t.readers.cursors, c)
	}
	t.readers.mu.Unlock()
	return t.Log.Cursor(ctx, name)
}

const topicPrefix = "topic:"

// topic returns the log of a topic for a node.
func (e *Engine) topic(n *node) func(ctx context.Context, name string) (Log, error) {
	return func(ctx context.Context, name string) (Log, error) {
		log, err := e.store.Queue(ctx, topicPrefix+name)
		if err != nil {
			return nil, err
		}
		return &topicLog{log, topicPrefix + name, &n.part.reads}, nil
	}
}

// tend tells the store whose cursors are wanted. The caller holds mu.
func (e *Engine) tend() {
	s, ok := e.store.(TendedStore)
	if !ok {
		return
	}
	wanted := map[cursorName]bool{}
	for _, f := range e.list() {
		wanted[cursorName{f.reads, f.reads}] = true
		for _, n := range f.live.nodes {
			n.reads.mu.Lock()
			for _, c := range n.reads.cursors {
				wanted[c] = true
			}
			n.reads.mu.Unlock()
		}
	}
	s.Tend(func(log, cursor string) bool { return wanted[cursorName{log, cursor}] })
}

func (e *Engine) warnOfOrphans() {
	for _, o := range e.Orphans() {
		e.log.Warn("events wait for a flow that is not in the document: put it back, or drop them with flowd forget; they go when they are older than is kept",
			"flow", o.Cursor, "log", o.Log, "events", o.Events)
	}
}

// Orphans lists what waits for flows that do not run.
func (e *Engine) Orphans() []Orphan { return orphansOf(e.store) }

func orphansOf(s Store) []Orphan {
	if tended, ok := s.(TendedStore); ok {
		return tended.Orphans()
	}
	return nil
}

// ErrNoOrphan is returned, wrapped, by a Forget that finds nothing to drop.
var ErrNoOrphan = errors.New("nothing waits for it")

// Forget drops what waits for a flow that does not run, or for one queue or
// node of it (FLOW.NODE), and returns how many events that were. It never
// touches what waits for a flow that runs.
func (e *Engine) Forget(ctx context.Context, name string) (uint64, error) {
	e.mu.Lock() // no Apply brings the flow back meanwhile
	defer e.mu.Unlock()
	if e.stopped {
		return 0, errStopped
	}
	return forget(ctx, e.store, name)
}

func forget(ctx context.Context, s Store, name string) (events uint64, err error) {
	for _, o := range orphansOf(s) {
		if !o.Of(name) {
			continue
		}
		cursor := o.Cursor
		if cursor == o.Log { // its only reader: a flow of that name begins behind what is dropped
			cursor = ""
		}
		if err := s.(TendedStore).Drop(ctx, o.Log, cursor); err != nil {
			return events, fmt.Errorf("dropping what waits in %s: %w", o.Log, err)
		}
		events += o.Events
	}
	if events == 0 {
		return 0, fmt.Errorf("%q: %w", name, ErrNoOrphan)
	}
	return events, nil
}

// StoredOrphans is [Engine.Orphans] in a store that no engine uses: what waits
// for flows that are not in doc.
func StoredOrphans(s Store, doc *flows.Document, reg *Registry) ([]Orphan, error) {
	p, diags := planDocument(doc, reg, nil)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, f := range p.flows {
		wanted[f.log] = true
		for _, n := range f.nodes { // which of them read topics is not known before they are opened
			wanted[f.name+"."+n.id] = true
		}
	}
	if tended, ok := s.(TendedStore); ok {
		tended.Tend(func(_, cursor string) bool { return wanted[cursor] })
	}
	return orphansOf(s), nil
}

// ForgetStored is [Engine.Forget] in a store that no engine uses.
func ForgetStored(ctx context.Context, s Store, doc *flows.Document, reg *Registry, name string) (uint64, error) {
	if _, err := StoredOrphans(s, doc, reg); err != nil {
		return 0, err
	}
	return forget(ctx, s, name)
}
