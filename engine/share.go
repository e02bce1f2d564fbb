package engine

import (
	"fmt"
	"io"
	"sync"
)

// Share counts what several nodes use together, also the old and the new form
// of a node over a reload: a pool of connections, an open file, a pacer. What
// has the same key is made once and closed when the last user gives it back.
// It is safe for concurrent use; the zero Share is ready.
type Share struct {
	mu    sync.Mutex
	items map[string]*shared
}

type shared struct {
	value io.Closer
	users int
}

// Use returns the value of a key, made by create if there is none, and a
// function that gives it back. Keys begin with the node type, so that types
// don't meet.
func Use[T io.Closer](s *Share, key string, create func() (T, error)) (value T, release func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item := s.items[key]
	if item == nil {
		made, err := create()
		if err != nil {
			return value, nil, err
		}
		item = &shared{value: made}
		if s.items == nil {
			s.items = map[string]*shared{}
		}
		s.items[key] = item
	}
	value, ok := item.value.(T)
	if !ok {
		return value, nil, fmt.Errorf("%q is shared as a %T", key, item.value)
	}
	item.users++
	return value, sync.OnceValue(func() error { return s.release(key, item) }), nil
}

func (s *Share) release(key string, item *shared) error {
	s.mu.Lock()
	item.users--
	last := item.users == 0
	if last {
		delete(s.items, key)
	}
	s.mu.Unlock()
	if last {
		return item.value.Close()
	}
	return nil
}
