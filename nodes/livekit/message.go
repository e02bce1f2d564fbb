package livekit

import (
	"encoding/json"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A message is what a [walk] knows of a protobuf message.
type message struct {
	fields    map[string]*field // by JSON name; nil under other names that protojson reads too
	zeros     []*field          // those put back where they were not sent
	reference []string          // what a reference to one has; nil if there are none
	event     bool              // it is the event itself
}

// A field is what a [walk] knows of a field.
type field struct {
	name     string
	kind     fieldKind
	list     bool
	keyed    bool // an object with keys of the user's
	bits     int  // of an integer
	unsigned bool
	secret   bool
	told     bool            // an event may be told by it; see walk.tell
	bit      uint64          // of this field among those of its message
	choice   uint64          // of its oneof among those of its message, or 0
	message  func() *message // of a message
	zero     []byte          // name and value where it was not sent
}

type fieldKind int

const (
	otherField fieldKind = iota
	messageField
	boolField
	textField // or the name of an enum's value
	intField
	floatField
)

// told are the names of the fields that say what an event is about, some of
// which other messages have too.
var told = map[string]bool{"event": true, "id": true, "createdAt": true, "name": true, "egressId": true, "ingressId": true}

// eventMessage is the event itself. It and those in it are made when they are
// first asked for: events have few of the many that there are.
var eventMessage = sync.OnceValue(func() *message { return newMessage(eventType) })

// newMessage returns nil for messages that a walk does not take, such as those
// with a JSON form of their own.
func newMessage(md protoreflect.MessageDescriptor) *message {
	if md.Fields().Len() > 64 || md.Oneofs().Len() > 64 || strings.HasPrefix(string(md.FullName()), "google.protobuf.") {
		return nil
	}
	m := &message{
		fields:    map[string]*field{},
		reference: references[md.FullName()],
		event:     md.FullName() == eventType.FullName(),
	}
	for i := range md.Fields().Len() {
		m.fields[md.Fields().Get(i).TextName()] = nil
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		f := newField(fd)
		m.fields[f.name] = f
		if putBack(fd) && (!m.event || f.name == "roomEndReason") {
			m.zeros = append(m.zeros, f)
		}
	}
	return m
}

// putBack reports whether a field is put back where it was not sent.
func putBack(fd protoreflect.FieldDescriptor) bool {
	return !fd.HasPresence() && !fd.IsList() && !fd.IsMap()
}

func newField(fd protoreflect.FieldDescriptor) *field {
	f := &field{
		name:   fd.JSONName(),
		list:   fd.IsList(),
		keyed:  fd.IsMap(),
		secret: secret(fd),
		told:   told[fd.JSONName()],
		bit:    1 << fd.Index(),
	}
	if fd.ContainingOneof() != nil {
		f.choice = 1 << fd.ContainingOneof().Index()
	}
	if putBack(fd) {
		zero, err := json.Marshal(zero(fd))
		if err != nil {
			panic(err) // a scalar can be written
		}
		f.zero = append([]byte(`"`+f.name+`":`), zero...)
	}
	if fd.IsMap() {
		if fd.MapKey().Kind() != protoreflect.StringKind {
			return f
		}
		fd = fd.MapValue()
	}
	switch fd.Kind() {
	case protoreflect.MessageKind:
		f.kind, f.message = messageField, sync.OnceValue(func() *message { return newMessage(fd.Message()) })
	case protoreflect.BoolKind:
		f.kind = boolField
	case protoreflect.StringKind, protoreflect.EnumKind:
		f.kind = textField
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		f.kind, f.bits = intField, 32
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		f.kind, f.bits = intField, 64
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		f.kind, f.bits, f.unsigned = intField, 32, true
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		f.kind, f.bits, f.unsigned = intField, 64, true
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		f.kind = floatField
	}
	return f
}
