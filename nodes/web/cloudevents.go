package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// The HTTP binding of CloudEvents 1.0:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json"
)

// cloudEvents reads a CloudEvents request of any mode: binary, structured or
// batch. Of any other request it returns nil. Attributes that an event of ours
// has no place for are meta.cloudevents.
func cloudEvents(h http.Header, body []byte) ([]*engine.Event, error) {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case media == structuredType:
		e, err := structured(body)
		return []*engine.Event{e}, err
	case media == batchType:
		var items []json.RawMessage
		if err := json.Unmarshal(body, &items); err != nil || items == nil {
			return nil, fmt.Errorf("the body is not a batch of CloudEvents: want a JSON list")
		}
		events := make([]*engine.Event, len(items))
		for i, item := range items {
			var err error
			if events[i], err = structured(item); err != nil {
				return nil, fmt.Errorf("item %d of the batch: %w", i+1, err)
			}
		}
		return events, nil
	case strings.HasPrefix(media, "application/cloudevents"):
		return nil, fmt.Errorf("CloudEvents as %s are not understood: send %s", media, structuredType)
	case h.Get("Ce-Specversion") != "":
		e, err := binary(h, body)
		return []*engine.Event{e}, err
	}
	return nil, nil
}

func structured(body []byte) (*engine.Event, error) {
	d, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	raw, err := d.Bytes()
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage // keeps data as it was sent
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, fmt.Errorf("the body is not a CloudEvent: want a JSON object")
	}
	attributes := make(map[string]any, len(members))
	for name, raw := range members {
		if name == "data" || name == "data_base64" {
			continue
		}
		v, err := engine.JSON(raw).Value()
		if err != nil {
			return nil, err
		}
		attributes[name] = v
	}
	e, err := fromAttributes(attributes)
	if err != nil {
		return nil, err
	}
	if data := members["data"]; data != nil {
		e.Data = engine.JSON(data)
	} else if encoded := members["data_base64"]; encoded != nil {
		var content []byte
		if err := json.Unmarshal(encoded, &content); err != nil {
			return nil, fmt.Errorf("data_base64 of the CloudEvent is not base64")
		}
		contentType, _ := attributes["datacontenttype"].(string)
		if e.Data, err = payload(contentType, content); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func binary(h http.Header, body []byte) (*engine.Event, error) {
	attributes := map[string]any{}
	for name, values := range h {
		if attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-"); ok {
			attributes[attribute] = headerValue(values[0])
		}
	}
	e, err := fromAttributes(attributes)
	if err != nil {
		return nil, err
	}
	e.Data, err = payload(h.Get("Content-Type"), body)
	return e, err
}

// headerValue decodes the value of a ce- header: a quoted string or not, with
// percent-encoding.
func headerValue(v string) string {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		var unquoted strings.Builder
		for i := 1; i < len(v)-1; i++ {
			if v[i] == '\\' && i+1 < len(v)-1 {
				i++
			}
			unquoted.WriteByte(v[i])
		}
		v = unquoted.String()
	}
	if decoded, err := url.PathUnescape(v); err == nil {
		v = decoded
	}
	return clean(v)
}

// fromAttributes makes an event of the attributes of a CloudEvent, checked as
// section 3 of the specification says.
func fromAttributes(attributes map[string]any) (*engine.Event, error) {
	text := func(name string) string {
		s, _ := attributes[name].(string)
		return s
	}
	if v := text("specversion"); v != "1.0" {
		return nil, fmt.Errorf("CloudEvents version %q is not understood, want 1.0", v)
	}
	e := &engine.Event{ID: text("id"), Source: text("source"), Type: text("type"), Subject: text("subject")}
	for _, name := range []string{"id", "source", "type"} {
		if text(name) == "" {
			return nil, fmt.Errorf("the CloudEvent has no %s", name)
		}
	}
	if at := text("time"); at != "" {
		var err error
		if e.Time, err = parseTime(at); err != nil {
			return nil, fmt.Errorf("the time of the CloudEvent: %w", err)
		}
	}
	rest := map[string]any{}
	for name, v := range attributes {
		if !slices.Contains(known, name) && v != nil {
			rest[name] = v
		}
	}
	if len(rest) > 0 {
		e.Meta = engine.Meta{"cloudevents": rest}
	}
	return e, nil
}

// known are the attributes that an event has a place for, or that describe its
// encoding.
var known = []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "data_base64"}

// An attribute is one attribute of a CloudEvent that is written.
type attribute struct {
	name  string
	value any
}

// toAttributes lists the attributes of e as a CloudEvent with JSON data:
// those of its own, then the extensions it came with.
func toAttributes(e *engine.Event) []attribute {
	list := []attribute{
		{"specversion", "1.0"},
		{"id", eventID(e)},
		{"source", sourceReference(e.Source)},
		{"type", cmp.Or(e.Type, "event")},
	}
	if !e.Time.IsZero() {
		list = append(list, attribute{"time", e.Time.UTC().Format(time.RFC3339Nano)})
	}
	if e.Subject != "" {
		list = append(list, attribute{"subject", e.Subject})
	}
	list = append(list, attribute{"datacontenttype", "application/json"})
	extensions, _ := e.Meta["cloudevents"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(extensions)) {
		if name == "dataschema" || slices.Contains(known, name) || !attributeName(name) {
			continue // the schema may be that of data before a transform
		}
		switch v := extensions[name].(type) {
		case string, bool, int64:
			list = append(list, attribute{name, v})
		}
	}
	return list
}

func attributeName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// sourceReference is a source as the URI reference that CloudEvents want.
func sourceReference(source string) string {
	if source == "" {
		return "flowd"
	}
	if _, err := url.Parse(source); err == nil && !strings.ContainsAny(source, " \"<>\\^`{|}") && isASCII(source) {
		return source
	}
	return url.PathEscape(source)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7E || r < 0x21 }) < 0
}

// encodeStructured writes e with the given data as a CloudEvent in JSON.
func encodeStructured(e *engine.Event, data []byte) ([]byte, error) {
	b := []byte{'{'}
	for _, a := range toAttributes(e) {
		b = append(engine.AppendText(b, a.name), ':')
		var err error
		if b, err = engine.AppendJSON(b, a.value); err != nil {
			return nil, err
		}
		b = append(b, ',')
	}
	b = append(b, `"data":`...)
	b = append(b, data...)
	return append(b, '}'), nil
}

// setBinary puts the attributes of e into headers.
func setBinary(h http.Header, e *engine.Event) {
	for _, a := range toAttributes(e) {
		if a.name == "datacontenttype" {
			continue // is Content-Type
		}
		h.Set("ce-"+a.name, encodeHeader(fmt.Sprint(a.value)))
	}
}

// encodeHeader percent-encodes what section 3.1.3.2 of the binding tells to:
// space, double quote, percent, and all that is not printable ASCII.
func encodeHeader(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '"' || c == '%' || c > 0x7E {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
