package engine

import "sync"

// An ask is a request that waits for its answer while its event is on its way.
// The copies of the event share it.
type ask struct {
	once   sync.Once
	answer chan Answer // takes one
}

// Answer answers the request that brought e, and reports whether one was
// waiting: no request, or one that is answered already, is not.
func (e *Event) Answer(a Answer) bool {
	if e.ask == nil {
		return false
	}
	first := false
	e.ask.once.Do(func() {
		e.ask.answer <- a
		first = true
	})
	return first
}
