package web

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

// attributes sets what senders of a known kind say in a place of their own.
func (v *Verify) attributes(h http.Header, e *engine.Event) {
	switch {
	case v.GitHub != nil:
		e.Type = h.Get("X-GitHub-Event")
		e.ID = cmp.Or(h.Get("X-GitHub-Delivery"), e.ID)
	case v.StandardWebhooks != nil:
		e.Type = field(e.Data, "type")
		e.ID = cmp.Or(standardHeader(h, "id"), e.ID)
		e.Time, _ = timeOf(value(e.Data, "timestamp"))
	case v.Stripe != nil:
		e.Type = field(e.Data, "type")
		e.ID = cmp.Or(field(e.Data, "id"), e.ID)
		e.Time, _ = timeOf(value(e.Data, "created"))
	case v.Slack != nil:
		e.Type = cmp.Or(field(e.Data, "event", "type"), field(e.Data, "type"))
		e.ID = cmp.Or(field(e.Data, "event_id"), e.ID)
		e.Time, _ = timeOf(value(e.Data, "event_time"))
	}
}

// The places of the type in the bodies of senders of a known kind.
var (
	typeField = expr.MustRequest("body.type")
	slackType = expr.MustRequest("body.event.type ?? body.type")
)

// typeOf is the place of the type where attributes finds it in the body.
func (v *Verify) typeOf() expr.Request {
	switch {
	case v.StandardWebhooks != nil, v.Stripe != nil:
		return typeField
	case v.Slack != nil:
		return slackType
	}
	return expr.Request{}
}

// finish sets what the configuration says of an event, and its meta. An event
// whose expressions fail is authentic all the same: it carries the failure
// and goes to the dead letters.
func (w *webhook) finish(e *engine.Event, meta engine.Meta) {
	if len(e.Meta) > 0 {
		maps.Copy(e.Meta, meta)
	} else {
		e.Meta = meta
	}
	e.Source = cmp.Or(w.Source, e.Source, "webhook")
	if err := w.evaluate(e, meta); err != nil {
		now := time.Now()
		e.Failure = &engine.Failure{Message: err.Error(), Attempts: 1, First: now, Last: now}
	}
	e.Type = cmp.Or(e.Type, "webhook")
}

func (w *webhook) evaluate(e *engine.Event, meta engine.Meta) error {
	if !w.Type.IsSet() && !w.ID.IsSet() && !w.Subject.IsSet() && !w.Time.IsSet() {
		return nil
	}
	query := meta["query"]
	if query == nil {
		query = map[string]any{}
	}
	names := map[string]any{"body": e.Data, "headers": meta["headers"], "query": query, "path": meta["path"]}
	for _, a := range []struct {
		name string
		x    *expr.Request
		into *string
	}{{"type", &w.Type, &e.Type}, {"id", &w.ID, &e.ID}, {"subject", &w.Subject, &e.Subject}} {
		if !a.x.IsSet() {
			continue
		}
		v, err := a.x.Eval(names)
		if err != nil {
			return fmt.Errorf("finding the %s of the event: %w", a.name, err)
		}
		text, ok := scalar(v)
		if !ok {
			return fmt.Errorf("finding the %s of the event: want text, got a list or map", a.name)
		}
		*a.into = cmp.Or(text, *a.into)
	}
	if !w.Time.IsSet() {
		return nil
	}
	v, err := w.Time.Eval(names)
	if err == nil && v != nil {
		e.Time, err = timeOf(v)
	}
	if err != nil {
		return fmt.Errorf("finding the time of the event: %w", err)
	}
	return nil
}

// value reads a field of a payload, or nil.
func value(d engine.Data, path ...string) any {
	v, err := d.Value()
	if err != nil {
		return nil
	}
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// field reads a field of a payload that is text, or "".
func field(d engine.Data, path ...string) string {
	s, _ := value(d, path...).(string)
	return s
}

// scalar is v as text; nil is "". It fails for lists and maps.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case []any, map[string]any:
		return "", false
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), true
	}
	return fmt.Sprint(v), true
}

// timeOf reads a time as senders write it: RFC 3339, or a number of seconds or
// milliseconds since 1970.
func timeOf(v any) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return timeOf(n)
		}
		return parseTime(v)
	case int:
		return timeOf(int64(v))
	case int64:
		return timeOf(float64(v)) // exact for every time in its range
	case float64:
		switch size := math.Abs(v); {
		case size < milliseconds:
			return time.UnixMicro(int64(math.Round(v * 1e6))).UTC(), nil
		case size < 1000*milliseconds:
			return time.UnixMilli(int64(v)).UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("want a time like %s or seconds since 1970, got %v", timeExample, v)
}

const timeExample = "2026-09-01T07:30:05Z"

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	t = t.UTC()
	if err != nil || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("want a time like %s, got %q", timeExample, s)
	}
	return t, nil
}

// milliseconds is where a number of seconds since 1970, in the year 5138,
// becomes one of milliseconds, in 1973.
const milliseconds = 100_000_000_000
