package sonzai

import (
	"slices"

	"github.com/flowd/flowd/engine"
)

// schema is what is known of the events of a source. sonzai documents neither
// a fixed list of event types nor what most of them hold, so only what looks
// like a slip is one.
func schema(c Config) engine.Schema {
	any := engine.Variant{Of: "a sonzai event", Source: engine.OneOf(c.Source), Again: true}
	if c.Poll.on() { // the type of a notification is what an agent was told to check
		return engine.Schema{any}
	}
	known := slices.Concat((*source)(nil).Samples(), c.Register.Events, c.Secrets.types())
	all := engine.Schema{any}
	all[0].Type = engine.Shape{Kinds: engine.CanBeText, Values: []string{}, Known: known, Growing: true}
	for _, name := range known {
		v := any
		v.Type = engine.Shape{Kinds: engine.CanBeText, Values: []string{name}, Known: known}
		if name == "on_wakeup_ready" {
			v.Data = wakeupReady
		}
		all = append(all, v)
	}
	return all
}

// wakeupReady is the payload of on_wakeup_ready as sonzai's demo and its API
// have it, whether it stands under data or is the whole body.
var wakeupReady = func() engine.Shape {
	some, fields := engine.Shape{}, map[string]engine.Shape{}
	for _, name := range []string{"event_type", "id", "event_id", "agent_id", "user_id", "project_id", "timestamp", "created_at"} {
		fields[name] = some
	}
	wakeup := map[string]engine.Shape{}
	for _, name := range []string{
		"wakeup_id", "agent_id", "user_id", "check_type", "intent", "occasion", "interest_topic", "event_description",
		"last_topic", "research_summary", "scheduled_at", "status", "created_at", "executed_at",
	} {
		wakeup[name] = some
	}
	fields["wakeup"] = growing(wakeup)
	fields["memory_context"], fields["data"] = some, some
	fields["has_energy"], fields["generated_message"] = engine.BoolShape, engine.TextShape
	return growing(fields)
}()

// growing is the shape of a map that may have more than is documented.
func growing(fields map[string]engine.Shape) engine.Shape {
	m := engine.ClosedMap(fields)
	m.Growing = true
	return m
}
