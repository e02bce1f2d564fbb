package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	memoryLogEvents = 1 << 16 // an in-memory log holds at most so many
	memoryLetters   = 10_000  // dead letters kept in memory; the oldest go first
)

// MemoryStore returns a store that forgets everything at the end of the
// process. Its Append returns when the events have been through the flow, so a
// source that can send again still loses nothing.
func MemoryStore() Store {
	return &memoryStore{
		logs: map[string]*memoryLog{}, keys: map[string]*memoryKeys{}, checkpoints: map[string]*memoryCheckpoints{},
	}
}

type memoryStore struct {
	mu          sync.Mutex
	logs        map[string]*memoryLog
	keys        map[string]*memoryKeys
	checkpoints map[string]*memoryCheckpoints
	letters     memoryDeadLetters
}

// once returns the item of that name, made at the first call.
func once[T any](s *memoryStore, items map[string]*T, name string, create func() *T) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	item := items[name]
	if item == nil {
		item = create()
		items[name] = item
	}
	return item
}

func (s *memoryStore) Log(_ context.Context, flow string) (Log, error) {
	return once(s, s.logs, flow, func() *memoryLog {
		return &memoryLog{cursors: map[string]*memoryCursor{}, grown: make(chan struct{})}
	}), nil
}

func (s *memoryStore) Queue(_ context.Context, name string) (Log, error) {
	return once(s, s.logs, name, func() *memoryLog {
		return &memoryLog{cursors: map[string]*memoryCursor{}, grown: make(chan struct{}), queue: true}
	}), nil
}

func (s *memoryStore) Keys(_ context.Context, flow, node string) (Keys, error) {
	return once(s, s.keys, flow+"."+node, func() *memoryKeys {
		return &memoryKeys{began: time.Now()}
	}), nil
}

func (s *memoryStore) Checkpoints(_ context.Context, flow, node string) (Checkpoints, error) {
	return once(s, s.checkpoints, flow+"."+node, func() *memoryCheckpoints {
		return &memoryCheckpoints{values: map[string][]byte{}}
	}), nil
}

// Tend forgets what queues and topics hold for those who are not wanted: in
// memory nothing waits for somebody to come back.
func (s *memoryStore) Tend(wanted func(log, cursor string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.logs {
		l.tend(func(cursor string) bool { return wanted(name, cursor) })
	}
}

// Orphans are none.
func (s *memoryStore) Orphans() []Orphan { return nil }

// Drop has nothing to do.
func (s *memoryStore) Drop(context.Context, string, string) error { return nil }

func (s *memoryStore) DeadLetters() DeadLetters { return &s.letters }

// Close lets go of those who wait.
func (s *memoryStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		l.close()
	}
	return nil
}

// A memoryLog keeps the events that some cursor has not committed.
type memoryLog struct {
	mu      sync.Mutex
	events  []*Event // offsets first+1 … end, without gaps
	array   []*Event // what they lie in, from its beginning; empty
	first   Offset   // the offset before events[0]
	cursors map[string]*memoryCursor
	waiting []appended
	grown   chan struct{} // closed when there is more to read
	closed  bool
	queue   bool // Append does not wait
}

// appended is an Append that waits until end is committed.
type appended struct {
	end  Offset
	done chan struct{}
}

func (l *memoryLog) Append(ctx context.Context, batch []*Event) error {
	if len(batch) == 0 {
		return nil
	}
	done, err := l.add(batch)
	if err != nil || l.queue {
		return err
	}
	select {
	case <-done:
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed && l.committed() < batch[len(batch)-1].Offset {
			return errStopped
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *memoryLog) add(batch []*Event) (<-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errStopped
	}
	if len(l.events)+len(batch) > max(memoryLogEvents, len(batch)) {
		return nil, fmt.Errorf("%w: %d events are in memory", ErrFull, len(l.events))
	}
	end := l.end()
	for _, e := range batch {
		end++
		e.Offset = end
	}
	if l.queue && len(l.cursors) == 0 { // nobody reads it
		l.first = end
		return nil, nil
	}
	l.push(batch)
	l.wake()
	if l.queue {
		return nil, nil
	}
	done := make(chan struct{})
	l.waiting = append(l.waiting, appended{end, done})
	return done, nil
}

// push puts events behind the others. Where that takes more room, those go to
// the front of their array, if half of it is free, else into a larger one.
func (l *memoryLog) push(batch []*Event) {
	before, all := l.events, len(l.events)+len(batch)
	switch {
	case all <= cap(before):
	case all <= cap(l.array)/2:
		l.events = append(l.array, before...)
		clear(before)
	default:
		l.array = make([]*Event, 0, 2*all)
		l.events = append(l.array, before...)
	}
	l.events = append(l.events, batch...)
}

// wake lets those who wait to read look again.
func (l *memoryLog) wake() {
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *memoryLog) end() Offset { return l.first + Offset(len(l.events)) }

func (l *memoryLog) End() Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

// committed is what every cursor has committed.
func (l *memoryLog) committed() Offset {
	if len(l.cursors) == 0 {
		return l.first
	}
	least := l.end()
	for _, c := range l.cursors {
		least = min(least, c.committed)
	}
	return least
}

// trim forgets what is committed and tells those who wait for it.
func (l *memoryLog) trim() {
	done := l.committed()
	if n := int(done - l.first); n > 0 {
		clear(l.events[:n])
		l.events = l.events[n:]
		l.first = done
	}
	for len(l.waiting) > 0 && l.waiting[0].end <= done {
		close(l.waiting[0].done)
		l.waiting = l.waiting[1:]
	}
}

func (l *memoryLog) tend(wanted func(cursor string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.queue {
		return // a flow has delivered all before it goes
	}
	for name := range l.cursors {
		if !wanted(name) {
			delete(l.cursors, name)
			l.wake()
		}
	}
	if len(l.cursors) == 0 { // nobody reads it
		l.first, l.events, l.array = l.end(), nil, nil
		return
	}
	l.trim()
}

func (l *memoryLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, w := range l.waiting {
		close(w.done)
	}
	l.waiting = nil
	close(l.grown)
}

func (l *memoryLog) Cursor(_ context.Context, name string) (Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &memoryCursor{log: l, name: name, committed: l.first, at: l.first}
	if before := l.cursors[name]; before != nil {
		c.committed, c.at = before.committed, before.committed
	}
	l.cursors[name] = c
	l.wake() // the one before, to learn that it is no more
	return c, nil
}

// errTakenOver is what a cursor gets when there is another of its name.
var errTakenOver = errors.New("another reader has taken the cursor over")

type memoryCursor struct {
	log       *memoryLog
	name      string
	committed Offset
	at        Offset // of the last event read
}

func (c *memoryCursor) Next(ctx context.Context, batch []*Event) (int, error) {
	for {
		n, grown, err := c.read(batch)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (c *memoryCursor) read(batch []*Event) (int, <-chan struct{}, error) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if c.log.closed {
		return 0, nil, errStopped
	}
	if c.log.cursors[c.name] != c {
		return 0, nil, errTakenOver
	}
	n := copy(batch, c.log.events[c.at-c.log.first:])
	c.at += Offset(n)
	return n, c.log.grown, nil
}

func (c *memoryCursor) Commit(_ context.Context, o Offset) error {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if c.log.cursors[c.name] != c {
		return errTakenOver
	}
	c.committed = max(c.committed, o)
	c.log.trim()
	return nil
}

func (c *memoryCursor) Committed() Offset {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.committed
}

func (c *memoryCursor) Seek(o Offset) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.at = max(o, c.log.first)
}

type memoryCheckpoints struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (c *memoryCheckpoints) Load(_ context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[key], nil
}

func (c *memoryCheckpoints) Save(_ context.Context, key string, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value == nil {
		delete(c.values, key)
	} else {
		c.values[key] = slices.Clone(value)
	}
	return nil
}

func (c *memoryCheckpoints) Range(_ context.Context, yield func(key string, value []byte) bool) error {
	c.mu.Lock()
	values := maps.Clone(c.values)
	c.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !yield(key, values[key]) {
			break
		}
	}
	return nil
}

type memoryDeadLetters struct {
	mu      sync.Mutex
	letters []DeadLetter
	last    int
}

func (d *memoryDeadLetters) Add(_ context.Context, letters ...DeadLetter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range letters {
		d.last++
		l.ID = strconv.Itoa(d.last)
		d.letters = append(d.letters, l)
	}
	if n := len(d.letters) - memoryLetters; n > 0 {
		d.letters = slices.Delete(d.letters, 0, n)
	}
	return nil
}

func (d *memoryDeadLetters) List(context.Context) ([]DeadLetter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.letters), nil
}

func (d *memoryDeadLetters) Remove(_ context.Context, ids ...string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letters = slices.DeleteFunc(d.letters, func(l DeadLetter) bool { return slices.Contains(ids, l.ID) })
	return nil
}
