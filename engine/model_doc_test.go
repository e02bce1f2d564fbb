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
// is.
type place struct {
	node   string
	letter bool
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

// free draws an id that no node has, or none if all are taken.
func (f *modelFlow) free(t *rapid.T, kind string) string {
	var free []string
	for i := range 3 {
		if id := fmt.Sprint(kind, i); f.node(id) == nil {
			free = append(free, id)
		}
	}
	if len(free) == 0 {
		return ""
	}
	return rapid.SampledFrom(free).Draw(t, "id")
}

func (f *modelFlow) draw(t *rapid.T, kind string) {
	id := f.free(t, kind)
	if id == "" {
		return
	}
	n := &modelNode{id: id, kind: kind, name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name")}
	ports := f.ports()
	port := drawPort(t, ports)
	n.from = []string{port.ref}
	if kind == "step" || kind == "out" {
		if rapid.IntRange(0, 3).Draw(t, "merges") == 0 {
			ports = slices.DeleteFunc(ports, func(p modelPort) bool { return p.side != port.side || p.ref == port.ref })
			if len(ports) > 0 {
				n.from = append(n.from, drawPort(t, ports).ref)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "has when") == 0 {
			n.when = rapid.SliceOfNDistinct(rapid.SampledFrom(modelKeys), 1, 3, rapid.ID).Draw(t, "when")
		}
		n.limited = rapid.IntRange(0, 3).Draw(t, "limited") == 0
	}
	f.nodes = append(f.nodes, n)
	f.trace()
}

// trace finds what is on the ways to each node. A node that would take events
// of two sides takes those of the first.
func (f *modelFlow) trace() {
	ports := map[string]modelPort{}
	for _, n := range f.nodes {
		n.side, n.before = "", nil
		n.from = slices.DeleteFunc(n.from, func(ref string) bool { return ports[ref].side != ports[n.from[0]].side })
		for _, ref := range n.from {
			n.side = ports[ref].side
			n.before = append(n.before, ports[ref].of.before...)
		}
		n.before = append(n.before, n.id)
		for _, p := range n.ports() {
			ports[p.ref] = p
		}
	}
}

// edit draws a document that differs from d in one thing: a flow loses a queue
// or a holder or gets one, a queue gets another name, or a sink moves.
func (d *modelDoc) edit(t *rapid.T) *modelDoc {
	next := &modelDoc{}
	for _, f := range d.flows {
		next.flows = append(next.flows, f.clone())
	}
	f := next.flows[rapid.IntRange(0, len(next.flows)-1).Draw(t, "edited")]
	parts := slices.DeleteFunc(slices.Clone(f.nodes), func(n *modelNode) bool { return n.kind != "queue" && n.kind != "hold" })
	if how := rapid.IntRange(0, 3).Draw(t, "edit"); how < 2 && len(parts) > 0 {
		n := rapid.SampledFrom(parts).Draw(t, "part")
		if how == 0 {
			f.nodes = slices.DeleteFunc(f.nodes, func(m *modelNode) bool { return m == n })
			f.rename(n.id, n.from[0])
		} else if to := f.free(t, n.kind); to != "" {
			f.rename(n.id, to)
		}
	} else {
		f.move(t, how%2 == 0)
	}
	for _, f := range next.flows {
		f.trace()
	}
	return next
}

func (f *modelFlow) clone() *modelFlow {
	c := &modelFlow{name: f.name, lanes: f.lanes}
	for _, n := range f.nodes {
		m := *n
		m.from, m.before = slices.Clone(n.from), nil
		c.nodes = append(c.nodes, &m)
	}
	return c
}

// rename gives a node of one way out another name.
func (f *modelFlow) rename(id, to string) {
	for _, n := range f.nodes {
		if n.id == id {
			n.id = to
		}
		for i, ref := range n.from {
			if ref == id && !slices.Contains(n.from, to) {
				n.from[i] = to
			}
		}
		n.from = slices.DeleteFunc(n.from, func(ref string) bool { return ref == id })
	}
}

// move has a sink take its events from another port, or, if that is parted, from
// behind a new queue or holder.
func (f *modelFlow) move(t *rapid.T, parted bool) {
	outs := slices.DeleteFunc(slices.Clone(f.nodes), func(n *modelNode) bool { return n.kind != "out" })
	out := rapid.SampledFrom(outs).Draw(t, "moved")
	at := slices.Index(f.nodes, out)
	if !f.taken(out.id) && !f.taken(out.id+".error") {
		f.nodes = append(slices.Delete(f.nodes, at, at+1), out)
		at = len(f.nodes) - 1
	}
	if !parted {
		before := &modelFlow{nodes: f.nodes[:at]}
		before.trace()
		out.from = []string{drawPort(t, before.ports()).ref}
		return
	}
	kind := rapid.SampledFrom([]string{"queue", "hold"}).Draw(t, "new")
	if id := f.free(t, kind); id != "" {
		n := &modelNode{id: id, kind: kind, name: "x", from: out.from[:1:1]}
		f.nodes = slices.Insert(f.nodes, at, n)
		out.from = []string{id}
	}
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
		all = append(all, n.ports()...)
	}
	return all
}

func (n *modelNode) ports() []modelPort {
	switch n.kind {
	case "fork":
		return []modelPort{{n, n.id + ".a", n.side}, {n, n.id + ".b", n.side}}
	case "hold", "queue":
		return []modelPort{{n, n.id, n.side + " " + n.id}}
	case "in":
		return []modelPort{{n, n.id, n.side}}
	default:
		return []modelPort{{n, n.id, n.side}, {n, n.id + ".error", n.side}}
	}
}

// queues are those on the way to a node.
func (n *modelNode) queues() string {
	return strings.Join(slices.DeleteFunc(strings.Fields(n.side), func(id string) bool { return !strings.HasPrefix(id, "queue") }), " ")
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
				found[place{n.id, true}] += count
			}
		default:
			if out[n.id] = count; n.kind == "out" {
				found[place{n.id, false}] += count
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
