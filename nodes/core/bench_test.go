package core

import (
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// joined is what LiveKit posts when somebody comes in.
const joined = `{"event":"participant_joined","room":{"sid":"RM_hJ8xQ2mTzK4v","name":"support-4711","emptyTimeout":300,` +
	`"departureTimeout":20,"creationTime":"1767225600","creationTimeMs":"1767225600123","turnPassword":"","enabledCodecs":[],` +
	`"metadata":"","numParticipants":2,"numPublishers":1,"activeRecording":false,"version":null},"participant":{` +
	`"sid":"PA_9sKq7LmNvB2x","identity":"customer-000123","state":"ACTIVE","tracks":[],"metadata":"{\"lang\":\"ja\"}",` +
	`"joinedAt":"1767225601","joinedAtMs":"1767225601456","name":"Aiko Tanaka","version":3,"permission":{"canSubscribe":true,` +
	`"canPublish":true,"canPublishData":true,"hidden":false},"region":"asia-northeast1","isPublisher":false,"kind":"STANDARD",` +
	`"attributes":{"plan":"gold"}},"id":"EV_7yHnJmKiLoPq","createdAt":"1767225601","numDropped":0}`

// benchmark gives p events that nobody has read before, 256 at a time; ns and
// allocations are those of one event, with what holds it.
func benchmark(b *testing.B, p engine.Processor) {
	text := []byte(joined)
	batch := make([]*engine.Event, 256)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(batch) {
		for i := range batch {
			batch[i] = &engine.Event{ID: "EV_1", Type: "line", Data: engine.JSON(text)}
		}
		if err := p.Process(b.Context(), batch, new(engine.Outlet)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	for name, where := range map[string]string{
		"type":    `type == "webhook"`,
		"stops":   `data.event in ["room_started", "room_finished"]`,
		"goes on": `data.event in ["participant_joined", "participant_left"]`,
	} {
		b.Run(name, func(b *testing.B) {
			p, err := newFilter(FilterConfig{Where: expr.MustCondition(where)})
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, p)
		})
	}
}

func BenchmarkTransform(b *testing.B) {
	for name, config := range map[string]string{
		"data": `{data: {at: data.createdAt, id: data.id, line: "{{ data.participant.name }} in {{ data.room.name }}", room: data.room.name, type: data.event, who: data.participant.identity}}`,
		"set":  `{set: {seen: true, room.kind: data.participant.kind}, remove: [participant.permission]}`,
		"type": `{type: data.event, subject: data.room.name}`,
	} {
		b.Run(name, func(b *testing.B) {
			v, diags := flows.ParseValue(config)
			var c TransformConfig
			if diags = append(diags, flows.Decode(v, &c)...); diags.Failed() {
				b.Fatal(diags)
			}
			p, err := newTransform(c)
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, p)
		})
	}
}
