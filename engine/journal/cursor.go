package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowd/flowd/engine"
)

// A place is how far the cursor of a name has committed, and who reads there.
type place struct {
	committed engine.Offset
	reader    *cursor
	seen      engine.Offset // how far the reader has come, as far as is known
	orphan    bool          // nobody wants it any more
}

// A cursor reads a flow's log.
type cursor struct {
	flow *flow
	name string
	at   *place
	pos  engine.Offset   // of the last event given
	next []*engine.Event // read ahead from disk
}

// Cursor returns the cursor of a name and takes it away from who had it.
func (fl *flow) Cursor(ctx context.Context, name string) (engine.Cursor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, errors.New("a cursor needs a name")
	}
	j := fl.j
	j.mu.Lock()
	p := fl.cursors[name]
	fresh := p == nil
	if fresh {
		p = &place{committed: fl.dropped}
		fl.cursors[name] = p
	}
	c := &cursor{flow: fl, name: name, at: p, pos: p.committed}
	p.reader, p.seen, p.orphan = c, c.pos, false
	fl.wake() // who waited learns that the cursor is taken
	j.mu.Unlock()
	if fresh {
		// It holds back what it has not read, from the next frame on also
		// after a restart. Nobody needs to wait for that.
		return c, j.queue.put(request{op: &commitOp{c: c, offset: c.pos}})
	}
	return c, nil
}

// Next gives events, and waits until there is one. Those that were appended just
// now are given as they are: who shares them must not change them.
func (c *cursor) Next(ctx context.Context, batch []*engine.Event) (int, error) {
	if len(batch) == 0 {
		return 0, errors.New("reading into an empty batch")
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for {
		n, grown, err := c.take(ctx, batch)
		if n > 0 {
			return n, nil // the error comes again
		}
		if err != nil {
			return 0, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// mostGiven is how many bytes of payload are given at a time: as soon as it is
// so much, or more, it is enough.
const mostGiven = 1 << 20

func sizeOf(e *engine.Event) int {
	raw, _ := e.Data.Bytes() // of what was written
	return len(raw)
}

// take gives what there is, else a channel that is closed when that changes.
func (c *cursor) take(ctx context.Context, batch []*engine.Event) (n int, grown chan struct{}, err error) {
	fl, j := c.flow, c.flow.j
	room := mostGiven
	for n < len(batch) && room > 0 {
		if len(c.next) > 0 {
			batch[n], c.next[0] = c.next[0], nil
			c.next = c.next[1:]
			c.pos = batch[n].Offset
			room -= sizeOf(batch[n])
			n++
			continue
		}
		if err := ctx.Err(); err != nil {
			return n, nil, err
		}
		j.mu.Lock()
		if err := c.usable(); err != nil {
			j.mu.Unlock()
			return n, nil, err
		}
		c.at.seen = c.pos
		if len(fl.recent) > 0 && fl.recent[0].Offset <= c.pos+1 && c.pos < fl.last {
			for _, e := range fl.recent[c.pos+1-fl.recent[0].Offset:] {
				if n == len(batch) || room <= 0 {
					break
				}
				batch[n] = e
				room -= sizeOf(e)
				n++
			}
			c.pos = batch[n-1].Offset
			j.mu.Unlock()
			break
		}
		p, found := fl.pageBehind(c.pos)
		if !found && n == 0 {
			if fl.grown == nil {
				fl.grown = make(chan struct{})
			}
			grown = fl.grown
		}
		j.mu.Unlock()
		if !found {
			break
		}
		if err := c.read(p); err != nil {
			return n, nil, err
		}
	}
	return n, grown, nil
}

// read reads the page that follows into c.next.
func (c *cursor) read(p page) error {
	events, missing, err := p.events(c.flow.hash, c.pos)
	switch {
	case errors.Is(err, errGone):
		return nil // and no longer in the index
	case err != nil:
		return fmt.Errorf("reading %s: %w", p.seg.name(), err)
	case missing:
		c.flow.missed(max(c.pos+1, p.first), p.last, events)
		if len(events) == 0 {
			c.pos = p.last
		}
	}
	c.next = events
	return nil
}

// usable says why the cursor can't be used. Journal.mu is held.
func (c *cursor) usable() error {
	if c.flow.j.queue.isClosed() {
		return ErrClosed
	}
	if c.at.reader != c || c.flow.cursors[c.name] != c.at {
		return ErrTaken
	}
	return nil
}

// Commit has the cursor written, with the keys claimed up to it. An offset
// that is committed already is no change.
func (c *cursor) Commit(ctx context.Context, o engine.Offset) error {
	j := c.flow.j
	j.mu.Lock()
	err := c.usable()
	if err == nil && o > c.flow.last {
		err = fmt.Errorf("committing offset %d of a log that ends at %d", o, c.flow.last)
	}
	done := o <= c.at.committed
	j.mu.Unlock()
	if err != nil || done {
		return err
	}
	return j.submitPatiently(ctx, &commitOp{c: c, offset: o})
}

// Committed returns the last offset committed.
func (c *cursor) Committed() engine.Offset {
	c.flow.j.mu.Lock()
	defer c.flow.j.mu.Unlock()
	return c.at.committed
}

// Seek makes Next go on behind o.
func (c *cursor) Seek(o engine.Offset) { c.pos, c.next = o, nil }

type commitOp struct {
	c      *cursor
	offset engine.Offset
}

func (o *commitOp) bulky() bool { return false }

func (o *commitOp) size() int {
	fl := o.c.flow
	return 128 + len(o.c.name) + fl.j.keys.pendingSize(fl.hash)
}

func (o *commitOp) write(f *frame) {
	fl := o.c.flow
	f.touch(fl)
	for _, c := range fl.j.keys.settle(fl.hash, o.offset) {
		f.claims(c)
		f.keys = append(f.keys, c)
	}
	f.cursor(fl, o.c.name, o.offset, false)
}

func (o *commitOp) written(err error) {
	if err != nil {
		return
	}
	fl := o.c.flow
	o.c.at.committed = max(o.c.at.committed, o.offset)
	fl.forget(fl.settled(false))
}
