package livekit

import (
	"testing"

	"github.com/flowd/flowd/engine/enginetest"
)

func TestEachEventFitsTheSchema(t *testing.T) {
	keys, all := vectors(t)
	looked := 0
	for _, v := range all {
		r := newRig(t, withKeys(keys))
		r.post(v.token, v.body)
		for _, e := range r.in.Events() {
			if e.Failure != nil {
				continue
			}
			looked++
			if err := enginetest.Fits(schema(r.config), e); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
	if looked < 15 {
		t.Errorf("only %d events were looked at", looked)
	}
}

func TestEachSampleFitsTheSchemaOfItsType(t *testing.T) {
	for _, name := range (*source)(nil).Samples() {
		r := newRig(t, func(c *Config) { c.Events, c.IncludeSecrets = []string{name}, true })
		_, header, body, err := r.Sample(name)
		if err != nil {
			t.Fatal(err)
		}
		r.post(header.Get("Authorization"), body)
		if err := enginetest.Fits(schema(r.config), r.only(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnEventThatLiveKitHasYetToInventMayHoldAnything(t *testing.T) {
	for _, events := range [][]string{nil, {"room_moved"}} {
		r := newRig(t, func(c *Config) { c.Events = events })
		r.signed(t, `{"event":"room_moved","room":{"name":"a"},"whereTo":{"name":"b"}}`)
		if err := enginetest.Fits(schema(r.config), r.only(t)); err != nil {
			t.Errorf("events %v: %v", events, err)
		}
	}
}

func TestWhatIsSecretIsAFieldOnlyWhereItIsKept(t *testing.T) {
	for _, keep := range []bool{false, true} {
		room, _ := schema(Config{IncludeSecrets: keep, Events: []string{"room_started"}})[0].Data.Field("room")
		if _, known := room.Field("turnPassword"); known != keep {
			t.Errorf("include_secrets %v: the field is known: %v", keep, known)
		}
	}
}
