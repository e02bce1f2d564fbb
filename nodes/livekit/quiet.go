package livekit

import (
	"log/slog"
	"sync"
	"time"
)

// quiet warns of what a stranger can cause at will: one line for each message
// in a while, with the number of those held back since the last.
// It is safe for concurrent use; the zero quiet is ready.
type quiet struct {
	mu    sync.Mutex
	heard map[string]*heard
}

type heard struct {
	last time.Time
	held int
}

// quietFor is how long a message is not repeated.
const quietFor = 10 * time.Second

// warn logs message, which must be one of a few.
func (q *quiet) warn(log *slog.Logger, message string, args ...any) {
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
	if now.Sub(h.last) < quietFor {
		h.held++
		return
	}
	if h.held > 0 {
		args = append(args, "more", h.held)
	}
	log.Warn(message, args...)
	h.last, h.held = now, 0
}
