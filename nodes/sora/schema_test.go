package sora

import (
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

// strict is a shape without what may be in a map beside what is documented.
func strict(s engine.Shape) engine.Shape {
	s.Growing = false
	fields := map[string]engine.Shape{}
	for name, f := range s.Fields {
		fields[name] = strict(f)
	}
	s.Fields = fields
	if s.Item != nil {
		item := strict(*s.Item)
		s.Item = &item
	}
	return s
}

func TestEachVectorIsDeclaredToItsLastField(t *testing.T) {
	declared := schema(Source.Default)[:len(declared())-1].Each(func(v engine.Variant) engine.Variant {
		v.Data = strict(v.Data)
		return v
	})
	looked := 0
	for _, v := range vectors(t) {
		if !v.Valid || v.Kind == "responses" {
			continue
		}
		r := newRig(t, nil)
		r.post(t, v.Kind, v.body)
		looked++
		if err := enginetest.Fits(declared, r.only(t)); err != nil {
			t.Errorf("%s: %v", v.File, err)
		}
	}
	if looked < 25 {
		t.Errorf("only %d events were looked at", looked)
	}
}

func TestEachSampleFitsTheSchema(t *testing.T) {
	for _, name := range (*source)(nil).Samples() {
		r := newRig(t, nil)
		path, _, body, err := r.Sample(name)
		if err != nil {
			t.Fatal(err)
		}
		r.post(t, path[len("/sora/"):], body)
		if err := enginetest.Fits(schema(r.config), r.only(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNotDocumentedIsTakenAsItComes(t *testing.T) {
	r := newRig(t, nil)
	r.post(t, "event", []byte(`{"type":"channel.painted","id":"1","timestamp":"2026-01-01T00:00:00Z","channel_id":"c","color":"red"}`))
	if err := enginetest.Fits(schema(r.config), r.only(t)); err != nil {
		t.Error(err)
	}
}
