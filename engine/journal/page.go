package journal

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/flowd/flowd/engine"
)

const (
	pageEvents = 128
	pageBytes  = 128 << 10
)

// A page is a run of events of one flow in one segment, without gaps: the
// entry of the index. Each of its events knows how far back the one before is.
type page struct {
	seg         *segment
	first, last engine.Offset
	start       int64 // of the first event's record
	newest      int64 // of the last event's record
	end         int64 // of that record
	bytes       int64 // of all its records
}

// takes reports whether the event o belongs to the page.
func (p *page) takes(seg *segment, o engine.Offset) bool {
	return p.seg == seg && o == p.last+1 && o < p.first+pageEvents && p.bytes < pageBytes
}

func (p *page) add(o engine.Offset, at, end int64) {
	p.last, p.newest, p.end = o, at, end
	p.bytes += end - at
}

// events reads those behind after, in order. What can't be read is left out,
// and missing says so.
func (p page) events(flow uint64, after engine.Offset) (events []*engine.Event, missing bool, err error) {
	var whole []byte
	if size := p.end - p.start; size <= 2*pageBytes || size <= 4*p.bytes {
		// Mostly this flow's: read in one go.
		buf := buffers.Get().(*[]byte)
		defer recycle(buf)
		*buf = slices.Grow((*buf)[:0], int(size))[:size]
		if whole, err = p.seg.read(*buf, p.start); err != nil {
			return nil, false, err
		}
	}
	at, want := p.newest, p.last
	events = make([]*engine.Event, 0, pageEvents)
	var d decoder
	for want > after && want >= p.first {
		e, back, err := p.event(&d, whole, at, flow, want)
		if errors.Is(err, errRecord) {
			return p.salvage(flow, after, want, events)
		}
		if err != nil {
			return nil, false, err
		}
		events = append(events, e)
		at, want = at-back, want-1
	}
	slices.Reverse(events)
	return events, false, nil
}

// event reads the event at a place: from whole, if that has the page.
func (p page) event(d *decoder, whole []byte, at int64, flow uint64, o engine.Offset) (*engine.Event, int64, error) {
	if at < p.start || at >= p.end {
		return nil, 0, errRecord
	}
	b := whole
	if whole != nil {
		b = b[min(int64(len(b)), at-p.start):]
	} else {
		var err error
		if b, err = p.seg.read(make([]byte, min(4<<10, p.end-at)), at); err != nil {
			return nil, 0, err
		}
		if size := recordSize(b); size > len(b) && int64(size) <= p.end-at {
			if b, err = p.seg.read(make([]byte, size), at); err != nil {
				return nil, 0, err
			}
		}
	}
	r, ok := firstRecord(b)
	if !ok || r.kind != kindEvent {
		return nil, 0, errRecord
	}
	head, ok := readEventHead(p.seg.mark, at, r.payload)
	if !ok || head.flow != flow || head.offset != o {
		return nil, 0, errRecord
	}
	e, err := d.event(head.body)
	if err != nil {
		return nil, 0, errRecord
	}
	e.Offset = o
	return e, head.back, nil
}

// salvage reads what can be read of (after, upto], besides the newer events
// that the chain has given, newest first.
func (p page) salvage(flow uint64, after, upto engine.Offset, newer []*engine.Event) ([]*engine.Event, bool, error) {
	var older []*engine.Event
	for s := p.seg.scan(0, p.end); ; {
		records, at, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		for at, r := range eachRecord(records, at) {
			if r.kind != kindEvent {
				continue
			}
			head, ok := readEventHead(p.seg.mark, at, r.payload)
			if !ok || head.flow != flow || head.offset <= after || head.offset < p.first || head.offset > upto {
				continue
			}
			if e, err := readEvent(head.body); err == nil {
				e.Offset = head.offset
				older = append(older, e)
			}
		}
	}
	slices.Reverse(newer)
	return append(older, newer...), true, nil
}

// An eventHead is what the store itself needs to know of an event's record.
type eventHead struct {
	flow   uint64
	offset engine.Offset
	back   int64
	body   []byte
}

func readEventHead(m mark, at int64, payload []byte) (eventHead, bool) {
	r := reader[[]byte]{rest: payload}
	if sum := r.fixed32(); r.bad || sum != m.sum(at, r.rest) {
		return eventHead{}, false
	}
	h := eventHead{flow: r.fixed64(), offset: engine.Offset(r.uvarint()), back: int64(r.uvarint())}
	h.body = r.rest
	return h, !r.bad && h.back >= 0
}

// recordSize is how long the record at the beginning of b is.
func recordSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	length, n := binary.Uvarint(b[1:])
	if n <= 0 || length > maxFrame {
		return 0
	}
	return 1 + n + int(length)
}

func appendPages(b []byte, flow uint64, pages []page) []byte {
	b = binary.LittleEndian.AppendUint64(b, flow)
	for _, p := range pages {
		b = binary.AppendUvarint(b, uint64(p.first))
		b = binary.AppendUvarint(b, uint64(p.last-p.first))
		b = binary.AppendUvarint(b, uint64(p.start))
		b = binary.AppendUvarint(b, uint64(p.newest-p.start))
		b = binary.AppendUvarint(b, uint64(p.end-p.newest))
		b = binary.AppendUvarint(b, uint64(p.bytes))
	}
	return b
}

func readPages(seg *segment, payload []byte) (flow uint64, pages []page) {
	r := reader[[]byte]{rest: payload}
	flow = r.fixed64()
	for len(r.rest) > 0 {
		p := page{seg: seg, first: engine.Offset(r.uvarint())}
		p.last = p.first + engine.Offset(r.uvarint())
		p.start = int64(r.uvarint())
		p.newest = p.start + int64(r.uvarint())
		p.end = p.newest + int64(r.uvarint())
		p.bytes = int64(r.uvarint())
		if r.bad {
			break
		}
		pages = append(pages, p)
	}
	return flow, pages
}
