package livekit

import (
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowd/flowd/engine"
)

// schema is what is known of the events of a source: what each event carries,
// in the fields that LiveKit's protobuf files declare.
func schema(c Config) engine.Schema {
	names := (*source)(nil).Samples()
	known := slices.Clone(names)
	fields := shapes(payload{secrets: c.IncludeSecrets})
	var all engine.Schema
	for _, name := range append(names, c.Events...) {
		v := engine.Variant{
			Of:     "a LiveKit event",
			Source: engine.OneOf(c.Source),
			Type:   engine.Shape{Kinds: engine.CanBeText, Values: []string{name}},
			Data:   engine.Shape{Kinds: engine.CanBeMap, Fields: fields, Open: true},
		}
		if slices.Contains(known, name) {
			v.Data.Fields, v.Data.Open = carried(name, fields), false
		}
		if len(c.Events) == 0 || slices.Contains(c.Events, name) {
			all = append(all, v)
		}
	}
	known = append(known, c.Events...)
	if len(c.Events) == 0 { // also what LiveKit has yet to invent
		all = append(all, engine.Variant{
			Of:     "a LiveKit event",
			Source: engine.OneOf(c.Source),
			Type:   engine.Shape{Kinds: engine.CanBeText, Values: []string{}, Growing: true},
			Data:   engine.Shape{Kinds: engine.CanBeMap, Fields: fields, Open: true},
		})
	}
	for i := range all {
		all[i].Type.Known = known
		all[i].Again = true
	}
	return all
}

// carried is the part of fields that an event carries.
func carried(event string, fields map[string]engine.Shape) map[string]engine.Shape {
	about := []string{"participant"} // of rooms, agent jobs and what else
	switch kind, _, _ := strings.Cut(event, "_"); kind {
	case "room":
		about = []string{"roomEndReason"}
	case "track":
		about = append(about, "track")
	case "egress":
		about = []string{"egressInfo"}
	case "ingress":
		about = []string{"ingressInfo"}
	case "agent":
		about = append(about, "job")
	}
	some := map[string]engine.Shape{}
	for _, name := range append(about, "event", "id", "createdAt", "room", "numDropped") {
		some[name] = fields[name]
	}
	return some
}

// shapes are the fields of a WebhookEvent, with those that LiveKit declares
// secret or without.
func shapes(p payload) map[string]engine.Shape {
	if p.secrets {
		return withSecrets()
	}
	return withoutSecrets()
}

var (
	withSecrets    = sync.OnceValue(func() map[string]engine.Shape { return newShapes(payload{secrets: true}) })
	withoutSecrets = sync.OnceValue(func() map[string]engine.Shape { return newShapes(payload{}) })
)

func newShapes(p payload) map[string]engine.Shape {
	d := describer{payload: p, made: map[protoreflect.FullName]engine.Shape{}}
	return d.message(eventType).Fields
}

// A describer makes shapes of protobuf messages, each once.
type describer struct {
	payload payload
	made    map[protoreflect.FullName]engine.Shape
}

func (d *describer) message(md protoreflect.MessageDescriptor) engine.Shape {
	if s, ok := d.made[md.FullName()]; ok {
		return s
	}
	d.made[md.FullName()] = engine.Shape{} // inside itself it is anything
	fields := map[string]engine.Shape{}
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); d.payload.keeps(secret(fd)) {
			fields[fd.JSONName()] = d.field(fd)
		}
	}
	d.made[md.FullName()] = engine.ClosedMap(fields)
	return d.made[md.FullName()]
}

func (d *describer) field(fd protoreflect.FieldDescriptor) engine.Shape {
	switch {
	case fd.IsMap(): // its keys are the user's
		return engine.OpenMap(nil)
	case fd.IsList():
		return engine.ListShape(d.value(fd))
	}
	return d.value(fd)
}

// value is the shape of protobuf's JSON for a value of a field.
func (d *describer) value(fd protoreflect.FieldDescriptor) engine.Shape {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf.") {
			return engine.Shape{} // has a form of its own: text for a time, say
		}
		return d.message(fd.Message())
	case protoreflect.BoolKind:
		return engine.BoolShape
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		var names []string
		for i := range values.Len() {
			names = append(names, string(values.Get(i).Name()))
		}
		return engine.Shape{
			Kinds:  engine.CanBeText | engine.CanBeNumber | engine.CanBeNil, // the number of one that is new
			Values: names, Known: names, Growing: true,
		}
	case protoreflect.StringKind, protoreflect.BytesKind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return engine.TextShape
	case protoreflect.FloatKind, protoreflect.DoubleKind: // NaN is text
		return engine.Shape{Kinds: engine.CanBeNumber | engine.CanBeText | engine.CanBeNil}
	}
	return engine.NumberShape
}
