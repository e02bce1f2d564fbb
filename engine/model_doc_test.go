package engine_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// A modelDoc is a document as the model knows it: it can tell where an event
// should come.
type modelDoc struct {
	flows []*modelFlow
}

type modelFlow struct {
	name  string
	lanes int
	nodes []*modelNode // in topological order; the first is the source
}

type modelNode struct {
	id, kind string   // kinds: in, step, fork, hold, queue, out
	name     string   // its configuration
	from     []string // ID, ID.PORT
	when     []string // keys, or nil
	limited  bool     // it has a number of attempts

	side   string   // the queues and holders on the way to it
	before []string // ids of all nodes on the ways to it, and its own
}

// A place is where an event comes to: a sink, or a node whose dead letter it
// is. The side is part of it: a document that moves a sink behind a queue
// makes another place of it.
type place struct {
	node, side string
	letter     bool
}

var modelKinds = []string{"step", "step", "out", "out", "fork", "hold", "queue"}

// drawDoc draws a document: flow f, and perhaps g.
func drawDoc(t *rapid.T) *modelDoc {
	d := &modelDoc{flows: []*modelFlow{drawFlow(t, "f")}}
	if rapid.Bool().Draw(t, "g") {
		d.flows = append(d.flows, drawFlow(t, "g"))
	}
	return d
}

func drawFlow(t *rapid.T, name string) *modelFlow {
	f := &modelFlow{name: name, lanes: rapid.SampledFrom([]int{1, 3}).Draw(t, "lanes")}
	f.nodes = []*modelNode{{id: "in", kind: "in", name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "source")}}
	for range rapid.IntRange(1, 6).Draw(t, "nodes") {
		f.draw(t, rapid.SampledFrom(modelKinds).Draw(t, "kind"))
	}
	if !slices.ContainsFunc(f.nodes, func(n *modelNode) bool { return n.kind == "out" }) {
		f.draw(t, "out")
	}
	return f
}

func (f *modelFlow) draw(t *rapid.T, kind string) {
	var free []string
	for i := range 3 {
		if id := fmt.Sprint(kind, i); f.node(id) == nil {
			free = append(free, id)
		}
	}
	if len(free) == 0 {
		return
	}
	n := &modelNode{id: rapid.SampledFrom(free).Draw(t, "id"), kind: kind, name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name")}
	ports := f.ports()
	port := drawPort(t, ports)
	n.from = []string{port.ref}
	n.side = port.side
	n.before = append(slices.Clone(port.of.before), n.id)
	if kind == "step" || kind == "out" {
		if rapid.IntRange(0, 3).Draw(t, "merges") == 0 {
			ports = slices.DeleteFunc(ports, func(p modelPort) bool { return p.side != n.side || p.ref == port.ref })
			if len(ports) > 0 {
				other := drawPort(t, ports)
				n.from = append(n.from, other.ref)
				n.before = append(n.before, other.of.before...)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "has when") == 0 {
			n.when = rapid.SliceOfNDistinct(rapid.SampledFrom(modelKeys), 1, 3, rapid.ID).Draw(t, "when")
		}
		n.limited = rapid.IntRange(0, 3).Draw(t, "limited") == 0
	}
	f.nodes = append(f.nodes, n)
}

// A modelPort is a way out of a node.
type modelPort struct {
	of        *modelNode
	ref, side string
}

func drawPort(t *rapid.T, ports []modelPort) modelPort {
	return ports[rapid.IntRange(0, len(ports)-1).Draw(t, "from")]
}

func (f *modelFlow) ports() (all []modelPort) {
	for _, n := range f.nodes {
		switch n.kind {
		case "fork":
			all = append(all, modelPort{n, n.id + ".a", n.side}, modelPort{n, n.id + ".b", n.side})
		case "hold", "queue":
			all = append(all, modelPort{n, n.id, n.side + " " + n.id})
		case "in":
			all = append(all, modelPort{n, n.id, n.side})
		default:
			all = append(all, modelPort{n, n.id, n.side}, modelPort{n, n.id + ".error", n.side})
		}
	}
	return all
}

func (f *modelFlow) node(id string) *modelNode {
	for _, n := range f.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (d *modelDoc) flow(name string) *modelFlow {
	for _, f := range d.flows {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (d *modelDoc) holds() bool {
	return slices.ContainsFunc(d.flows, func(f *modelFlow) bool {
		return slices.ContainsFunc(f.nodes, func(n *modelNode) bool { return n.kind == "hold" })
	})
}

// yaml writes the document.
func (d *modelDoc) yaml() string {
	var b strings.Builder
	b.WriteString("flows:\n")
	for _, f := range d.flows {
		fmt.Fprintf(&b, "  %s:\n    lanes: %d\n", f.name, f.lanes)
		if f.lanes > 1 {
			b.WriteString("    order_by: type\n")
		}
		b.WriteString("    nodes:\n")
		for _, n := range f.nodes {
			config := "{name: " + n.name + "}"
			if n.kind == "queue" {
				config = ""
			}
			fmt.Fprintf(&b, "      - %s: %s\n        id: %s\n", n.kind, config, n.id)
			if n.from != nil {
				fmt.Fprintf(&b, "        from: [%s]\n", strings.Join(n.from, ", "))
			}
			if n.when != nil {
				fmt.Fprintf(&b, "        when: %s\n", strings.Join(n.when, " "))
			}
			if n.limited {
				b.WriteString("        retry: {attempts: 2}\n")
			}
		}
	}
	return b.String()
}

// places are where an event should come, and how often: once for each way
// there.
func (f *modelFlow) places(e *sentEvent) map[place]int {
	out := map[string]int{"in": 1} // by ref
	found := map[place]int{}
	for _, n := range f.nodes[1:] {
		count := 0
		for _, ref := range n.from {
			count += out[ref]
		}
		if count == 0 {
			continue
		}
		if n.when != nil && !slices.Contains(n.when, e.key) {
			out[n.id] = count
			continue
		}
		switch {
		case n.kind == "fork":
			out[n.id+"."+forkPort(e.key)] = count
		case n.kind == "hold":
			out[n.id] = 1 // it has an offset once
		case e.poison == n.id && (n.kind == "step" || n.kind == "out"):
			if f.taken(n.id + ".error") {
				out[n.id+".error"] = count
			} else {
				found[place{n.id, n.side, true}] += count
			}
		default:
			if out[n.id] = count; n.kind == "out" {
				found[place{n.id, n.side, false}] += count
			}
		}
	}
	return found
}

func (f *modelFlow) taken(ref string) bool {
	return slices.ContainsFunc(f.nodes, func(n *modelNode) bool { return slices.Contains(n.from, ref) })
}

func forkPort(key string) string {
	if key < "c" {
		return "a"
	}
	return "b"
}
