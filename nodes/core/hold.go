package core

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

const (
	// mostHeld and mostSize bound what one node holds: beyond either the events
	// wait in the log.
	mostHeld = 100_000
	mostSize = 64 << 20 // bytes of payload
	// mostReleased is how much goes on at once, so that what is behind a node
	// gets batches of the size it is used to.
	mostReleased = 256
)

// A hold is what the nodes that keep events back have in common: how much they
// hold, from which offset on, and the clock that wakes them. Its methods whose
// names are small want mu to be held.
type hold struct {
	mu      sync.Mutex
	offsets offsets
	count   int
	size    int
	most    int // of count
	wake    chan struct{}
	timer   *time.Timer
	next    time.Time // when the timer wakes; zero if it does not
}

func newHold() hold { return hold{most: mostHeld, wake: make(chan struct{}, 1)} }

// Held returns the smallest offset held.
func (h *hold) Held() (engine.Offset, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.offsets.smallest()
}

// Wake sends when something is due.
func (h *hold) Wake() <-chan struct{} { return h.wake }

// Close stops the clock.
func (h *hold) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Stop()
	}
	return nil
}

// room returns an error if there is none for so much more. What holds nothing
// has room for any one batch.
func (h *hold) room(count, size int) error {
	if h.count == 0 || h.count+count <= h.most && h.size+size <= mostSize {
		return nil
	}
	return errFull
}

var errFull = engine.Unavailable(errors.New("it holds all that it may, and takes more when some of it has gone on"), 0)

func (h *hold) add(o engine.Offset, size int) {
	h.offsets.add(o)
	h.count++
	h.size += size
}

func (h *hold) remove(o engine.Offset, size int) {
	h.offsets.remove(o)
	h.count--
	h.size -= size
}

func (h *hold) forget() { h.offsets, h.count, h.size = offsets{}, 0, 0 }

// ring wakes the engine at a time, or before if that was asked for already.
func (h *hold) ring(at time.Time) {
	wait := time.Until(at)
	if wait <= 0 {
		h.send()
		return
	}
	if !h.next.IsZero() && !at.Before(h.next) {
		return
	}
	h.next = at
	if h.timer == nil {
		h.timer = time.AfterFunc(wait, h.rang)
	} else {
		h.timer.Reset(wait)
	}
}

func (h *hold) rang() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = time.Time{}
	h.send()
}

func (h *hold) send() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// A held is an event that a node keeps back.
type held struct {
	event *engine.Event
	key   string
	came  time.Time
	size  int // of its payload
}

// weigh returns the events of a batch as they will be held, and what all their
// payloads take. Those whose key can't be told fail.
func weigh(batch []*engine.Event, by *expr.Expr, out *engine.Outlet) (all []held, size int) {
	all = make([]held, 0, len(batch))
	for _, e := range batch {
		x := held{event: e}
		var err error
		if x.key, err = by.Key(e); err != nil {
			out.Fail(e, err)
			continue
		}
		raw, _ := e.Data.Bytes() // what has no text takes nothing
		x.size = len(raw)
		size += x.size
		all = append(all, x)
	}
	return all, size
}

// longerThanNothing refuses a duration that is none.
func longerThanNothing(report flows.Report, key string, d flows.Duration) {
	if d <= 0 {
		report(key, "want a duration longer than nothing")
	}
}

// offsets counts things by offset. The zero offsets are empty.
type offsets struct {
	counts []offsetCount // by offset; the first of them is not 0
	used   int           // of counts that are not 0
}

type offsetCount struct {
	offset engine.Offset
	n      int
}

func (s *offsets) smallest() (engine.Offset, bool) {
	if len(s.counts) == 0 {
		return 0, false
	}
	return s.counts[0].offset, true
}

func (s *offsets) add(o engine.Offset) {
	i, found := len(s.counts), false
	if i > 0 && o <= s.counts[i-1].offset {
		i, found = s.find(o)
	}
	if !found {
		s.counts = slices.Insert(s.counts, i, offsetCount{offset: o})
	}
	if s.counts[i].n == 0 {
		s.used++
	}
	s.counts[i].n++
}

// remove takes back one add.
func (s *offsets) remove(o engine.Offset) {
	i, _ := s.find(o)
	s.counts[i].n--
	if s.counts[i].n > 0 {
		return
	}
	s.used--
	for len(s.counts) > 0 && s.counts[0].n == 0 {
		s.counts = s.counts[1:]
	}
	if len(s.counts) > 2*s.used+64 {
		s.counts = slices.DeleteFunc(s.counts, func(c offsetCount) bool { return c.n == 0 })
	}
}

func (s *offsets) find(o engine.Offset) (int, bool) {
	return slices.BinarySearchFunc(s.counts, o, func(c offsetCount, o engine.Offset) int {
		switch {
		case c.offset < o:
			return -1
		case c.offset > o:
			return 1
		}
		return 0
	})
}

// arrivals remember when events came that will come again, so that their time
// does not begin anew. The zero arrivals remember nothing.
type arrivals []arrival // by offset

type arrival struct {
	offset engine.Offset
	at     time.Time
}

// of returns when the event at an offset came first. One that is not remembered
// although a later one is has gone on before, and did not get through: it came
// no later than the other.
func (a arrivals) of(o engine.Offset, now time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(a, o, func(x arrival, o engine.Offset) int {
		if x.offset < o {
			return -1
		}
		return 1
	})
	if i == len(a) {
		return now
	}
	return a[i].at
}

// remember adds arrivals. Of those before the given time, when all is over, it
// keeps the last alone.
func (a *arrivals) remember(more []arrival, over time.Time) {
	all := slices.Concat(*a, more)
	slices.SortStableFunc(all, func(x, y arrival) int {
		switch {
		case x.offset < y.offset:
			return -1
		case x.offset > y.offset:
			return 1
		}
		return x.at.Compare(y.at)
	})
	first := 0
	for i, x := range all {
		if x.at.Before(over) {
			first = i
		}
	}
	*a = slices.CompactFunc(all[first:], func(x, y arrival) bool { return x.offset == y.offset })
}
