package livekit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/protojson"
	"google.golang.org/protobuf/proto"
)

// at reads a path like track.type of a value, nil where there is nothing.
func at(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func TestZerosThatProto3LeavesOutArePutBack(t *testing.T) {
	for _, test := range []struct {
		body, path string
		want       any
	}{
		{`{"event":"track_published","track":{"sid":"TR_1"}}`, "track.type", "AUDIO"},
		{`{"event":"track_published","track":{"sid":"TR_1"}}`, "track.source", "UNKNOWN"},
		{`{"event":"track_published","track":{"sid":"TR_1"}}`, "track.muted", false},
		{`{"event":"track_published","track":{"sid":"TR_1"}}`, "track.width", int64(0)},
		{`{"event":"track_published","track":{"sid":"TR_1"}}`, "track.codecs", nil},
		{`{"event":"track_published","track":{"codecs":[{"mimeType":"video/VP8","layers":[{"width":640}]}]}}`, "track.codecs",
			[]any{map[string]any{"mimeType": "video/VP8", "mid": "", "cid": "", "sdpCid": "", "videoLayerMode": "MODE_UNUSED",
				"layers": []any{map[string]any{"quality": "LOW", "width": int64(640), "height": int64(0), "bitrate": int64(0),
					"ssrc": int64(0), "spatialLayer": int64(0), "rid": "", "repairSsrc": int64(0)}}}}},
		{`{"event":"egress_started","egressInfo":{"egressId":"EG_1"}}`, "egressInfo.status", "EGRESS_STARTING"},
		{`{"event":"egress_started","egressInfo":{"egressId":"EG_1"}}`, "egressInfo.endedAt", "0"},
		{`{"event":"egress_started","egressInfo":{"egressId":"EG_1"}}`, "egressInfo.roomComposite", nil},
		{`{"event":"agent_job_pending","job":{"id":"AJ_1","state":{"updatedAt":"1"}}}`, "job.state.status", "JS_PENDING"},
		{`{"event":"agent_job_pending","job":{"id":"AJ_1"}}`, "job.state", nil},
		{`{"event":"ingress_ended","ingressInfo":{"state":{}}}`, "ingressInfo.state.status", "ENDPOINT_INACTIVE"},
		{`{"event":"ingress_ended","ingressInfo":{}}`, "ingressInfo.enabled", nil}, // optional: not there is not false
		{`{"event":"participant_joined","participant":{"identity":"u1"}}`, "participant.kind", "STANDARD"},
		{`{"event":"participant_left","participant":{"identity":"u1"}}`, "participant.disconnectReason", "UNKNOWN_REASON"},
		{`{"event":"room_finished","room":{"name":"r"}}`, "room.numParticipants", int64(0)},
		{`{"event":"room_finished","room":{"name":"r"}}`, "roomEndReason", "ROOM_END_UNKNOWN"},
		{`{"event":"room_finished","room":{"name":null}}`, "room.name", ""},
		{`{"event":"room_started","room":{"name":"r"}}`, "roomEndReason", nil},
		{`{"event":"room_started","room":{"name":"r"}}`, "numDropped", nil},
		{`{"event":"room_started"}`, "room", nil},
		// An enum may be sent by its number.
		{`{"event":"track_published","track":{"type":1}}`, "track.type", "VIDEO"},
		{`{"event":"track_published","track":{"type":77}}`, "track.type", int64(77)},
		{`{"event":"track_published","track":{"audioFeatures":[1]}}`, "track.audioFeatures", []any{"TF_NO_DTX"}},
		// What only names itself has no zeros: they are not known.
		{`{"event":"track_published","participant":{"sid":"PA_1","identity":"agent"}}`, "participant.kind", nil},
		{`{"event":"track_published","room":{"sid":"RM_1","name":"r"}}`, "room.numParticipants", nil},
		{`{"event":"track_published","room":{"sid":"RM_1","name":"r","creationTime":"1"}}`, "room.numParticipants", int64(0)},
		{`{"event":"ingress_started","room":{"name":"r"}}`, "room.sid", nil},
		{`{"event":"agent_job_pending","job":{"room":{"name":"r"}}}`, "job.room.numParticipants", nil},
	} {
		r := newRig(t, nil)
		r.signed(t, test.body)
		if diff := cmp.Diff(test.want, at(r.data(t), test.path)); diff != "" {
			t.Errorf("%s: %s: %s", test.body, test.path, diff)
		}
	}
}

func TestWhatTheLibraryDoesNotKnowIsKept(t *testing.T) {
	r := newRig(t, nil)
	r.signed(t, `{"event":"room_exploded","severity":9007199254740993,"room":{"name":"r","moods":[{"at":1}]},
		"track":{"type":"SMELL","mime_type":"nose/raw"},"participant":{"attributes":{"turn_password":"not ours","é":""}}}`)
	data := r.data(t)
	for path, want := range map[string]any{
		"severity":               int64(9007199254740993),
		"room.moods":             []any{map[string]any{"at": int64(1)}},
		"track.type":             "SMELL",
		"track.mimeType":         "nose/raw",
		"track.mime_type":        nil,
		"participant.attributes": map[string]any{"turn_password": "not ours", "é": ""},
	} {
		if diff := cmp.Diff(want, at(data, path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// The library reads from data what it reads from the body, secrets aside; data
// has every field that was sent, and no other than the library would write.
func TestDataIsWhatTheLibraryReads(t *testing.T) {
	keys, all := vectors(t)
	for _, v := range all {
		if v.LibraryError != "" {
			continue
		}
		for _, secrets := range []bool{false, true} {
			r := newRig(t, func(c *Config) {
				withKeys(keys)(c)
				c.IncludeSecrets = secrets
			})
			r.post(v.token, v.body)
			got, err := r.only(t).Data.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			want := decodeEvent(t, v.body)
			if !secrets {
				clearSecrets(want)
			}
			if !proto.Equal(want, decodeEvent(t, got)) {
				t.Errorf("%s: the library reads another event from data: %s", v.Name, got)
			}
			written, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if err := contains(object(t, got), object(t, written)); err != nil {
				t.Errorf("%s: data has what the library would not write: %v", v.Name, err)
			}
			sent, err := protojson.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if err := contains(object(t, sent), object(t, got)); err != nil {
				t.Errorf("%s: data lacks what was sent: %v", v.Name, err)
			}
		}
	}
}

func decodeEvent(t testing.TB, body []byte) *livekit.WebhookEvent {
	t.Helper()
	e := &livekit.WebhookEvent{}
	if err := protojson.Unmarshal(body, e); err != nil {
		t.Fatal(err)
	}
	return e
}

func clearSecrets(e *livekit.WebhookEvent) {
	if e.Room != nil {
		e.Room.TurnPassword = ""
	}
	if e.IngressInfo != nil {
		e.IngressInfo.StreamKey = ""
	}
}

func object(t testing.TB, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// contains returns nil if every field of part is in whole with its value.
func contains(part, whole any) error {
	switch part := part.(type) {
	case map[string]any:
		m, ok := whole.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no object", whole)
		}
		for name, v := range part {
			w, ok := m[name]
			if !ok {
				return fmt.Errorf("%s is missing", name)
			}
			if err := contains(v, w); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	case []any:
		list, ok := whole.([]any)
		if !ok || len(list) != len(part) {
			return fmt.Errorf("%v, want %v", whole, part)
		}
		for i := range part {
			if err := contains(part[i], list[i]); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
	default:
		if !reflect.DeepEqual(part, whole) {
			return fmt.Errorf("%v, want %v", whole, part)
		}
	}
	return nil
}

func TestSecretsAreLeftOutUnlessAskedFor(t *testing.T) {
	const body = `{"event":"x","room":{"turnPassword":"hush"},"ingressInfo":{"stream_key":"hush"},
		"job":{"room":{"turn_password":"hush"},"participant":{"name":"hush-hush is a name"}},
		"egressInfo":{"track":{"file":{"s3":{"accessKey":"hush","secret":"hush","bucket":"b","proxy":{"password":"hush"}}}}}}`
	for _, include := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.IncludeSecrets = include })
		r.signed(t, body)
		got, err := r.only(t).Data.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(string(got), `"hush"`); has != include {
			t.Errorf("with include_secrets %v data is %s", include, got)
		}
		if at(r.data(t), "egressInfo.track.file.s3.bucket") != "b" {
			t.Errorf("what is no secret is gone: %s", got)
		}
	}
}

func TestAnUnreadableBodyLosesItsSecretsToo(t *testing.T) {
	for body, want := range map[string]string{
		`{"event":"x","room":{"turnPassword":70707}}`:            `{"event":"x","room":{"turnPassword":"***"}}`,
		`{"event":7,"room":{"turnPassword":"a\"b"}}`:             `{"event":7,"room":{"turnPassword":"***"}}`,
		`{"event":7,"stream_key" : "never end`:                   `{"event":7,"stream_key":"***"`,
		`{"event":7,"room":{"turnPasswor\u0064":"70707"}}`:       `{"event":7,"room":{"turnPasswor\u0064":"***"}}`,
		`{"event":7,"\u0074urn_p\u0061ssw\u006Frd":"70707"}`:     `{"event":7,"\u0074urn_p\u0061ssw\u006Frd":"***"}`,
		`{"a":{"turnPassword": {"b": [1, "70707"]} , "c": 7}}`:   `{"a":{"turnPassword":"***" , "c": 7}}`,
		`{"turnPassword":[ "a\"]", {}, 70707], "streamKey": 7 }`: `{"turnPassword":"***", "streamKey":"***" }`,
		`{"turnPassword": {"b": "70707", `:                       `{"turnPassword":"***"`,
		`x" "turnPassword":"70707" "turnPassword":`:              `x" "turnPassword":"***" "turnPassword":"***"`,
		`{"turnPassword":}`:                                      `{"turnPassword":"***"}`,
		`{"event":"a","event":"b","room":{"turnPassword":7}}`:    `{"event":"a","event":"b","room":{"turnPassword":"***"}}`,
		`{"room":{"name":"no event"}}`:                           `{"room":{"name":"no event"}}`,
		"\xff":                                                   "\uFFFD",
		strings.Repeat(`{"a":`, 20000):                           strings.Repeat(`{"a":`, 20000),
		"null":                                                   "null",
		"[]":                                                     "[]",
		`{"event":"x"} {"event":"y"}`:                            `{"event":"x"} {"event":"y"}`,
	} {
		r := newRig(t, nil)
		r.signed(t, body)
		e := r.only(t)
		got, err := e.Data.Value()
		if err != nil || got != want || e.Failure == nil {
			t.Errorf("%.60s became %.60v (%v), failure %v; want %.60s", body, got, err, e.Failure, want)
		}
		if strings.Contains(r.log.String()+e.Failure.Message, "70707") {
			t.Errorf("the secret is told: %s, %s", e.Failure.Message, r.log)
		}
	}
}

func BenchmarkPayload(b *testing.B) {
	benchmarkPayload(b, func(body []byte) error {
		_, _, err := payload{}.read(body)
		return err
	})
}

func BenchmarkPayloadDecoded(b *testing.B) {
	benchmarkPayload(b, func(body []byte) error {
		_, _, err := payload{}.decode(body)
		return err
	})
}

func benchmarkPayload(b *testing.B, read func(body []byte) error) {
	body := readFile(b, "participant_joined.json")
	b.ReportAllocs()
	for b.Loop() {
		if err := read(body); err != nil {
			b.Fatal(err)
		}
	}
}
