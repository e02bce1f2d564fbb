package expr

import (
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// event is an event whose payload is the JSON in data.
func event(data string) *engine.Event {
	return &engine.Event{
		ID: "EV_1", Source: "livekit", Type: "participant_joined", Subject: "support-1",
		Time: time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC),
		Data: engine.JSON([]byte(data)), Node: "livekit",
		Meta: engine.Meta{"headers": map[string]any{"x-one": "1"}, "path": "/livekit"},
	}
}

// yaml is a value of a document.
func yaml(t testing.TB, text string) *flows.Value {
	t.Helper()
	v, diags := flows.ParseValue(text)
	if diags.Failed() {
		t.Fatal(diags)
	}
	return v
}

// eval evaluates an expression, which must compile.
func eval(t testing.TB, source, data string) (any, error) {
	t.Helper()
	var x Expr
	if diags := x.DecodeValue(&flows.Value{Kind: flows.String, Text: source}); diags.Failed() {
		t.Fatalf("%s: %v", source, diags)
	}
	return x.Eval(event(data))
}
