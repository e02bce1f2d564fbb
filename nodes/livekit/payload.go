package livekit

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/livekit/logger"
	"github.com/livekit/protocol/utils/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowd/flowd/engine"
)

// payload makes the data of an event from the body of a webhook.
//
// LiveKit writes proto3's JSON, which leaves out every scalar and enum that is
// zero: an audio track has no type, an egress that starts no status. They are
// put back wherever the message that has them was sent. The rest stays as the
// sender wrote it: fields that the library does not know, names of enums newer
// than it, 64-bit integers as text. Lists and maps that are not there stay
// away, so that reading an item of one gives nil.
type payload struct {
	secrets bool // keep what LiveKit declares secret
}

// An about is what the attributes of an event are made of.
type about struct {
	event, id                           string
	created                             int64 // in seconds since 1970
	room, jobRoom, egress, ingress, job string
}

// read returns the data of an authentic body and what it is about, if LiveKit's
// own receiver can read it too.
func (p payload) read(body []byte) (engine.Data, about, error) {
	if data, a, ok := p.walk(body); ok {
		return engine.JSON(data), a, nil
	}
	data, a, err := p.decode(body)
	return engine.Value(data), a, err
}

// decode reads a body with protojson and its data beside it.
func (p payload) decode(body []byte) (map[string]any, about, error) {
	sent := &livekit.WebhookEvent{}
	if err := protojson.Unmarshal(body, sent); err != nil {
		return nil, about{}, errors.New("reading a LiveKit event: " + quotes.ReplaceAllString(err.Error(), "$1"))
	}
	if sent.Event == "" {
		return nil, about{}, errors.New("reading a LiveKit event: it has no name in its field event")
	}
	value, err := engine.JSON(body).Value()
	if err != nil {
		return nil, about{}, fmt.Errorf("reading a LiveKit event: %w", err)
	}
	a := about{
		event:   sent.Event,
		id:      sent.Id,
		created: sent.CreatedAt,
		room:    sent.GetRoom().GetName(),
		jobRoom: sent.GetJob().GetRoom().GetName(),
		egress:  sent.GetEgressInfo().GetEgressId(),
		ingress: sent.GetIngressInfo().GetIngressId(),
		job:     sent.GetJob().GetId(),
	}
	data := p.fields(eventType, value.(map[string]any), a.whole())
	if a.event == "room_finished" && data["roomEndReason"] == nil {
		data["roomEndReason"] = livekit.RoomEndReason_ROOM_END_UNKNOWN.String()
	}
	return data, a, nil
}

// whole reports whether rooms and participants are sent in full.
func (a *about) whole() bool {
	return strings.HasPrefix(a.event, "room_") || strings.HasPrefix(a.event, "participant_")
}

// quotes is where an error of protojson begins to quote the body, which is not
// to be logged.
var quotes = regexp.MustCompile(`(invalid value(?: for \S+ field \S+)?|unexpected token).*`)

var eventType = (&livekit.WebhookEvent{}).ProtoReflect().Descriptor()

// message is what was sent of a message, with the zeros put back. whole says
// that rooms and participants are sent in full.
func (p payload) message(md protoreflect.MessageDescriptor, sent map[string]any, whole bool) map[string]any {
	m := p.fields(md, sent, whole)
	if !whole && isReference(md, m) {
		return m
	}
	fields := md.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if putBack(fd) && p.keeps(secret(fd)) && m[fd.JSONName()] == nil {
			m[fd.JSONName()] = zero(fd)
		}
	}
	return m
}

// fields is what was sent of a message, under the names that LiveKit writes.
func (p payload) fields(md protoreflect.MessageDescriptor, sent map[string]any, whole bool) map[string]any {
	m := make(map[string]any, md.Fields().Len())
	for name, v := range sent {
		fd := md.Fields().ByJSONName(name)
		if fd == nil {
			fd = md.Fields().ByTextName(name) // room_name, which protojson reads too
		}
		switch {
		case fd == nil:
			m[name] = v
		case p.keeps(secret(fd)):
			m[fd.JSONName()] = p.value(fd, v, whole)
		}
	}
	return m
}

// value is one field's value, or each item's of a list or map.
func (p payload) value(fd protoreflect.FieldDescriptor, v any, whole bool) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = p.value(fd, item, whole)
		}
		return list
	case map[string]any:
		if !fd.IsMap() {
			return p.message(fd.Message(), v, whole)
		}
		m := make(map[string]any, len(v))
		for key, item := range v {
			m[key] = p.value(fd.MapValue(), item, whole)
		}
		return m
	case int64:
		if fd.Kind() == protoreflect.EnumKind {
			return enumName(fd.Enum(), v)
		}
	}
	return v
}

// isReference reports whether a room or participant only names itself, as in
// the events of tracks, egress and ingress. What such a one leaves out is not
// known rather than zero: a track's participant may be an agent.
func isReference(md protoreflect.MessageDescriptor, m map[string]any) bool {
	names, ok := references[md.FullName()]
	if !ok {
		return false
	}
	for name := range m {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

var references = map[protoreflect.FullName][]string{
	(&livekit.Room{}).ProtoReflect().Descriptor().FullName():            {"sid", "name"},
	(&livekit.ParticipantInfo{}).ProtoReflect().Descriptor().FullName(): {"sid", "identity"},
}

// zero is the value of a scalar or enum that was left out, as protojson writes
// it.
func zero(fd protoreflect.FieldDescriptor) any {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return false
	case protoreflect.EnumKind:
		return enumName(fd.Enum(), 0)
	case protoreflect.StringKind, protoreflect.BytesKind:
		return ""
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "0"
	}
	return int64(0)
}

// enumName is the name of a number, or the number if it has none yet.
func enumName(ed protoreflect.EnumDescriptor, n int64) any {
	if v := ed.Values().ByNumber(protoreflect.EnumNumber(n)); v != nil && int64(v.Number()) == n {
		return string(v.Name())
	}
	return n
}

func (p payload) keeps(secret bool) bool { return p.secrets || !secret }

// secret reports whether LiveKit's protobuf files declare a field to be one
// that must not be written down.
func secret(fd protoreflect.FieldDescriptor) bool {
	s, ok := proto.GetExtension(fd.Options(), logger.E_Sensitivity).(logger.Sensitivity)
	return ok && s == logger.Sensitivity_SENSITIVITY_SECRET
}

// masked is a body that can't be read without the secrets that can be told by
// the names before them.
func (p payload) masked(body string) string {
	if p.secrets {
		return body
	}
	var b strings.Builder
	for {
		at := secretMember().FindStringIndex(body)
		if at == nil {
			return b.String() + body
		}
		name, _, _ := strings.Cut(body[at[0]:at[1]], ":") // no name has one
		b.WriteString(body[:at[0]] + strings.TrimSpace(name) + `:"***"`)
		body = body[at[1]+valueLen(body[at[1]:]):]
	}
}

// valueLen is how long the JSON value is that s begins with: all of s if it
// breaks off.
func valueLen(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return min(i+1, len(s))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		if depth < 0 || depth == 0 && strings.IndexByte(", \n\r\t", s[i]) >= 0 {
			return i
		}
	}
	return len(s)
}

// secretMember matches the name of a secret field anywhere in an event, as JSON
// may write it, and what is between it and its value.
var secretMember = sync.OnceValue(func() *regexp.Regexp {
	var names []string
	seen := map[protoreflect.FullName]bool{}
	var walk func(md protoreflect.MessageDescriptor)
	walk = func(md protoreflect.MessageDescriptor) {
		if seen[md.FullName()] {
			return
		}
		seen[md.FullName()] = true
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if secret(fd) {
				names = append(names, escapes(fd.JSONName()), escapes(fd.TextName()))
			}
			if fd.Message() != nil {
				walk(fd.Message())
			}
		}
	}
	walk(eventType)
	return regexp.MustCompile(`"(?:` + strings.Join(names, "|") + `)"\s*:\s*`)
})

// escapes matches a name whose letters may be written with escapes.
func escapes(name string) string {
	var b strings.Builder
	for _, c := range name {
		fmt.Fprintf(&b, `(?:%c|\\u00(?i:%02x))`, c, c)
	}
	return b.String()
}
