package journal

import (
	"encoding/binary"

	"github.com/flowd/flowd/engine"
)

// A frame is being built for its place in a segment.
type frame struct {
	j       *Journal
	seg     *segment
	base    int64 // of the frame in the segment
	buf     []byte
	touched []*flow
	keys    []claims // taken from those pending

	nextLetter uint64
}

// pos is where the next record begins.
func (f *frame) pos() int64 { return f.base + int64(len(f.buf)) }

func (f *frame) record(kind byte, fill func(b []byte) []byte) {
	f.buf = appendRecord(f.buf, kind, 0, fill)
}

// summed adds a record with a checksum of its own.
func (f *frame) summed(kind byte, about int, fill func(b []byte) []byte) {
	at := f.pos()
	f.buf = appendRecord(f.buf, kind, about, func(b []byte) []byte {
		start := len(b)
		b = fill(append(b, 0, 0, 0, 0))
		binary.LittleEndian.PutUint32(b[start:], f.seg.mark.sum(at, b[start+4:]))
		return b
	})
}

// written publishes the frame, or takes back what it did to the flows. The
// committer calls it with Journal.mu held.
func (f *frame) written(err error) {
	for _, fl := range f.touched {
		if err != nil {
			fl.w = fl.saved
		} else {
			fl.publish()
		}
		fl.fresh, fl.touched = fl.fresh[:0], false
	}
	if err != nil {
		f.j.keys.putBack(f.keys)
	} else {
		f.j.keys.remember(f.keys)
	}
}

// touch prepares for a change of a flow, which is named first.
func (f *frame) touch(fl *flow) {
	if fl.touched {
		return
	}
	fl.touched, fl.saved = true, fl.w
	f.touched = append(f.touched, fl)
	if !fl.w.named {
		fl.w.named = true
		f.j.mu.Lock()
		f.flow(fl, fl.w.last, fl.dropped)
		f.j.mu.Unlock()
	}
}

// flow names a flow, and says how far it goes. Journal.mu is held.
func (f *frame) flow(fl *flow, last, dropped engine.Offset) {
	f.record(kindFlow, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint64(b, fl.hash)
		b = appendText(b, fl.name)
		b = binary.AppendUvarint(b, uint64(last))
		return binary.AppendUvarint(b, uint64(dropped))
	})
}

// event adds an event with the next offset of its flow.
func (f *frame) event(fl *flow, body []byte) {
	o := fl.w.last + 1
	at := f.pos()
	back := int64(0)
	if p := &fl.w.page; p.takes(f.seg, o) {
		back = at - p.newest
	} else {
		if p.seg == f.seg && fl.w.page != fl.saved.page {
			fl.fresh = append(fl.fresh, *p)
		}
		*p = page{seg: f.seg, first: o, start: at}
	}
	f.summed(kindEvent, len(body)+20, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint64(b, fl.hash)
		b = binary.AppendUvarint(b, uint64(o))
		b = binary.AppendUvarint(b, uint64(back))
		return append(b, body...)
	})
	fl.w.page.add(o, at, f.pos())
	fl.w.last = o
}

func (f *frame) cursor(fl *flow, name string, o engine.Offset, gone bool) {
	f.record(kindCursor, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint64(b, fl.hash)
		b = appendText(b, name)
		if gone {
			return append(b, 1)
		}
		return binary.AppendUvarint(append(b, 0), uint64(o))
	})
}

// claims adds keys.
func (f *frame) claims(c claims) {
	f.record(kindKeys, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint64(b, c.scope.flow)
		b = binary.LittleEndian.AppendUint64(b, c.scope.node)
		b = binary.AppendVarint(b, c.expires)
		b = binary.AppendUvarint(b, uint64(c.ttl))
		b = binary.AppendUvarint(b, uint64(len(c.list)))
		before := engine.Offset(0)
		for _, k := range c.list {
			b = append(b, k.hash[:]...)
			b = binary.AppendVarint(b, int64(k.owner-before))
			before = k.owner
		}
		return b
	})
}

func (f *frame) checkpoint(s scope, key string, value []byte) {
	f.record(kindCheckpoint, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint64(b, s.flow)
		b = binary.LittleEndian.AppendUint64(b, s.node)
		b = appendText(b, key)
		if value == nil {
			return append(b, 1)
		}
		return append(append(b, 0), value...)
	})
}

// letter adds a dead letter and returns where it is.
func (f *frame) letter(id uint64, body []byte) letter {
	at := f.pos()
	f.summed(kindLetter, len(body)+8, func(b []byte) []byte {
		return append(binary.AppendUvarint(b, id), body...)
	})
	return letter{f.seg, at, f.pos() - at}
}

func (f *frame) removed(ids []uint64) {
	f.record(kindRemoved, func(b []byte) []byte {
		for _, id := range ids {
			b = binary.AppendUvarint(b, id)
		}
		return b
	})
}

// opening fills the first frame of a segment: what came before it, and all
// flows, cursors and checkpoints. Journal.mu is held.
func (f *frame) opening(before []*segment) {
	f.record(kindOpening, func(b []byte) []byte {
		b = binary.AppendUvarint(b, version)
		var last segment
		if n := len(before); n > 0 {
			last.mark, last.end, last.summary = before[n-1].mark, before[n-1].end, before[n-1].summary
		}
		b = binary.AppendUvarint(b, uint64(last.mark.number()))
		b = binary.AppendUvarint(b, uint64(last.end))
		at := int64(0)
		if last.summary.to == last.end {
			at = last.summary.from
		}
		b = binary.AppendUvarint(b, uint64(at))
		return binary.AppendVarint(b, f.seg.begun.UnixNano())
	})
	for _, fl := range f.j.flows {
		if !fl.w.named && fl.last == 0 {
			continue
		}
		f.flow(fl, fl.last, fl.dropped)
		for name, p := range fl.cursors {
			f.cursor(fl, name, p.committed, false)
		}
	}
	for s, values := range f.j.checkpoints {
		for key, value := range values {
			f.checkpoint(s, key, value)
		}
	}
	f.record(kindNextLetter, func(b []byte) []byte { return binary.AppendUvarint(b, f.j.nextLetter) })
}

// summary fills the last frame of a segment: what Open would else have to read
// all of it for.
func (f *frame) summary() {
	f.record(kindSummary, func(b []byte) []byte { return b })
	j := f.j
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, fl := range j.flows {
		if pages := fl.pagesIn(f.seg); len(pages) > 0 {
			f.record(kindPages, func(b []byte) []byte { return appendPages(b, fl.hash, pages) })
		}
	}
	for _, c := range j.keys.sealing(j.now()) {
		f.claims(c)
	}
	f.record(kindLetters, func(b []byte) []byte {
		for id, l := range j.letters {
			if l.seg == f.seg {
				b = binary.AppendUvarint(b, id)
				b = binary.AppendUvarint(b, uint64(l.at))
				b = binary.AppendUvarint(b, uint64(l.size))
			}
		}
		return b
	})
	if len(j.removedHere) > 0 {
		f.removed(j.removedHere)
	}
}
