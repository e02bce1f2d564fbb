package journal

import (
	"time"

	"github.com/flowd/flowd/engine"
)

// A replay takes in what a segment says, at Open. Nothing else runs yet.
type replay struct {
	j      *Journal
	seg    *segment
	oldest bool
}

// frame takes in the records of a frame.
func (re *replay) frame(records []byte, at int64) {
	opening := false
	for at, r := range eachRecord(records, at) {
		switch r.kind {
		case kindSummary:
			return // says nothing new
		case kindOpening:
			// What follows is all there was.
			opening = true
			for _, fl := range re.j.flows {
				clear(fl.cursors)
			}
			clear(re.j.checkpoints)
		case kindFlow:
			re.flow(r.payload, opening)
		case kindEvent:
			re.event(r, at)
		case kindLetter:
			p := reader[[]byte]{rest: r.payload}
			p.fixed32()
			if id := p.uvarint(); !p.bad {
				re.j.setLetter(id, letter{re.seg, at, int64(r.size)})
			}
		default:
			re.other(r)
		}
	}
}

// other takes in what is the same in a frame and in a summary.
func (re *replay) other(r record) {
	j := re.j
	p := reader[[]byte]{rest: r.payload}
	switch r.kind {
	case kindCursor:
		fl, name := j.flowOf(p.fixed64()), string(p.text())
		gone, o := p.byte() == 1, engine.Offset(p.uvarint())
		if gone {
			delete(fl.cursors, name)
		} else if !p.bad {
			fl.cursors[name] = &place{committed: o}
		}
	case kindKeys:
		if c := readClaims(r.payload); len(c.list) > 0 {
			j.keys.load(c, j.opened)
			j.keys.remember([]claims{c})
		}
	case kindCheckpoint:
		s := scope{p.fixed64(), p.fixed64()}
		key, gone := string(p.text()), p.byte() == 1
		switch {
		case p.bad:
		case gone:
			j.setCheckpoint(s, key, nil)
		default:
			j.setCheckpoint(s, key, append([]byte{}, p.rest...))
		}
	case kindRemoved:
		var ids []uint64
		for len(p.rest) > 0 && !p.bad {
			ids = append(ids, p.uvarint())
		}
		j.removeLetters(ids)
		j.removedHere = append(j.removedHere, ids...)
	case kindNextLetter:
		j.nextLetter = max(j.nextLetter, p.uvarint())
	}
}

// flow takes in the name of a flow, and in an opening where its log was.
func (re *replay) flow(payload []byte, opening bool) {
	p := reader[[]byte]{rest: payload}
	fl := re.j.flowOf(p.fixed64())
	name := string(p.text())
	last, dropped := engine.Offset(p.uvarint()), engine.Offset(p.uvarint())
	if p.bad {
		return
	}
	if name != "" {
		fl.name, fl.w.named = name, true
	}
	if opening {
		fl.dropped = dropped
	} else {
		fl.dropped = max(fl.dropped, dropped)
	}
	re.reach(fl, last, re.oldest && opening)
}

// reach notes that the log of a flow went as far as o: what is not there up to
// it is lost, unless it is older than the oldest segment.
func (re *replay) reach(fl *flow, o engine.Offset, older bool) {
	if o <= fl.w.last {
		return
	}
	if !older {
		re.j.lose(fl, fl.w.last+1, o)
	}
	fl.w.last = o
}

func (re *replay) event(r record, at int64) {
	// The frame's checksum is good, so the record's is not looked at.
	p := reader[[]byte]{rest: r.payload}
	p.fixed32()
	fl, o := re.j.flowOf(p.fixed64()), engine.Offset(p.uvarint())
	if p.bad || o <= fl.w.last {
		return
	}
	// The first frame of the oldest segment may be what is damaged.
	re.reach(fl, o-1, re.oldest && fl.w.last == 0 && re.seg.first == 0 && re.seg.mark.number() > 1)
	if !fl.w.page.takes(re.seg, o) {
		fl.w.page = page{seg: re.seg, first: o, start: at}
	}
	fl.w.page.add(o, at, at+int64(r.size))
	fl.show(fl.w.page)
	fl.w.last = o
}

// summary takes in the last frame of a segment in place of all others.
func (re *replay) summary(records []byte, at int64) {
	for _, r := range eachRecord(records, at) {
		switch r.kind {
		case kindPages:
			hash, pages := readPages(re.seg, r.payload)
			fl := re.j.flowOf(hash)
			for _, p := range pages {
				if p.first <= fl.w.last || p.end > re.seg.end {
					continue
				}
				re.reach(fl, p.first-1, false)
				fl.show(p)
				fl.w.last, fl.w.page = p.last, p
			}
		case kindLetters:
			p := reader[[]byte]{rest: r.payload}
			for len(p.rest) > 0 {
				id, l := p.uvarint(), letter{re.seg, int64(p.uvarint()), int64(p.uvarint())}
				if p.bad || l.at < 0 || l.size < 0 || l.at+l.size > re.seg.end {
					break
				}
				re.j.setLetter(id, l)
			}
		default:
			re.other(r)
		}
	}
}

func readClaims(payload []byte) (c claims) {
	p := reader[[]byte]{rest: payload}
	c.scope = scope{p.fixed64(), p.fixed64()}
	c.expires = p.varint()
	c.ttl = time.Duration(p.uvarint())
	before := engine.Offset(0)
	for range p.count(len(engine.KeyHash{}) + 1) {
		var k claim
		copy(k.hash[:], p.take(uint64(len(k.hash))))
		k.owner = before + engine.Offset(p.varint())
		if p.bad {
			return claims{}
		}
		c.list, before = append(c.list, k), k.owner
	}
	return c
}
