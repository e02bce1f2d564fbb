package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A ledger notes what senders were promised and what sinks got. A life is the
// time between two starts of flowd.
type ledger struct {
	mu    sync.Mutex
	life  int
	lives []life
	acked map[string]parcel
	acks  int // in this life
	sinks map[string]*delivered
}

// A life is what may be delivered twice in it: what was in hand when the one
// before was killed, and, with several lanes, at each reload.
type life struct {
	reloads int
	clean   bool // what was in hand before is settled, or there was nothing before
}

// delivered is what a sink got, in order.
type delivered struct {
	list  []delivery
	first map[string]int // by id: where in list it came first
}

type delivery struct {
	parcel
	life int
}

func newLedger() *ledger {
	return &ledger{lives: []life{{clean: true}}, acked: map[string]parcel{}, sinks: map[string]*delivered{}}
}

// begin begins the next life, behind a clean end or a kill.
func (l *ledger) begin(clean bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life++
	l.acks = 0
	l.lives = append(l.lives, life{clean: clean})
}

func (l *ledger) reloaded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lives[l.life].reloads++
}

func (l *ledger) ack(p parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks++
	if _, again := l.acked[p.ID]; !again {
		l.acked[p.ID] = p
	}
}

func (l *ledger) took(sink string, p parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(sink, p, l.life)
}

func (l *ledger) note(sink string, p parcel, life int) {
	d := l.sink(sink)
	if _, again := d.first[p.ID]; !again {
		d.first[p.ID] = len(d.list)
	}
	d.list = append(d.list, delivery{p, life})
}

func (l *ledger) sink(name string) *delivered {
	d := l.sinks[name]
	if d == nil {
		d = &delivered{first: map[string]int{}}
		l.sinks[name] = d
	}
	return d
}

// waiting counts the events that a sink has still to get.
func (l *ledger) waiting(sink string, wanted func(parcel) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, p := range l.acked {
		if _, got := l.sink(sink).first[id]; !got && wanted(p) {
			n++
		}
	}
	return n
}

// drained waits until a sink has all events, or has got none of those it waits
// for in a while, and returns how many are left.
func (l *ledger) drained(patience time.Duration, sink string, wanted func(parcel) bool) int {
	left := l.waiting(sink, wanted)
	for deadline := time.Now().Add(patience); left > 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if now := l.waiting(sink, wanted); now < left {
			left, deadline = now, time.Now().Add(patience)
		}
	}
	return left
}

// acknowledged lists the events that were acknowledged.
func (l *ledger) acknowledged() []parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.acked))
}

// answered counts the requests that were acknowledged in this life.
func (l *ledger) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acks
}

// backlog is about how many events a sink has still to get that gets a share of
// all.
func (l *ledger) backlog(sink string, share float64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(share*float64(len(l.acked))) - len(l.sink(sink).first)
}

// readFile notes what a file sink has written. marks are the sizes of the file
// at the end of each life. It returns how many lines are torn.
func (l *ledger) readFile(t *testing.T, sink, path string, marks []int64) (torn int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	at, life := int64(0), 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		for life < len(marks) && at >= marks[life] {
			life++
		}
		at += int64(len(lines.Bytes())) + 1
		var p parcel
		if json.Unmarshal(lines.Bytes(), &p) != nil || p.ID == "" {
			torn++
			continue
		}
		l.note(sink, p, life)
	}
	return torn
}

// figures are what became of the events at one sink.
type figures struct {
	delivered  int      // different events
	lost       int      // acknowledged, and wanted, and not delivered
	missing    []string // some of them
	unwanted   int
	duplicated int // deliveries of what was delivered before
	most       int // of these, in one life
	beyond     int // of these, more than the batches in hand explain
	redeemed   int // delivered twice for two requests of the sender: a dedupe key was lost
	reordered  int // first deliveries behind a later one of the same sender
}

func (f figures) String() string {
	missing := ""
	if f.lost > 0 {
		missing = fmt.Sprintf(" (%s, …)", strings.Join(f.missing, ", "))
	}
	return fmt.Sprintf("delivered %d, lost %d%s, unwanted %d, duplicated %d (at most %d in one life, beyond the batches in hand %d), dedupe keys lost %d, reordered %d",
		f.delivered, f.lost, missing, f.unwanted, f.duplicated, f.most, f.beyond, f.redeemed, f.reordered)
}

// judge compares what a sink got with what was promised. inHand is how many
// events the lanes before the sink have in hand at the most, and lanes is
// whether there are several: then one of them has delivered what comes again
// with what another has not.
func (l *ledger) judge(sink string, inHand int, lanes bool, wanted func(parcel) bool) figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.sink(sink)
	f := figures{delivered: len(d.first)}
	for id, p := range l.acked {
		if _, got := d.first[id]; !got && wanted(p) {
			if f.lost++; f.lost <= 5 {
				f.missing = append(f.missing, fmt.Sprintf("%+v", p))
			}
		}
	}
	last := map[int]int{}
	again := make([]int, l.life+1) // duplicates by life
	for i, got := range d.list {
		first := d.first[got.ID]
		if first != i {
			f.duplicated++
			again[got.life]++
			if d.list[first].Try != got.Try {
				f.redeemed++
			}
			continue
		}
		if !wanted(got.parcel) {
			f.unwanted++
		}
		if before, seen := last[got.Sender]; seen && got.N < before {
			f.reordered++
		}
		last[got.Sender] = max(got.N, last[got.Sender])
	}
	for i, n := range again {
		allowed := 0
		if life := l.lives[i]; lanes {
			allowed = inHand * (life.reloads + min(i, 1))
		} else if !life.clean {
			allowed = inHand
		}
		f.beyond += max(0, n-allowed)
	}
	f.most = slices.Max(again)
	return f
}

// wrong reports whether a promise was broken.
func (f figures) wrong() bool {
	return f.lost+f.unwanted+f.beyond+f.redeemed+f.reordered > 0
}

// sample picks n events that were acknowledged.
func (l *ledger) sample(n int) (some []parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.acked {
		if len(some) < n {
			some = append(some, p)
		}
	}
	return some
}
