package expr

import (
	"testing"

	"github.com/flowd/flowd/engine"
)

const joined = `{"event":"participant_joined","room":{"sid":"RM_1","name":"support-1","creation_time":1767225600},` +
	`"participant":{"sid":"PA_1","identity":"u1","name":"Aiko","state":"ACTIVE"},"n":7}`

func decoded(b *testing.B) *engine.Event {
	e := event(joined)
	if _, err := e.Data.Value(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return e
}

func BenchmarkCondition(b *testing.B) {
	e := decoded(b)
	for name, source := range map[string]string{
		"type":     `type == "participant_joined"`,
		"filter":   `type == "participant_joined" && data.room.name startsWith "support-"`,
		"in":       `type in ["room_started", "room_finished", "participant_joined", "participant_left"]`,
		"matches":  `data.room.name matches "^support-[0-9]+$"`,
		"numbers":  `data.n % 2 == 1 && data.n > 3`,
		"function": `lower(data.participant.name) == "aiko"`,
	} {
		c := MustCondition(source)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := c.True(e); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkTransform(b *testing.B) {
	e := decoded(b)
	var x Expr
	v := yaml(b, "{who: data.participant.identity, room: data.room.name, sid: data.room.sid, at: data.room.creation_time, kind: type, n: data.n + 1}")
	if diags := x.DecodeValue(v); diags != nil {
		b.Fatal(diags)
	}
	for name, eval := range map[string]func() error{
		"value": func() error {
			_, err := x.Eval(e)
			return err
		},
		"payload": func() error {
			_, err := x.Data(e)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := eval(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkText(b *testing.B) {
	e := decoded(b)
	text := MustText("{{ data.participant.name }} is waiting in {{ data.room.name }}")
	for b.Loop() {
		if _, err := text.Render(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	e := decoded(b)
	key := MustExpr("data.room.sid")
	for b.Loop() {
		if _, err := key.Key(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		MustCondition(`type == "participant_joined" && data.room.name startsWith "support-"`)
	}
}
