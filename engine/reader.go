package engine

import (
	"context"
	"errors"
	"hash/maphash"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/flowd/flowd/flows"
)

const (
	// batchSize is how many events a lane takes at most at a time. It never
	// waits to fill a batch. A batch costs a sync wherever it is written to: half
	// as many cost a seventh more of the processor from file to file, and twice
	// as many save none, since they no longer fit into its cache.
	batchSize = 512
	// firstRead is how many a reader is ready for until there are more: most
	// flows of many are idle most of the time.
	firstRead = 16
	// readAhead is how many batches wait before each lane, so that reading
	// and walking overlap.
	readAhead = 1
	// inHand is how many batches for each lane may be read and not committed.
	// A lane that is held up holds up the others, once they are so far ahead of
	// it: what they have delivered would come again after a crash.
	inHand = 2 + readAhead
	// inHandBytes is how many bytes of payload they may be for each lane, so that
	// a backlog of large events takes no more memory than one of small ones.
	inHandBytes = 4 << 20
)

var commitRetry = Retry{First: flows.Duration(50 * time.Millisecond), Max: flows.Duration(5 * time.Second)}

// read runs the flow, plan after plan, until it is stopped.
func (f *flow) read() {
	var before *livePlan
	again := f.succession.opens != nil // what was before has left the cursor anywhere
	for f.reading.Err() == nil {
		p := f.enter()
		if p == nil {
			return
		}
		if !f.await(p) {
			f.leave(p)
			continue
		}
		if again || !p.keeps(before) {
			f.rewind(p)
		}
		before = p
		c := &crew{flow: f, plan: p, room: make(chan struct{}, 1)}
		err := c.work()
		f.leave(p)
		again = c.err != nil
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

// rewind has everything behind the last commit come again under p.
func (f *flow) rewind(p *livePlan) {
	f.reached = f.cursor.Committed()
	f.cursor.Seek(f.reached)
	for _, n := range p.holders {
		n.impl.(Holder).Forget()
	}
}

// A crew works by one plan: a reader that reads the log at the flow's cursor
// and hands batches to lanes, by the hash of their key where there are more
// than one. Beside them, each Holder has a lane that walks what it lets go, so
// that one that is full becomes empty while lanes wait for it. The cursor is
// committed behind what all of them are done with, while they go on.
type crew struct {
	flow *flow
	plan *livePlan
	jobs []chan job // one of each lane; nil until there is one for it
	free sync.Pool  // of *buffer

	lanes sync.WaitGroup
	lane  func(jobs <-chan job) // the life of one

	room    chan struct{} // tells that there may be room for more in hand; takes one
	commits sync.WaitGroup

	mu         sync.Mutex
	rounds     []*round // read and not yet walked, in order
	bytes      int      // of the payloads in them
	inHand     int      // events that were read and that no commit has come to
	walked     int      // of them, those of rounds that are done
	floors     []Offset // by Holder: no offset less than that is in its walk; noRest between walks
	committing bool
	more       bool  // whether something was settled since the commit began
	err        error // why the cursor must go back to its last commit
}

// A round is what the reader has read at once. It is done when every lane has
// walked its part.
type round struct {
	last  Offset
	size  int // events
	bytes int // of their payloads
	open  int // lanes
	from  *buffer
}

// A buffer is what the reader reads into.
type buffer []*Event

type job struct {
	batch []*Event
	round *round
}

// work returns when the plan is retired or the flow is stopped, with all that
// was read either committed or to be read again.
func (c *crew) work() error {
	ctx, cancel := context.WithCancel(c.flow.reading)
	defer cancel()
	defer context.AfterFunc(c.plan.work, cancel)()
	var releases sync.WaitGroup
	c.jobs = make([]chan job, c.plan.lanes)
	c.lane = func(jobs <-chan job) { c.walk(ctx, jobs, cancel) }
	c.floors = slices.Repeat([]Offset{noRest}, len(c.plan.holders))
	walked := make(chan struct{})
	for i := range c.plan.holders {
		releases.Go(func() { c.release(ctx, i, walked, cancel) })
	}
	err := c.readAll(ctx)
	for _, jobs := range c.jobs {
		if jobs != nil {
			close(jobs)
		}
	}
	c.lanes.Wait()
	close(walked)
	releases.Wait()
	c.commits.Wait()
	if err == nil && !errors.Is(c.err, errAbandoned) {
		err = c.err
	}
	return err
}

func (c *crew) readAll(ctx context.Context) error {
	size := firstRead
	for {
		for c.full() {
			select {
			case <-c.room:
			case <-ctx.Done():
				return nil
			}
		}
		into, _ := c.free.Get().(*buffer)
		if into == nil || len(*into) < size {
			b := make(buffer, size)
			into = &b
		}
		n, err := c.flow.cursor.Next(ctx, *into)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if n = c.flow.own((*into)[:n]); n == 0 { // the rest is for another
			<-ctx.Done()
			return nil
		}
		select {
		case <-c.plan.work.Done(): // what comes after a reload goes by the next plan
			c.flow.cursor.Seek((*into)[0].Offset - 1)
			return nil
		default:
			c.hand(into, n)
		}
		if n == len(*into) {
			size = batchSize
		}
	}
}

// full reports whether as much is in hand as may be.
func (c *crew) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inHand >= inHand*batchSize*len(c.jobs) || c.bytes >= inHandBytes*len(c.jobs)
}

// hand gives what was read to the lanes.
func (c *crew) hand(from *buffer, n int) {
	batch := (*from)[:n]
	r := &round{last: batch[n-1].Offset, size: n, open: 1, from: from}
	for _, e := range batch {
		r.bytes += e.Data.size()
	}
	var parts [][]*Event
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
	c.inHand += n
	c.bytes += r.bytes
	c.mu.Unlock()
	c.flow.taken.Store(uint64(r.last))
	if parts == nil {
		c.give(0, job{batch, r})
	}
	for i, part := range parts {
		if len(part) > 0 {
			c.give(i, job{part, r})
		}
	}
}

// give gives j to a lane, which begins with its first: most flows of many are
// idle.
func (c *crew) give(i int, j job) {
	if c.jobs[i] == nil {
		ahead := readAhead
		if len(c.jobs) > 1 { // one that is held up must not hold up the reader
			ahead = inHand * batchSize
		}
		jobs := make(chan job, ahead)
		c.jobs[i] = jobs
		c.lanes.Go(func() { c.lane(jobs) })
	}
	c.jobs[i] <- j
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

// walk is the life of a lane.
func (c *crew) walk(ctx context.Context, jobs <-chan job, stop func()) {
	l := newLane(c.flow)
	l.stopped = ctx.Done()
	for j := range jobs {
		if c.failed() { // an earlier batch comes again, and so must this
			continue
		}
		err := c.flow.gate.wait(c.plan.work.Done(), c.flow.reading)
		if err == nil {
			if err = l.walk(c.flow.ctx, c.plan, j.batch); err != nil {
				c.cutShort(j.round, l.rest, stop)
			}
		}
		if err != nil {
			c.fail(err)
			stop()
			continue
		}
		c.settle(j.round, stop)
	}
}

// release is the life of the lane behind a Holder. It begins with what became
// due before, the wake of which may be gone with the crew before.
func (c *crew) release(ctx context.Context, holder int, walked <-chan struct{}, stop func()) {
	n := c.plan.holders[holder]
	wake := n.impl.(Holder).Wake()
	l := newLane(c.flow)
	l.stopped = ctx.Done()
	for !c.failed() {
		if c.flow.gate.wait(c.plan.work.Done(), c.flow.reading) != nil {
			return
		}
		c.begin(holder)
		if err := l.due(c.flow.ctx, c.plan, n); err != nil {
			c.fail(err)
			stop()
			return
		}
		c.end(holder, stop)
		select {
		case <-wake:
		case <-walked:
			return
		}
	}
}

// begin sets the floor of a Holder's walk: what it lets go is not settled yet.
func (c *crew) begin(holder int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floors[holder] = c.settled() + 1
}

// end takes the floor away, behind a walk that has settled all of its events.
func (c *crew) end(holder int, stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floors[holder] = noRest
	c.commit(stop)
}

// settle marks one lane's part of a round as done.
func (c *crew) settle(r *round, stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.open--
	for len(c.rounds) > 0 && c.rounds[0].open == 0 {
		c.flow.reached = c.rounds[0].last
		c.walked += c.rounds[0].size
		c.bytes -= c.rounds[0].bytes
		clear(*c.rounds[0].from)
		c.free.Put(c.rounds[0].from)
		c.rounds = c.rounds[1:]
	}
	c.commit(stop)
}

// cutShort settles what a single lane has settled of a round that was cut short
// before rest.
func (c *crew) cutShort(r *round, rest Offset, stop func()) {
	if len(c.jobs) > 1 || rest == 0 || rest == noRest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rounds[0] == r {
		c.flow.reached = max(c.flow.reached, rest-1)
	}
	c.commit(stop)
}

// commit has the cursor moved behind what is settled, by one goroutine: what
// is settled while the store syncs waits for the next commit, and no lane
// waits for any. The caller holds mu.
func (c *crew) commit(stop func()) {
	c.more = true
	if !c.committing {
		c.committing = true
		c.commits.Go(func() { c.commitAll(stop) })
	}
}

// commitAll commits until nothing more is settled.
func (c *crew) commitAll(stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.more {
		c.more = false
		last, walked := c.settled(), c.walked
		c.walked = 0
		c.mu.Unlock()
		var err error
		if last > c.flow.cursor.Committed() {
			err = c.flow.commit(last)
		}
		c.mu.Lock()
		if err != nil && c.err == nil {
			c.err = err
			stop()
		}
		c.inHand -= walked
		select {
		case c.room <- struct{}{}:
		default:
		}
	}
	c.committing = false
}

// settled is the offset up to which everything is: all lanes have walked it,
// no Holder holds it, and it is in no Holder's walk. An event is always in one
// of the three, and moves on in that order: held before its round is done, and
// in the walk, whose floor is set, before it is no longer held. The caller
// holds mu.
func (c *crew) settled() Offset {
	last := c.flow.reached
	for _, n := range c.plan.holders {
		if held, ok := n.impl.(Holder).Held(); ok {
			last = min(last, held-1)
		}
	}
	for _, floor := range c.floors {
		last = min(last, floor-1)
	}
	return last
}

// commit is done also when work in hand was given up: what was settled before
// is settled. A store that fails is tried until the flow is stopped: reading
// the batch again instead would deliver it once more.
func (f *flow) commit(last Offset) error {
	for try := 1; ; try++ {
		err := f.cursor.Commit(context.WithoutCancel(f.ctx), last)
		if err == nil {
			break
		}
		f.trouble.Store(&err)
		pause := backoff(commitRetry, try)
		f.engine.log.Error("committing the cursor", "flow", f.name, "error", err, "in", pause.Round(time.Millisecond))
		select {
		case <-time.After(pause):
		case <-f.reading.Done():
			return err
		}
	}
	f.trouble.Store(nil)
	if f.engine.hooks.Settled != nil {
		f.engine.hooks.Settled(f.name, uint64(f.store.End()-last))
	}
	f.tell()
	return nil
}

// tell tells who waits for the flow to be settled that it may be.
func (f *flow) tell() {
	select {
	case f.progress <- struct{}{}:
	default:
	}
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

// keeps reports whether p has all the holders of the plan before, with the
// events they hold, and with all behind them that was there.
func (p *livePlan) keeps(before *livePlan) bool {
	return before == nil || !slices.ContainsFunc(before.holders, func(n *node) bool {
		return before.parted.loses(p.parted, n.id) ||
			!slices.ContainsFunc(p.holders, func(m *node) bool { return sameNode(n.impl, m.impl) })
	})
}

// sameNode reports whether two nodes are one; those that can't be compared
// are not.
func sameNode(a, b any) bool { return reflect.TypeOf(a).Comparable() && a == b }
