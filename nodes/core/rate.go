package core

import (
	"container/heap"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A Rate is so many events in so much time, written 10/s, 100/m or 1/30s.
type Rate struct {
	N   int
	Per time.Duration
}

// mostRate bounds N: so many times are remembered of each key.
const mostRate = 10_000

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	number, per, found := strings.Cut(string(text), "/")
	if per != "" && per[0] >= 'a' { // a unit alone
		per = "1" + per
	}
	n, err := strconv.ParseUint(number, 10, 31)
	var d flows.Duration
	if !found || err != nil || d.UnmarshalText([]byte(per)) != nil || n == 0 || d <= 0 {
		return fmt.Errorf("want a rate like 10/s, 100/m or 1/30s, got %q", text)
	}
	if n > mostRate {
		return fmt.Errorf("want a rate of at most %d events in a time, got %q: take a part of the time, as 1000/s for 60000/m", mostRate, text)
	}
	*r = Rate{int(n), time.Duration(d)}
	return nil
}

// FlowType is what messages and documentation call it.
func (Rate) FlowType() string { return "rate" }

// A pacer knows, by key, which events went on within the time of a rate, and
// which wait. Times are counted from its beginning.
type pacer struct {
	rate    Rate
	began   time.Time
	lines   map[string]*line
	waiting lines // those in which something waits
	passed  int   // passes of all lines
	most    int   // of passed
	sweepAt int   // how many lines there are before it sweeps
}

// mostPassed bounds the passes that are remembered.
const mostPassed = 500_000

// A line is what a pacer knows of one key.
type line struct {
	pacer   *pacer
	passed  []pass // within the time of the rate, in order
	newest  engine.Offset
	waiting []held
}

// A pass is an event that went on, and when.
type pass struct {
	at     time.Duration
	offset engine.Offset
	id     string
}

func newPacer(r Rate) pacer {
	return pacer{rate: r, began: time.Now(), lines: map[string]*line{}, most: mostPassed, sweepAt: 1024}
}

// room returns an error if so many passes more can't be remembered.
func (p *pacer) room(count int) error {
	if len(p.lines)+count > p.sweepAt || p.passed+count > p.most {
		p.sweep()
	}
	if p.passed > 0 && p.passed+count > p.most {
		return errFull
	}
	return nil
}

// sweep forgets the keys of which nothing is within the time of the rate.
func (p *pacer) sweep() {
	now := time.Since(p.began)
	for key, l := range p.lines {
		if len(l.waiting) > 0 { // its place in the heap goes by what has passed
			continue
		}
		if l.trim(now); len(l.passed) == 0 {
			delete(p.lines, key)
		}
	}
	p.sweepAt = max(1024, 2*len(p.lines))
}

func (p *pacer) line(key string) *line {
	l := p.lines[key]
	if l == nil {
		l = &line{pacer: p}
		p.lines[key] = l
	}
	return l
}

// trim forgets what went on before the time of the rate.
func (l *line) trim(now time.Duration) {
	n := 0
	for n < len(l.passed) && l.passed[n].at+l.pacer.rate.Per <= now {
		n++
	}
	l.passed = l.passed[n:]
	l.pacer.passed -= n
}

// free is when the next event may go on.
func (l *line) free() time.Duration {
	n := len(l.passed) - l.pacer.rate.N
	if n < 0 {
		return 0
	}
	return l.passed[n].at + l.pacer.rate.Per
}

// pass remembers that an event goes on.
func (l *line) pass(e *engine.Event, now time.Duration) {
	l.trim(now)
	l.passed = append(l.passed, pass{now, e.Offset, e.ID})
	l.newest = max(l.newest, e.Offset)
	l.pacer.passed++
}

// hasPassed reports whether e went on before, and comes again.
func (l *line) hasPassed(e *engine.Event) bool {
	return e.Offset <= l.newest &&
		slices.ContainsFunc(l.passed, func(p pass) bool { return p.offset == e.Offset && p.id == e.ID })
}

// wait puts an event at the end of the line.
func (l *line) wait(x held) {
	l.waiting = append(l.waiting, x)
	if len(l.waiting) == 1 {
		heap.Push(&l.pacer.waiting, l)
	}
}

// free is when the next event that waits may go on, or false if none waits.
func (p *pacer) free() (time.Duration, bool) {
	if len(p.waiting) == 0 {
		return 0, false
	}
	return p.waiting[0].free(), true
}

// next takes the next event that waits, if it may go on by now.
func (p *pacer) next(now time.Duration) (held, bool) {
	if at, ok := p.free(); !ok || at > now {
		return held{}, false
	}
	l := p.waiting[0]
	x := l.waiting[0]
	l.waiting[0] = held{}
	l.waiting = l.waiting[1:]
	l.pass(x.event, now)
	if len(l.waiting) == 0 {
		heap.Pop(&p.waiting)
	} else {
		heap.Fix(&p.waiting, 0)
	}
	return x, true
}

// forget drops all that waits.
func (p *pacer) forget() {
	for _, l := range p.waiting {
		l.waiting = nil
	}
	p.waiting = nil
}

// lines is a heap by when the first of a line may go on, then by its offset.
type lines []*line

func (ls lines) Len() int { return len(ls) }
func (ls lines) Less(i, j int) bool {
	a, b := ls[i], ls[j]
	if x, y := a.free(), b.free(); x != y {
		return x < y
	}
	return a.waiting[0].event.Offset < b.waiting[0].event.Offset
}
func (ls lines) Swap(i, j int) { ls[i], ls[j] = ls[j], ls[i] }
func (ls *lines) Push(x any)   { *ls = append(*ls, x.(*line)) }
func (ls *lines) Pop() any {
	last := len(*ls) - 1
	l := (*ls)[last]
	(*ls)[last] = nil
	*ls = (*ls)[:last]
	return l
}
