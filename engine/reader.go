package engine

import (
	"context"
	"errors"
	"hash/maphash"
	"reflect"
	"sync"
	"time"
)

const (
	// batchSize is how many events a lane takes at most at a time. It never
	// waits to fill a batch.
	batchSize = 256
	// readAhead is how many batches wait before each lane, so that reading
	// and walking overlap.
	readAhead = 1
)

// read runs the flow, plan after plan, until it is stopped.
func (f *flow) read() {
	for f.reading.Err() == nil {
		p := f.enter()
		if p == nil {
			return
		}
		err := (&crew{flow: f, plan: p}).work()
		f.leave(p)
		if err != nil && f.reading.Err() == nil {
			f.trouble.Store(&err)
			f.engine.log.Error("reading the log", "flow", f.name, "error", err)
			select {
			case <-time.After(time.Second):
			case <-f.reading.Done():
			}
		}
	}
}

// A crew works by one plan: a reader that reads the log at the flow's cursor
// and hands batches to lanes, by the hash of their key where there are more
// than one. The cursor is committed behind the batches that all lanes are done
// with.
type crew struct {
	flow *flow
	plan *livePlan
	jobs []chan job // one of each lane
	free sync.Pool  // of *buffer

	mu     sync.Mutex
	rounds []*round // read and not yet committed, in order
	err    error    // why the cursor must go back to its last commit
}

// A round is what the reader has read at once. It is done when every lane has
// walked its part.
type round struct {
	last Offset
	open int
	from *buffer
}

// A buffer is what the reader reads into.
type buffer [batchSize]*Event

type job struct {
	batch []*Event
	round *round
}

// work returns when the plan is retired or the flow is stopped, with all that
// was read either committed or to be read again.
func (c *crew) work() error {
	ctx, cancel := context.WithCancel(c.flow.reading)
	defer cancel()
	var watch, lanes sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.plan.retired:
			cancel()
		case <-ctx.Done():
		}
	})
	for range c.plan.lanes {
		jobs := make(chan job, readAhead)
		c.jobs = append(c.jobs, jobs)
		first := len(c.jobs) == 1
		lanes.Go(func() { c.walk(jobs, first, cancel) })
	}
	err := c.readAll(ctx)
	for _, jobs := range c.jobs {
		close(jobs)
	}
	lanes.Wait()
	cancel()
	watch.Wait()
	if c.err != nil || c.holdersGone() {
		c.flow.cursor.Seek(c.flow.cursor.Committed())
	}
	if err == nil && !errors.Is(c.err, errAbandoned) {
		err = c.err
	}
	return err
}

func (c *crew) readAll(ctx context.Context) error {
	for {
		into, _ := c.free.Get().(*buffer)
		if into == nil {
			into = new(buffer)
		}
		n, err := c.flow.cursor.Next(ctx, into[:])
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		c.hand(into, n)
	}
}

// hand gives what was read to the lanes.
func (c *crew) hand(from *buffer, n int) {
	batch := from[:n]
	r := &round{last: batch[n-1].Offset, open: 1, from: from}
	parts := [][]*Event{batch}
	if len(c.jobs) > 1 {
		parts = c.split(batch)
		r.open = 0
		for _, part := range parts {
			if len(part) > 0 {
				r.open++
			}
		}
	}
	c.mu.Lock()
	c.rounds = append(c.rounds, r)
	c.mu.Unlock()
	for i, part := range parts {
		if len(part) > 0 {
			c.jobs[i] <- job{part, r}
		}
	}
}

var laneSeed = maphash.MakeSeed()

func (c *crew) split(batch []*Event) [][]*Event {
	parts := make([][]*Event, len(c.jobs))
	for _, e := range batch {
		at := uint64(e.Offset)
		if c.plan.orderBy != nil {
			key, err := c.plan.orderBy(e)
			if err != nil {
				c.flow.engine.log.Warn("order_by failed, the event is ordered with those that have no key",
					"flow", c.flow.name, "id", e.ID, "error", err)
			}
			at = maphash.String(laneSeed, key)
		}
		i := at % uint64(len(parts))
		parts[i] = append(parts[i], e)
	}
	return parts
}

// walk is the life of a lane. The first one also looks after what nodes hold.
func (c *crew) walk(jobs <-chan job, first bool, stop func()) {
	l := newLane(c.flow)
	wake := make(chan struct{}, 1)
	if first {
		ended := c.watchHolders(wake)
		defer ended()
	}
	for {
		select {
		case j, ok := <-jobs:
			if !ok {
				return
			}
			if c.failed() { // an earlier batch comes again, and so must this
				continue
			}
			err := c.flow.gate.wait(c.plan.retired, c.flow.reading)
			if err == nil {
				if err = l.walk(c.flow.ctx, c.plan, j.batch); err != nil {
					c.cutShort(j.round, l.rest)
				}
			}
			if err != nil {
				c.fail(err)
				stop()
				continue
			}
			c.settle(j.round)
		case <-wake:
			err := c.flow.gate.wait(c.plan.retired, c.flow.reading)
			if err == nil {
				err = l.due(c.flow.ctx, c.plan)
			}
			if err != nil {
				c.fail(err)
				stop()
				continue
			}
			c.settle(nil)
		}
	}
}

// watchHolders gathers the wakes of all holders until the returned function is
// called.
func (c *crew) watchHolders(wake chan<- struct{}) (stop func()) {
	var watch sync.WaitGroup
	done := make(chan struct{})
	for _, n := range c.plan.holders {
		due := n.impl.(Holder).Wake()
		watch.Go(func() {
			for {
				select {
				case <-due:
					select {
					case wake <- struct{}{}:
					default:
					}
				case <-done:
					return
				}
			}
		})
	}
	return func() { close(done); watch.Wait() }
}

// settle marks one lane's part of a round as done, and commits as far as all
// lanes have come.
func (c *crew) settle(r *round) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r != nil {
		r.open--
	}
	last := c.flow.reached
	for len(c.rounds) > 0 && c.rounds[0].open == 0 {
		last = c.rounds[0].last
		clear(c.rounds[0].from[:])
		c.free.Put(c.rounds[0].from)
		c.rounds = c.rounds[1:]
	}
	if c.err == nil {
		c.err = c.commit(last)
	}
}

// cutShort commits what a single lane has settled of a round that was cut
// short before rest.
func (c *crew) cutShort(r *round, rest Offset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && len(c.jobs) == 1 && rest > 0 && rest != noRest && c.rounds[0] == r {
		c.err = c.commit(rest - 1)
	}
}

// commit moves the cursor to last, which all lanes have reached, or just
// before the oldest event held. The caller holds mu.
func (c *crew) commit(last Offset) error {
	c.flow.reached = last
	for _, n := range c.plan.holders {
		if held, ok := n.impl.(Holder).Held(); ok && held <= last {
			last = held - 1
		}
	}
	if last <= c.flow.cursor.Committed() {
		return nil
	}
	return c.flow.commit(last)
}

// commit is done also when work in hand was given up: what was settled before
// is settled.
func (f *flow) commit(last Offset) error {
	if err := f.cursor.Commit(context.WithoutCancel(f.ctx), last); err != nil {
		return err
	}
	f.trouble.Store(nil)
	if f.engine.hooks.Settled != nil {
		f.engine.hooks.Settled(f.name, uint64(f.store.End()-last))
	}
	select {
	case f.progress <- struct{}{}:
	default:
	}
	return nil
}

func (c *crew) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

func (c *crew) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// holdersGone reports whether the next plan lacks a holder of this one, with
// the events it held.
func (c *crew) holdersGone() bool {
	next := c.flow.enter()
	if next == nil {
		return false
	}
	defer c.flow.leave(next)
	for _, n := range c.plan.holders {
		kept := false
		for _, m := range next.holders {
			kept = kept || sameNode(n.impl, m.impl)
		}
		if !kept {
			return true
		}
	}
	return false
}

// sameNode reports whether two nodes are one; those that can't be compared
// are not.
func sameNode(a, b any) bool { return reflect.TypeOf(a).Comparable() && a == b }
