package claude

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/flowd/flowd/engine"
)

// schema is what is known of the events of a source: of those that it makes,
// all; of what is posted, little.
func schema(c Config) engine.Schema {
	var all engine.Schema
	var known []string
	for _, p := range []struct {
		event   string
		payload any
	}{
		{sessionStarted, startedPayload{}},
		{responseCompleted, completedPayload{}},
		{messageReceived, receivedPayload{}},
		{sessionError, errorPayload{}},
		{cancelInitiated, canceledPayload{}},
		{sessionCompacted, compactedPayload{}},
		{processExit, exitPayload{}},
	} {
		if c.Level != "full" && !basic[p.event] && c.Path == "" {
			continue
		}
		known = append(known, p.event)
		data := shapeOf(reflect.TypeOf(p.payload))
		if !c.IncludeMessage {
			data = data.Without([]string{"message"})
		}
		data.Open = c.Path != "" // a hook's own fields are beside ours
		all = append(all, engine.Variant{Type: engine.OneOf(p.event), Data: data})
	}
	if c.Path != "" {
		for _, posted := range append([]string{sessionTimeout}, ownNames...) {
			known = append(known, posted)
			all = append(all, engine.Variant{Type: engine.Shape{Kinds: engine.CanBeText, Values: []string{posted}}})
		}
		all = append(all, engine.Variant{Type: engine.Shape{Kinds: engine.CanBeText, Values: []string{}, Growing: true}})
	}
	return all.Each(func(v engine.Variant) engine.Variant {
		v.Of, v.Source, v.Type.Known = "a Claude event", engine.OneOf("claude"), known
		return v
	})
}

// ownNames are the hooks that may come as events of their own name, as far as
// they are known (code.claude.com, Hooks reference).
var ownNames = []string{
	"Notification", "PermissionRequest", "PostToolUse", "PostToolUseFailure", "PreCompact", "PreToolUse",
	"SessionEnd", "SessionStart", "SubagentStart", "SubagentStop",
}

// shapeOf is the shape of the JSON of a payload.
func shapeOf(t reflect.Type) engine.Shape {
	if t == reflect.TypeFor[json.RawMessage]() {
		return engine.Shape{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return shapeOf(t.Elem())
	case reflect.String:
		return engine.TextShape
	case reflect.Bool:
		return engine.BoolShape
	case reflect.Int, reflect.Int64, reflect.Float64:
		return engine.NumberShape
	case reflect.Slice:
		return engine.ListShape(shapeOf(t.Elem()))
	case reflect.Struct:
		fields := map[string]engine.Shape{}
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" { // embedded
				continue
			}
			fields[name] = shapeOf(f.Type)
		}
		return engine.ClosedMap(fields)
	}
	return engine.Shape{}
}
