package journal

import (
	"context"
	"sort"
	"sync"

	"github.com/flowd/flowd/engine"
)

// A flow is the log of one flow: its part of the index.
type flow struct {
	j    *Journal
	hash uint64

	// Of the committer: what the next frame goes on from, and, while a frame
	// is being written, how it was before.
	w, saved writer
	fresh    []page // pages that the frame has filled
	touched  bool

	// Guarded by Journal.mu.
	name    string
	last    engine.Offset // of the newest event
	dropped engine.Offset // up to which nobody wants the events
	pages   []page        // in order
	recent  []*engine.Event
	behind  bool // no reader has come near the recent events: none are kept
	cursors map[string]*place
	grown   chan struct{} // closed when there is more to read; nil if nobody waits
}

type writer struct {
	named bool // the log has its name
	last  engine.Offset
	page  page
}

// Log returns the log of a flow.
func (j *Journal) Log(_ context.Context, name string) (engine.Log, error) {
	return j.flow(name), nil
}

func (j *Journal) flow(name string) *flow {
	j.mu.Lock()
	defer j.mu.Unlock()
	fl := j.flowOf(hash64(name))
	if fl.name == "" {
		fl.name = name
	}
	return fl
}

// flowOf returns a flow that may have no name yet. Journal.mu is held.
func (j *Journal) flowOf(hash uint64) *flow {
	fl := j.flows[hash]
	if fl == nil {
		fl = &flow{j: j, hash: hash, cursors: map[string]*place{}}
		j.flows[hash] = fl
	}
	return fl
}

// Append has a batch written, wholly or not at all.
func (fl *flow) Append(ctx context.Context, batch []*engine.Event) error {
	if len(batch) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &appendOp{flow: fl, events: batch, buf: buffers.Get().(*[]byte), ends: make([]int, len(batch))}
	w := encoder{buf: (*op.buf)[:0]}
	for i, e := range batch {
		e.Time = e.Time.Round(0).UTC() // as from disk
		if err := w.event(e); err != nil {
			buffers.Put(op.buf)
			return err
		}
		op.ends[i] = len(w.buf)
	}
	*op.buf = w.buf
	return fl.j.submit(ctx, op)
}

// End returns the offset of the last event, or 0.
func (fl *flow) End() engine.Offset {
	fl.j.mu.Lock()
	defer fl.j.mu.Unlock()
	return fl.last
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// released is told of each buffer that nobody may read any more. The tests
// write over it.
var released = func([]byte) {}

// recycle lets a buffer be used again, but for what one big event needed.
func recycle(b *[]byte) {
	released(*b)
	if cap(*b) <= 4<<20 {
		buffers.Put(b)
	}
}

type appendOp struct {
	flow   *flow
	events []*engine.Event
	buf    *[]byte // of the encoded events
	ends   []int   // of each in buf
	before engine.Offset
}

func (o *appendOp) bulky() bool { return true }

func (o *appendOp) size() int { return o.ends[len(o.ends)-1] + 40*len(o.ends) }

func (o *appendOp) write(f *frame) {
	f.touch(o.flow)
	o.before = o.flow.w.last
	start := 0
	for _, end := range o.ends {
		f.event(o.flow, (*o.buf)[start:end])
		start = end
	}
}

func (o *appendOp) written(err error) {
	if err == nil {
		for i, e := range o.events {
			e.Offset = o.before + engine.Offset(i) + 1
		}
		o.flow.j.cache(o.flow, o.events, int64(o.size()))
	}
	recycle(o.buf)
}

// publish shows what the committer has written.
func (fl *flow) publish() {
	for _, p := range fl.fresh {
		fl.show(p)
	}
	if fl.w.page != fl.saved.page {
		fl.show(fl.w.page)
	}
	if fl.w.last != fl.last {
		fl.last = fl.w.last
		fl.wake()
	}
}

// show adds a page to the index, or replaces its last one by how it has grown.
func (fl *flow) show(p page) {
	if n := len(fl.pages); n > 0 && fl.pages[n-1].seg == p.seg && fl.pages[n-1].start == p.start {
		fl.pages[n-1] = p
		return
	}
	fl.pages = append(fl.pages, p)
}

// wake lets readers look again.
func (fl *flow) wake() {
	if fl.grown != nil {
		close(fl.grown)
		fl.grown = nil
	}
}

// pagesIn returns the pages in a segment.
func (fl *flow) pagesIn(seg *segment) []page {
	number := seg.mark.number()
	from := sort.Search(len(fl.pages), func(i int) bool { return fl.pages[i].seg.mark.number() >= number })
	to := sort.Search(len(fl.pages), func(i int) bool { return fl.pages[i].seg.mark.number() > number })
	return fl.pages[from:to]
}

// pageBehind returns the first page with events behind o.
func (fl *flow) pageBehind(o engine.Offset) (page, bool) {
	i := sort.Search(len(fl.pages), func(i int) bool { return fl.pages[i].last > o })
	if i == len(fl.pages) {
		return page{}, false
	}
	return fl.pages[i], true
}

// settled is the offset up to which every cursor has committed, but for orphans
// where what they have not read is aged. Where there is no cursor, all is, once
// it is known who reads. Journal.mu is held.
func (fl *flow) settled(aged bool) engine.Offset {
	o := fl.last
	if len(fl.cursors) == 0 && !fl.j.tended {
		o = 0
	}
	for _, p := range fl.cursors {
		if !p.orphan || !aged {
			o = min(o, p.committed)
		}
	}
	return max(o, fl.dropped)
}

// seen is the offset up to which some cursor has read.
func (fl *flow) seen() (o engine.Offset) {
	for _, p := range fl.cursors {
		o = max(o, p.seen)
	}
	return o
}

// furthest is the offset up to which some cursor has committed.
func (fl *flow) furthest() (o engine.Offset) {
	for _, p := range fl.cursors {
		o = max(o, p.committed)
	}
	return o
}

// recent are events of a flow in memory, up to an offset.
type recent struct {
	flow *flow
	last engine.Offset
	size int64
}

// cache keeps events in memory, and lets the oldest go that are too many. Where
// no reader has come so far by then, it keeps no more of that flow until one is
// near: what waits in a backlog is read from disk.
func (j *Journal) cache(fl *flow, events []*engine.Event, size int64) {
	const (
		event = 256 // beside its bytes
		near  = 512 // events
	)
	if fl.behind && events[0].Offset > fl.seen()+near {
		return
	}
	fl.behind = false
	size += event * int64(len(events))
	fl.recent = append(fl.recent, events...)
	j.recent = append(j.recent, recent{fl, events[len(events)-1].Offset, size})
	j.recentSize += size
	n := 0
	for j.recentSize > j.opt.Cache && n < len(j.recent) {
		r := j.recent[n]
		if r.flow.seen() < r.last {
			r.flow.behind, r.flow.recent = true, nil
		}
		r.flow.forget(r.last)
		j.recentSize -= r.size
		n++
	}
	j.recent = j.recent[n:]
}

// forget lets go of the recent events up to an offset.
func (fl *flow) forget(upto engine.Offset) {
	n := 0
	for n < len(fl.recent) && fl.recent[n].Offset <= upto {
		fl.recent[n] = nil
		n++
	}
	if fl.recent = fl.recent[n:]; len(fl.recent) == 0 {
		fl.recent = nil
	}
}

// Drop gives up what a reader that is gone has not read, so that it takes no
// room any more: of one cursor of a flow, or with no name of the whole flow.
func (j *Journal) Drop(ctx context.Context, flow, cursor string) error {
	return j.submit(ctx, &dropOp{flow: j.flow(flow), cursor: cursor})
}

type dropOp struct {
	flow   *flow
	cursor string
	gone   []string
	upto   engine.Offset
}

func (o *dropOp) bulky() bool { return false }
func (o *dropOp) size() int   { return 128 + len(o.cursor) }

func (o *dropOp) write(f *frame) {
	fl := o.flow
	f.touch(fl)
	fl.j.mu.Lock()
	defer fl.j.mu.Unlock()
	if o.cursor != "" {
		o.gone = []string{o.cursor}
	} else {
		o.upto = fl.w.last
		for name := range fl.cursors {
			o.gone = append(o.gone, name)
		}
	}
	for _, name := range o.gone {
		f.cursor(fl, name, 0, true)
	}
	if o.upto > 0 {
		f.flow(fl, fl.w.last, o.upto)
	}
}

func (o *dropOp) written(err error) {
	if err != nil {
		return
	}
	fl := o.flow
	for _, name := range o.gone {
		delete(fl.cursors, name)
	}
	fl.dropped = max(fl.dropped, o.upto)
	fl.wake()
}
