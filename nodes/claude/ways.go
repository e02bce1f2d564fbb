package claude

import (
	"slices"
	"sync"
	"time"
)

const (
	// sameTime is how far apart two ways may say that one thing happened.
	sameTime = 5 * time.Second
	// waysKept is for how long a thing that came one way is waited for on the
	// others.
	waysKept = time.Minute
	// maxTold bounds how many such things are kept.
	maxTold = 1024
)

// ways makes one event of a thing that comes by two ways, say by a transcript
// and by a hook: the first one is told. Two things that come the same way are
// never one. It is safe for concurrent use.
type ways struct {
	mu       sync.Mutex
	sessions map[string]struct{}
	told     []*telling // oldest first
}

// A telling is a thing that was told, and the ways it came by.
type telling struct {
	session, kind, agent string
	sum                  string // of what was said, if anything was
	when                 time.Time
	read                 time.Time // when we had it
	via                  []string
}

func newWays() *ways { return &ways{sessions: map[string]struct{}{}} }

// restart forgets the sessions; the checkpoints have those that were told.
func (w *ways) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.sessions)
}

// begin reports whether the session was never begun before.
func (w *ways) begin(session string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, begun := w.sessions[session]
	w.sessions[session] = struct{}{}
	return !begun
}

// first reports whether f, which comes by via, is to be told: nothing told is
// the same. Things are the same that came by different ways, about one session
// and helper, of one type, and said the same or happened within five seconds.
func (w *ways) first(f found, via string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = slices.DeleteFunc(w.told, func(t *telling) bool { return now.Sub(t.read) > waysKept })
	if same := w.find(f, via); same != nil {
		same.via = append(same.via, via)
		return false
	}
	if len(w.told) == maxTold {
		w.told = slices.Delete(w.told, 0, 1)
	}
	e := f.event
	w.told = append(w.told, &telling{
		session: e.Subject, kind: e.Type, agent: f.agent, sum: f.sum,
		when: e.Time, read: now, via: []string{via},
	})
	return true
}

// has reports whether the same as f has come by another way than via.
func (w *ways) has(f found, via string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.find(f, via) != nil
}

// forget undoes first, for what could not be put in.
func (w *ways) forget(f found, via string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.event.Type == sessionStarted {
		delete(w.sessions, f.event.Subject)
	}
	for i, t := range slices.Backward(w.told) {
		if t.session == f.event.Subject && t.kind == f.event.Type && t.when.Equal(f.event.Time) && t.via[0] == via {
			w.told = slices.Delete(w.told, i, i+1)
			return
		}
	}
}

// find returns the telling that is most likely the same thing: one that said
// the same, else the nearest in time.
func (w *ways) find(f found, via string) (best *telling) {
	e := f.event
	apart := func(t *telling) time.Duration { return t.when.Sub(e.Time).Abs() }
	said := func(t *telling) bool { return f.sum != "" && t.sum == f.sum }
	for _, t := range w.told {
		if t.session != e.Subject || t.kind != e.Type || t.agent != f.agent || slices.Contains(t.via, via) {
			continue
		}
		if !said(t) && apart(t) > sameTime {
			continue
		}
		if best == nil || said(t) && !said(best) || said(t) == said(best) && apart(t) < apart(best) {
			best = t
		}
	}
	return best
}
