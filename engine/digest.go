package engine

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/flowd/flowd/flows"
)

// A digest stands for what a part of a document says, not where or how it is
// written. What runs is compared by it with the next document, and need not
// keep its own: values with their places take more memory than all else of a
// flow.
type digest [16]byte // of SHA-256: two that say different things don't meet

// A digester makes digests, one after the other.
type digester struct{ text []byte }

func (d *digester) sum() digest {
	sum := sha256.Sum256(d.text)
	d.text = d.text[:0]
	return digest(sum[:])
}

func (d *digester) number(n int) { d.text = binary.AppendUvarint(d.text, uint64(n)) }

func (d *digester) string(s string) {
	d.number(len(s))
	d.text = append(d.text, s...)
}

// value adds what v says; nil is unlike any value.
func (d *digester) value(v *flows.Value) {
	if v == nil {
		d.number(0)
		return
	}
	d.number(1 + int(v.Kind))
	d.string(v.Text)
	d.number(len(v.Items))
	for _, item := range v.Items {
		d.value(item)
	}
	d.number(len(v.Entries))
	for _, e := range v.Entries {
		d.string(e.Key.Text)
		d.value(e.Value)
	}
}

// manner adds the engine's own keys of a node, but for its id and wiring.
func (d *digester) manner(n *flows.Node) {
	d.value(n.When)
	d.value(n.Retry)
	d.value(n.Timeout)
	d.number(int(n.OnError))
}

// flow adds all that a flow is planned by.
func (d *digester) flow(f *flows.Flow) {
	d.string(f.Name)
	d.number(f.Lanes)
	d.value(f.OrderBy)
	for _, n := range f.Nodes {
		d.string(n.ID)
		d.string(n.Type)
		d.value(n.Config)
		d.manner(n)
		d.number(len(n.From))
		for _, from := range n.From {
			d.string(from.ID)
			d.string(from.Port)
		}
	}
}
