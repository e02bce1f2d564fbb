package journal

import (
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
)

var _ engine.TendedStore = (*Journal)(nil)

// Tend says whose cursors are wanted. Until it is called for the first time,
// all of them hold back what they have not read, for as long as it takes: that
// nobody has come for a cursor yet is no sign that nobody will.
func (j *Journal) Tend(wanted func(log, cursor string) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tended = true
	for _, fl := range j.flows {
		for name, p := range fl.cursors {
			p.orphan = !wanted(fl.name, name)
		}
	}
}

// Orphans lists what waits for cursors that are not wanted, by name.
func (j *Journal) Orphans() []engine.Orphan {
	j.mu.Lock()
	defer j.mu.Unlock()
	var orphans []engine.Orphan
	for _, fl := range j.flows {
		for name, p := range fl.cursors {
			if n := fl.waiting(p, fl.last); p.orphan && n > 0 {
				orphans = append(orphans, engine.Orphan{Log: fl.name, Cursor: name, Events: n})
			}
		}
	}
	slices.SortFunc(orphans, func(a, b engine.Orphan) int { return strings.Compare(a.Log+" "+a.Cursor, b.Log+" "+b.Cursor) })
	return orphans
}

// waiting counts the events up to last that are there and that a cursor has not
// settled. Journal.mu is held.
func (fl *flow) waiting(p *place, last engine.Offset) uint64 {
	if len(fl.pages) == 0 {
		return 0
	}
	settled := max(p.committed, fl.dropped, fl.pages[0].first-1)
	return uint64(last - min(settled, last))
}

// mourn tells of the events of orphans in a segment that goes. Journal.mu is
// held.
func (j *Journal) mourn(s *segment) {
	for _, fl := range j.flows {
		pages := fl.pagesIn(s)
		if len(pages) == 0 {
			continue
		}
		for name, p := range fl.cursors {
			if n := fl.waiting(p, pages[len(pages)-1].last); n > 0 {
				j.opt.Log.Error("events are gone that nobody came for in the time they are kept", "log", fl.name, "flow", name, "events", n)
			}
		}
	}
}
