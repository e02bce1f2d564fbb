package flows

import (
	"slices"
	"strings"
)

// Loops are the mistakes of nodes that take their own events, directly or by
// way of others. A node without from takes those of the node above it unless
// source says that it brings its own.
func (f *Flow) Loops(source func(*Node) bool) Diagnostics {
	s := loopSearch{source: source, state: map[*Node]visit{}}
	for _, n := range f.Nodes {
		s.visit(n)
	}
	return s.found
}

type visit uint8

const (
	unseen visit = iota
	onPath
	finished
)

// A loopSearch goes against the events, from a node to where its events come
// from.
type loopSearch struct {
	source func(*Node) bool
	state  map[*Node]visit
	path   []*Node
	found  Diagnostics
}

func (s *loopSearch) visit(n *Node) {
	switch s.state[n] {
	case onPath:
		s.found = append(s.found, loop(s.path[slices.Index(s.path, n):]))
		return
	case finished:
		return
	}
	s.state[n] = onPath
	s.path = append(s.path, n)
	for _, ref := range n.From {
		if ref.Node != nil {
			s.visit(ref.Node)
		}
	}
	if len(n.From) == 0 && n.Above != nil && !s.source(n) {
		s.visit(n.Above)
	}
	s.path = s.path[:len(s.path)-1]
	s.state[n] = finished
}

// loop is the mistake of nodes of which each takes its events from the next,
// and the last from the first. It is told the way the events go.
func loop(against []*Node) Diagnostic {
	first, at := against[0], against[0].At
	names := []string{first.ID}
	for i, n := range slices.Backward(against) {
		names = append(names, n.ID)
		from := against[(i+1)%len(against)]
		for _, ref := range n.From {
			if ref.Node == from {
				at = ref.At
			}
		}
	}
	d := at.Errorf("a loop: %s", strings.Join(names, " → "))
	d.Hint = "an event would never leave it"
	return d
}
