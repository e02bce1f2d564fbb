package engine_test

import (
	"fmt"
	"testing"
)

func TestAnEventThatComesAfterAReloadGoesByTheNewDocument(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: b}]}}")
	for i := range 400 {
		to := []string{"a", "b"}[i%2]
		r.apply(t, fmt.Sprintf("flows: {f: {nodes: [feed, {collect: %s}]}}", to))
		r.put(t, events(i)...)
		if got := r.wait(t, to, i/2+1); got[i/2] != fmt.Sprint(i) {
			t.Fatalf("event %d did not come to %s", i, to)
		}
	}
}
