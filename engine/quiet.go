package engine

import (
	"log/slog"
	"sync"
	"time"
)

// A Quiet warns of what a stranger can cause at will: one line for each message
// in a while, with the number of those held back since the last.
// It is safe for concurrent use; the zero Quiet is ready.
type Quiet struct {
	mu    sync.Mutex
	heard map[string]*heard
}

type heard struct {
	last time.Time
	held int
}

// QuietFor is how long a message is not repeated.
const QuietFor = 10 * time.Second

// Warn logs message, which must be one of a few.
func (q *Quiet) Warn(log *slog.Logger, message string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.heard[message]
	if h == nil {
		if q.heard == nil {
			q.heard = map[string]*heard{}
		}
		h = &heard{}
		q.heard[message] = h
	}
	now := time.Now()
	if now.Sub(h.last) < QuietFor {
		h.held++
		return
	}
	if h.held > 0 {
		args = append(args, "more", h.held)
	}
	log.Warn(message, args...)
	h.last, h.held = now, 0
}
