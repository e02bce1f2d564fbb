package engine

import (
	"encoding/json"
	"maps"
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
// names in lower case), path, and what else a source knows.
type Meta map[string]any

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
// Values are those of encoding/json, but for numbers: an integer is an int64
// where it fits, so that it stays exact, and any other number a float64.
type Data struct{ p *payload }

type payload struct {
	raw   []byte                  // JSON text; nil until made
	made  atomic.Pointer[decoded] // value; nil until made
	wrote atomic.Pointer[[]byte]  // raw of a payload made from a value
}

type decoded struct {
	value any
	err   error
}

// JSON is the payload whose text is raw. It keeps raw, which must not be
// changed afterwards. Text that is not JSON makes [Data.Value] fail, not JSON.
func JSON(raw []byte) Data { return Data{&payload{raw: raw}} }

// Value is the payload with value v: nil, bool, string, any kind of number,
// []any or map[string]any. It keeps v, which must not be changed afterwards.
func Value(v any) Data {
	p := &payload{}
	p.made.Store(&decoded{value: v})
	return Data{p}
}

// Value returns the payload as a value, which must not be changed.
func (d Data) Value() (any, error) {
	if d.p == nil {
		return nil, nil
	}
	made := d.p.made.Load()
	if made == nil {
		v, err := decodeJSON(d.p.raw)
		made = &decoded{v, err}
		d.p.made.Store(made)
	}
	return made.value, made.err
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
	made := d.p.made.Load()
	if made == nil { // JSON(nil)
		return nil, nil
	}
	raw, err := encodeJSON(made.value)
	if err != nil {
		return nil, err
	}
	d.p.wrote.Store(&raw)
	return raw, nil
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
