package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// An Offset is the position of an event in its flow's log. Offsets begin at 1
// and only grow. An event that passes beside the log (see [Inlet.Ask]) has an
// offset with the highest bit set, which is nobody else's either.
type Offset uint64

// beside marks the offsets of events that are in no log.
const beside Offset = 1 << 63

// Logged reports whether o is a position in a log.
func (o Offset) Logged() bool { return o != 0 && o&beside == 0 }

// An Event is one thing that happened: the attributes of CloudEvents 1.0, the
// payload, and what came with it.
//
// A node must not change an event it was given, since the same event may be
// given to it again after an error: it emits a changed [Event.Copy]. Values
// inside Data and Meta are never changed in place. An event belongs to one
// goroutine at a time, except that a sink may read it from several.
type Event struct {
	ID      string    // the sender's id of it, or a hash of the body
	Source  string    // livekit, sora, sonzai, claude, …
	Type    string    // what happened: participant_joined
	Subject string    // what it is about: a room, a channel, a session
	Time    time.Time // when it happened, or arrived
	Data    Data      // the payload
	Meta    Meta      // what came with it: headers, path, …

	Node    string   // id of the source node it came in by; set by the engine
	Offset  Offset   // its position in the log; a copy keeps it
	At      string   // id of the node it goes to instead of those behind Node: a dead letter that is tried again
	Failure *Failure // what went wrong, behind an error port

	ask *ask // the request that waits for its answer, or nil
}

// Meta is what came with an event, by name: headers (map[string]any with
// names in lower case), path, and what else a source knows. What a source puts
// in of other kinds than JSON's becomes what comes of it in JSON.
type Meta map[string]any

// settleMeta makes the meta of events what a log gives back: its values are of
// the kinds that JSON has, as [Data.Value] returns them.
func settleMeta(batch []*Event) error {
	var seen uintptr // that of all lines of a file is one
	for _, e := range batch {
		at := reflect.ValueOf(e.Meta).Pointer()
		if at == seen || isKept(map[string]any(e.Meta), 0) {
			seen = at
			continue
		}
		meta := make(Meta, len(e.Meta))
		for name, v := range e.Meta {
			if !isKept(v, 1) {
				var err error
				if v, err = Value(v).Value(); err != nil {
					return fmt.Errorf("meta of event %q: %s: %w", e.ID, name, err)
				}
			}
			meta[name] = v
		}
		e.Meta = meta
	}
	return nil
}

// isKept reports whether a log gives v back as it is, with so many lists and
// maps around it.
func isKept(v any, depth int) bool {
	const usual = 32
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return true
	case []any:
		return v != nil && depth < usual && !slices.ContainsFunc(v, func(item any) bool { return !isKept(item, depth+1) })
	case map[string]any:
		for _, field := range v {
			if depth == usual || !isKept(field, depth+1) {
				return false
			}
		}
		return v != nil || depth == 0
	}
	return false
}

// Copy returns a shallow copy of e, to be changed and emitted.
func (e *Event) Copy() *Event {
	c := *e
	return &c
}

// Failed returns a copy of e as it goes on behind an error port.
func (e *Event) failed(f Failure) *Event {
	c := e.Copy()
	c.Failure = &f
	return c
}

// MetaValue is Meta as expressions and sinks see it: with the node beside it.
func (e *Event) MetaValue() map[string]any {
	m := make(map[string]any, len(e.Meta)+1)
	maps.Copy(m, e.Meta)
	m["node"] = e.Node
	return m
}

// A Failure says why an event could not be handled. It is `error` in
// expressions behind an error port.
type Failure struct {
	Message  string    `json:"message"`
	Node     string    `json:"node"`
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first"` // of its attempts
	Last     time.Time `json:"last"`
}

// Data is a payload: JSON text or the value it encodes, either made from the
// other when first asked for. What was not changed is written on byte for
// byte. Copies of a Data share what was made. The zero Data is null.
//
// Who needs a part of it asks for a [Data.View], which decodes that part alone.
// Who writes it out appends it with [Data.AppendJSON].
//
// Values are those of encoding/json, but for numbers: an integer is an int64
// where it fits, so that it stays exact, and any other number a float64. One
// that is too large for that, 1e400, is a json.Number: it goes on as it came,
// and no expression can work with it.
type Data struct{ p *payload }

type payload struct {
	raw     []byte                  // JSON text; nil if it was made from a value
	compact bool                    // whether raw is known to be JSON without space between its tokens
	once    sync.Once               // of going through raw
	valid   bool                    // whether raw has its index
	index                           // of raw
	made    atomic.Pointer[decoded] // what was decoded
	wrote   atomic.Pointer[[]byte]  // raw of a payload made from a value
}

// decoded is a value inside a payload that was decoded, in a list of all.
type decoded struct {
	mark  int // in the index; 0 is the whole payload, and ^mark the names of a map
	value any
	err   error // of the whole payload
	next  *decoded
}

// JSON is the payload whose text is raw. It keeps raw, which must not be
// changed afterwards. Text that is not JSON makes [Data.Value] fail, not JSON.
func JSON(raw []byte) Data {
	if raw == nil {
		raw = []byte{}
	}
	return Data{&payload{raw: raw}}
}

// Compact is [JSON] for what is made of what [AppendJSON], [Data.AppendJSON] and
// [View.AppendJSON] wrote. It is not looked at again when it is written out,
// unless it is long enough to be deeper than JSON may be.
func Compact(raw []byte) Data {
	d := JSON(raw)
	d.p.compact = len(raw) <= 2*deepest
	return d
}

// Value is the payload with value v: nil, bool, string, any kind of number,
// []any or map[string]any, or what else encoding/json can write. It keeps v,
// which must not be changed afterwards. What would read otherwise behind a log,
// such as 2.0, which is the integer 2 in JSON, is JSON text at once.
func Value(v any) Data {
	made := &decoded{value: v}
	if !isDecoded(v, 0) {
		raw, err := AppendJSON(nil, v)
		if err == nil {
			return Compact(raw)
		}
		made = &decoded{err: err}
	}
	p := &payload{}
	p.made.Store(made)
	return Data{p}
}

// indexed goes through raw, the first time, and reports whether it is JSON that
// has an index.
func (p *payload) indexed() bool {
	if p.raw == nil {
		return false
	}
	p.once.Do(func() { p.index, p.valid = indexOf(p.raw) })
	return p.valid
}

// decoded is what was decoded before, or nil.
func (p *payload) decoded(mark int) *decoded {
	d := p.made.Load()
	for d != nil && d.mark != mark {
		d = d.next
	}
	return d
}

func (p *payload) remember(d *decoded) {
	for {
		if d.next = p.made.Load(); p.made.CompareAndSwap(d.next, d) {
			return
		}
	}
}

// Value returns the payload as a value, which must not be changed.
func (d Data) Value() (any, error) {
	if d.p == nil {
		return nil, nil
	}
	if made := d.p.decoded(0); made != nil {
		return made.value, made.err
	}
	if v, ok := d.View(); ok {
		return v.Value(), nil
	}
	made := &decoded{}
	made.value, made.err = decodeJSON(d.p.raw)
	d.p.remember(made)
	return made.value, made.err
}

// Valid reports whether the payload is JSON. Who reads it afterwards need not go
// through it again.
func (d Data) Valid() bool {
	return d.p == nil || d.p.raw == nil || d.p.compact || d.p.indexed() || json.Valid(d.p.raw)
}

// IsUTF8 reports whether the payload is JSON and UTF-8 throughout, as RFC 8259
// asks for. Other bytes may stand in strings, and are read as U+FFFD.
func (d Data) IsUTF8() bool {
	return d.p == nil || d.p.raw == nil || d.p.indexed() && !d.p.foreign
}

// Bytes returns the payload as JSON text, which must not be changed.
func (d Data) Bytes() ([]byte, error) {
	if d.p == nil {
		return []byte("null"), nil
	}
	if d.p.raw != nil {
		return d.p.raw, nil
	}
	if raw := d.p.wrote.Load(); raw != nil {
		return *raw, nil
	}
	raw, err := d.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	d.p.wrote.Store(&raw)
	return raw, nil
}

// size is how long the text of the payload is, or 0 as long as there is none.
func (d Data) size() int {
	switch {
	case d.p == nil:
		return 0
	case d.p.raw != nil:
		return len(d.p.raw)
	}
	if wrote := d.p.wrote.Load(); wrote != nil {
		return len(*wrote)
	}
	return 0
}

// AppendJSON appends the payload on one line: as it was sent, but for space
// between its tokens. Text that is not JSON is an error.
func (d Data) AppendJSON(dst []byte) ([]byte, error) {
	switch p := d.p; {
	case p == nil:
		return append(dst, "null"...), nil
	case p.raw == nil:
		if raw := p.wrote.Load(); raw != nil {
			return append(dst, *raw...), nil
		}
		made := p.decoded(0)
		if made.err != nil {
			return dst, made.err
		}
		return AppendJSON(dst, made.value)
	case p.compact || p.indexed() && !p.spaced:
		return append(dst, p.raw...), nil
	}
	dst, err := appendCompact(dst, d.p.raw)
	if err != nil {
		err = fmt.Errorf("the payload is not JSON: %w", err)
	}
	return dst, err
}

// MarshalJSON writes the payload.
func (d Data) MarshalJSON() ([]byte, error) { return d.Bytes() }

// Fields is e as the JSON object that sinks and the debug node show: the seven
// names of the language, and error where there is one.
func (e *Event) Fields() map[string]any {
	m := map[string]any{
		"id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Subject,
		"time": e.Time.UTC().Format(time.RFC3339Nano), "data": e.Data, "meta": e.MetaValue(),
	}
	if e.Failure != nil {
		m["error"] = e.Failure
	}
	return m
}

var _ json.Marshaler = Data{}
