package sonzai

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/flowd/flowd/engine"
)

// object is a JSON object whose values are still as they were sent.
type object map[string]json.RawMessage

// objectOf is the object that raw is, or nil.
func objectOf(raw json.RawMessage) object {
	var o object
	if json.Unmarshal(raw, &o) != nil {
		return nil
	}
	return o
}

// text is a field that holds text or a whole number, else "".
func (o object) text(key string) string {
	raw := o[key]
	var s string
	var n int64
	switch {
	case len(raw) == 0:
	case json.Unmarshal(raw, &s) == nil:
		return s
	case json.Unmarshal(raw, &n) == nil:
		return string(raw)
	}
	return ""
}

// time is the first of some fields that holds a time, else the zero time.
func (o object) time(keys ...string) time.Time {
	for _, key := range keys {
		if t, err := time.Parse(time.RFC3339, o.text(key)); err == nil {
			return t
		}
	}
	return time.Time{}
}

// eventOf is the event of raw, which is JSON, that came for an event type; the
// body may name another. The payload is what stands under key, if it is there and
// not null, and the rest of the body is then meta.envelope; else it is the
// whole body. Both forms of webhooks are in use (sonzai's demo README has the
// flat one, its end-to-end script the other).
func eventOf(raw []byte, kind, key string) *engine.Event {
	body := objectOf(raw)
	e := &engine.Event{Data: engine.JSON(raw), Meta: engine.Meta{}}
	payload := body
	if inner := body[key]; inner != nil && string(inner) != "null" {
		e.Data = engine.JSON(inner)
		e.Meta["envelope"] = body.without(key)
		payload = objectOf(inner)
	}
	wakeup := objectOf(payload["wakeup"])
	e.Type = cmp.Or(body.text("event_type"), kind)
	e.Subject = cmp.Or(body.text("agent_id"), payload.text("agent_id"), wakeup.text("agent_id"))
	e.ID = body.id()
	if id := wakeup.text("wakeup_id"); e.ID == "" && id != "" {
		e.ID = id + ":" + e.Type
	}
	if e.ID == "" {
		e.ID = digest(e.Type, raw)
	}
	e.Time = body.time("timestamp", "created_at")
	if e.Time.IsZero() {
		e.Time = wakeup.time("executed_at")
	}
	return e
}

// id is the name that sonzai gives an event or a notification. Webhooks have
// no delivery id in their headers.
func (o object) id() string {
	return cmp.Or(o.text("id"), o.text("event_id"), o.text("notification_id"), o.text("message_id"))
}

// without is the object as a value, but for one field.
func (o object) without(key string) map[string]any {
	rest := make(map[string]any, len(o))
	for name, raw := range o {
		if name != key {
			rest[name], _ = engine.JSON(raw).Value() // raw is part of valid JSON
		}
	}
	return rest
}

// digest stands in for an id: the same body of the same type has the same one.
func digest(kind string, raw []byte) string {
	h := sha256.New()
	h.Write([]byte(kind + "\x00"))
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
