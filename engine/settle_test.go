package engine_test

import (
	"errors"
	"testing"

	"github.com/flowd/flowd/engine"
)

func TestAttemptsWhileADestinationIsDownDoNotCount(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	tries := 0
	r.failWith(func(string, *engine.Event) error {
		switch tries++; {
		case tries <= 10:
			return engine.Unavailable(errors.New("refused"), 0)
		case tries <= 12: // it has three attempts at an event
			return errors.New("500")
		}
		return nil
	})
	r.put(t, events(1)...)
	want(t, r.wait(t, "one", 1), "1")
	if letters := r.letters(t); len(letters) != 0 {
		t.Errorf("given up: %+v", letters)
	}
}

func TestWhatIsTriedAgainKeepsItsPlaceBeforeTheNodesThatFollow(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {tag: x, retry: {attempts: 3, first: 1ms}}, {collect: one}, {collect: two}]}}")
	failed := map[string]bool{}
	r.failWith(func(name string, e *engine.Event) error {
		first := !failed[name+e.ID]
		failed[name+e.ID] = true
		if first && (name == "x" && e.ID == "2" || name == "one" && e.ID == "1") {
			return errors.New("500")
		}
		return nil
	})
	r.put(t, events(1, 2, 3)...)
	want(t, r.wait(t, "one", 3), "2", "3", "1")
	want(t, r.wait(t, "two", 3), "1", "2", "3")
}
