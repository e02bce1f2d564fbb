package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/flowd/flowd/engine"
)

// An encoder writes events one behind the other.
//
// Of each it writes what a record holds of it: lengths and attributes first, so
// that one string can back them all, the payload last, byte for byte.
//
//	seconds varint | nanoseconds uvarint | six texts with their lengths | meta | failure as JSON | data
type encoder struct {
	buf  []byte
	meta unsafe.Pointer // of the event before, which is at:
	from int
	to   int
}

func (w *encoder) event(e *engine.Event) error {
	data, err := e.Data.Bytes()
	if err != nil {
		return fmt.Errorf("event %q: data: %w", e.ID, err)
	}
	head := len(w.buf)
	b := append(w.buf, 0, 0, 0, 0) // length of all but the data
	b = binary.AppendVarint(b, e.Time.Unix())
	b = binary.AppendUvarint(b, uint64(e.Time.Nanosecond()))
	for _, s := range [...]string{e.ID, e.Source, e.Type, e.Subject, e.Node, e.At} {
		b = appendText(b, s)
	}
	from := len(b)
	if meta := reflect.ValueOf(e.Meta).UnsafePointer(); e.Meta == nil {
		b = append(b, valueNil)
	} else if meta == w.meta { // as that of all lines of a file
		b = append(b, b[w.from:w.to]...)
	} else if b, err = appendMap(b, e.Meta, 0); err == nil {
		w.meta, w.from, w.to = meta, from, len(b)
	} else {
		return fmt.Errorf("event %q: meta: %w", e.ID, err)
	}
	if e.Failure != nil {
		failure, err := json.Marshal(e.Failure)
		if err != nil {
			return fmt.Errorf("event %q: error: %w", e.ID, err)
		}
		b = append(b, failure...)
	}
	binary.LittleEndian.PutUint32(b[head:], uint32(len(b)-head-4))
	w.buf = append(b, data...)
	return nil
}

// appendEvent writes one event.
func appendEvent(b []byte, e *engine.Event) ([]byte, error) {
	w := encoder{buf: b}
	err := w.event(e)
	return w.buf, err
}

// A decoder reads what an encoder wrote. The events of one may share their
// meta.
type decoder struct {
	raw  string // of the meta before
	meta engine.Meta
}

// event reads one event, which keeps nothing of body.
func (d *decoder) event(body []byte) (*engine.Event, error) {
	whole := reader[[]byte]{rest: body}
	r := reader[string]{rest: string(whole.take(uint64(whole.fixed32())))}
	if whole.bad {
		return nil, errRecord
	}
	e := &engine.Event{}
	sec, nsec := r.varint(), r.uvarint()
	if nsec > 999_999_999 {
		return nil, errRecord
	}
	e.Time = time.Unix(sec, int64(nsec)).UTC()
	for _, s := range [...]*string{&e.ID, &e.Source, &e.Type, &e.Subject, &e.Node, &e.At} {
		*s = r.text()
	}
	if !d.readMeta(&r) {
		return nil, errRecord
	}
	e.Meta = d.meta
	if r.rest != "" {
		e.Failure = &engine.Failure{}
		if err := json.Unmarshal([]byte(r.rest), e.Failure); err != nil {
			return nil, errRecord
		}
	}
	e.Data = engine.JSON(append(make([]byte, 0, len(whole.rest)), whole.rest...))
	return e, nil
}

// readMeta reads the meta that follows, and reports whether all was good so
// far. No meta is the beginning of another.
func (d *decoder) readMeta(r *reader[string]) bool {
	if !r.bad && d.raw != "" && strings.HasPrefix(r.rest, d.raw) {
		r.rest = r.rest[len(d.raw):]
		return true
	}
	rest := r.rest
	switch meta := r.value(0).(type) {
	case nil:
		d.meta = nil
	case map[string]any:
		d.meta = meta
	default:
		return false
	}
	d.raw = rest[:len(rest)-len(r.rest)]
	return !r.bad
}

// readEvent reads one event.
func readEvent(body []byte) (*engine.Event, error) { return new(decoder).event(body) }
