package journal

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flowd/flowd/engine"
)

// appendEvent writes what a record holds of an event: lengths and attributes
// first, so that one string can back them all, the payload last, byte for byte.
//
//	seconds varint | nanoseconds uvarint | six texts with their lengths | meta | failure as JSON | data
func appendEvent(b []byte, e *engine.Event) ([]byte, error) {
	data, err := e.Data.Bytes()
	if err != nil {
		return b, fmt.Errorf("event %q: data: %w", e.ID, err)
	}
	head := len(b)
	b = append(b, 0, 0, 0, 0) // length of all but the data
	b = binary.AppendVarint(b, e.Time.Unix())
	b = binary.AppendUvarint(b, uint64(e.Time.Nanosecond()))
	for _, s := range [...]string{e.ID, e.Source, e.Type, e.Subject, e.Node, e.At} {
		b = appendText(b, s)
	}
	if e.Meta == nil {
		b = append(b, valueNil)
	} else if b, err = appendMap(b, e.Meta, 0); err != nil {
		return b, fmt.Errorf("event %q: meta: %w", e.ID, err)
	}
	if e.Failure != nil {
		failure, err := json.Marshal(e.Failure)
		if err != nil {
			return b, fmt.Errorf("event %q: error: %w", e.ID, err)
		}
		b = append(b, failure...)
	}
	binary.LittleEndian.PutUint32(b[head:], uint32(len(b)-head-4))
	return append(b, data...), nil
}

// readEvent is the inverse of appendEvent. The event keeps nothing of body.
func readEvent(body []byte) (*engine.Event, error) {
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
	switch meta := r.value(0).(type) {
	case nil:
	case map[string]any:
		e.Meta = meta
	default:
		return nil, errRecord
	}
	if r.bad {
		return nil, errRecord
	}
	if r.rest != "" {
		e.Failure = &engine.Failure{}
		if err := json.Unmarshal([]byte(r.rest), e.Failure); err != nil {
			return nil, errRecord
		}
	}
	e.Data = engine.JSON(append(make([]byte, 0, len(whole.rest)), whole.rest...))
	return e, nil
}
