package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/flowd/flowd/engine"
)

// An op is something to be written.
type op interface {
	// size is about how many bytes it takes.
	size() int
	// bulky says that it is refused when there is no room. Others may use the
	// reserve, since they are what makes room.
	bulky() bool
	// write adds its records to the frame. The committer calls it.
	write(f *frame)
	// written is called after the sync, with Journal.mu held: it publishes what
	// was written, or takes back what was not.
	written(err error)
}

// A request is an op and who waits for it.
type request struct {
	op
	result  chan error // takes one; nil if nobody waits
	patient bool       // no sender waits for it: it may wait for company
}

// queue is what waits for the committer.
type queue struct {
	mu      sync.Mutex
	waiting []request
	hurried int // of those, that are not patient
	closed  bool
	wake    chan struct{} // takes one
}

func (q *queue) put(r request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.waiting = append(q.waiting, r)
	if !r.patient {
		q.hurried++
	}
	q.poke()
	return nil
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns what fits into one frame, and whether more may come.
func (q *queue) take(batch []request) (_ []request, closed bool) {
	const most = 1 << 20
	q.mu.Lock()
	defer q.mu.Unlock()
	size, n := 0, 0
	for n < len(q.waiting) {
		size += q.waiting[n].size()
		if n > 0 && size > most {
			break
		}
		n++
	}
	for _, r := range q.waiting[:n] {
		if !r.patient {
			q.hurried--
		}
	}
	batch = append(batch, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return batch, q.closed
}

// patient reports whether all that waits may go on waiting.
func (q *queue) patient() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0 && q.hurried == 0 && !q.closed
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// close reports whether the queue was open.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := q.closed
	q.closed = true
	q.poke()
	return !was
}

// submit has an op written, and waits for it. When ctx ends first, it may be
// written all the same.
func (j *Journal) submit(ctx context.Context, o op) error {
	return j.ask(ctx, request{op: o})
}

// submitPatiently is submit for what may wait a moment for events, so that one
// sync does for all.
func (j *Journal) submitPatiently(ctx context.Context, o op) error {
	return j.ask(ctx, request{op: o, patient: true})
}

func (j *Journal) ask(ctx context.Context, r request) error {
	if r.size() > maxFrame/2 {
		return fmt.Errorf("writing %d bytes at a time, the most is %d", r.size(), maxFrame/2)
	}
	r.result = make(chan error, 1)
	if err := j.queue.put(r); err != nil {
		return err
	}
	select {
	case err := <-r.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the committer.
func (j *Journal) run() {
	defer close(j.stopped)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var batch []request
	for {
		select {
		case <-j.queue.wake:
			// Who was just answered gets the time to come again: fuller frames.
			runtime.Gosched()
		case <-tick.C:
			j.upkeep()
			continue
		}
		for {
			j.linger()
			var closed bool
			if batch, closed = j.queue.take(batch[:0]); len(batch) > 0 {
				j.commit(batch)
				clear(batch)
				runtime.Gosched() // who was just answered gets the time to come again: fuller frames
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

const (
	// patience is how long what is no event waits for events, where they come
	// that often.
	patience = time.Millisecond
	often    = 5 * patience
)

// linger waits while all that is to be written may wait for events that are
// likely to come: cursors and checkpoints follow from the events before, and
// where those keep coming, they need no frame and no sync of their own.
func (j *Journal) linger() {
	if j.opt.Fsync != Always || !j.queue.patient() || time.Since(j.appended) > often {
		return
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for j.queue.patient() {
		select {
		case <-j.queue.wake:
		case <-enough.C:
			return
		}
	}
}

// commit writes a batch in one frame.
func (j *Journal) commit(batch []request) {
	rest, refused := j.admit(batch)
	if len(rest) == 0 {
		return
	}
	ops := j.ops[:0]
	for _, r := range rest {
		ops = append(ops, r.op)
	}
	err := j.put(ops...)
	clear(ops)
	j.ops = ops
	events := slices.ContainsFunc(rest, request.bulky)
	if events {
		j.appended = time.Now()
	}
	// That a cursor could be written says nothing of whether an event can.
	if err != nil || refused == nil && events {
		j.setHealth(err)
	}
	answer(rest, err)
}

func answer(batch []request, err error) {
	for _, r := range batch {
		if r.result != nil {
			r.result <- err
		}
	}
}

// admit makes room for a batch, and refuses what has none.
func (j *Journal) admit(batch []request) (admitted []request, refused error) {
	size, bulky := frameHeader, false
	for _, r := range batch {
		size += r.size()
		bulky = bulky || r.bulky()
	}
	if refused = j.makeRoom(int64(size), bulky); refused == nil {
		return batch, nil
	}
	j.setHealth(refused)
	kept := batch[:0:0]
	for _, r := range batch {
		if j.active != nil && !r.bulky() {
			kept = append(kept, r)
			continue
		}
		j.mu.Lock()
		r.written(refused)
		j.mu.Unlock()
		answer([]request{r}, refused)
	}
	return kept, refused
}

func (j *Journal) setHealth(err error) {
	j.mu.Lock()
	was := j.health
	j.health = err
	j.mu.Unlock()
	switch {
	case err != nil && was == nil:
		j.opt.Log.Error("the store takes nothing", "error", err)
	case err == nil && was != nil:
		j.opt.Log.Info("the store works again")
	}
}

// begin starts a frame in the active segment.
func (j *Journal) begin() *frame {
	if cap(j.buf) > 4<<20 { // what one big event needed is not kept
		j.buf = nil
	}
	var header [frameHeader]byte
	return &frame{
		j: j, seg: j.active, base: j.active.end, buf: append(j.buf[:0], header[:]...), nextLetter: j.nextLetter,
	}
}

// put writes ops in one frame, and publishes what it holds.
func (j *Journal) put(ops ...op) error {
	f := j.begin()
	for _, o := range ops {
		o.write(f)
	}
	f.seg.mark.seal(f.buf, f.base)
	j.buf = f.buf
	err := j.write(f.seg, f.buf, f.base)
	released(f.buf)
	if err == nil && j.opt.Fsync == Always {
		if err = j.sync(f.seg); err != nil {
			j.active = nil // the segment ends before this frame
		}
	}
	if err == nil {
		f.seg.end = f.base + int64(len(f.buf))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	f.seg.size = max(f.seg.size, f.seg.end)
	f.written(err)
	for _, o := range ops {
		o.written(err)
	}
	return err
}

func (j *Journal) write(s *segment, b []byte, pos int64) error {
	if _, err := s.file.WriteAt(b, pos); err != nil {
		return j.failure("writing to", s, err)
	}
	j.dirty = true
	j.mu.Lock()
	j.written += int64(len(b))
	j.mu.Unlock()
	return nil
}

func (j *Journal) sync(s *segment) error {
	start := time.Now()
	err := s.file.Sync()
	j.mu.Lock()
	j.syncs++
	j.syncTime += time.Since(start)
	j.mu.Unlock()
	if err != nil {
		return j.failure("syncing", s, err)
	}
	j.dirty = false
	return nil
}

func (j *Journal) failure(doing string, s *segment, err error) error {
	if noSpace(err) {
		return fmt.Errorf("%s %s: %w: %w", doing, s.name(), err, engine.ErrFull)
	}
	return fmt.Errorf("%s %s: %w", doing, s.name(), err)
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// upkeep is what is to be done when time passes.
func (j *Journal) upkeep() {
	if j.active != nil && j.dirty && j.opt.Fsync == Interval {
		if err := j.sync(j.active); err != nil {
			j.active = nil
			j.setHealth(err)
		}
	}
	if j.Health() != nil {
		j.probe()
	}
	if now := j.now(); now.Sub(j.upkept) >= min(time.Minute, max(j.opt.KeepAge/4, time.Second)) {
		j.upkept = now
		j.keys.expire(now)
		j.trimOld()
	}
}

// probe finds out whether the store works again, with a frame of nothing.
func (j *Journal) probe() {
	err := j.makeRoom(frameHeader, true)
	if err == nil {
		err = j.put()
	}
	j.setHealth(err)
}
