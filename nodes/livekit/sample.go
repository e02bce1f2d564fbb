package livekit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/protojson"
)

// Samples lists the events that LiveKit is known to send, as of protocol
// v1.54.0; first the one that says most.
func (s *source) Samples() []string {
	names := make([]string, len(samples))
	for i, known := range samples {
		names[i] = known.event
	}
	return names
}

// Sample is a request as LiveKit posts it: an event of that name, with an id
// of its own and the present time, signed with one of the source's keys.
func (s *source) Sample(event string) (path string, header http.Header, body []byte, err error) {
	i := slices.Index(s.Samples(), event)
	if i < 0 {
		return "", nil, nil, fmt.Errorf("LiveKit is not known to send an event %q", event)
	}
	now := time.Now()
	sent := &livekit.WebhookEvent{Event: event, Id: "EV_" + rand.Text()[:12], CreatedAt: now.Unix()}
	samples[i].fill(sent, now)
	body, err = protojson.Marshal(sent)
	if err != nil {
		return "", nil, nil, fmt.Errorf("writing a LiveKit event: %w", err)
	}
	token, err := s.keys.sign(body)
	if err != nil {
		return "", nil, nil, fmt.Errorf("signing a LiveKit event: %w", err)
	}
	return s.config.Path, http.Header{
		"Authorization": {token},
		"Content-Type":  {"application/webhook+json"},
		"User-Agent":    {"LiveKit"},
	}, body, nil
}

// sign is the token for body, by the first of the keys and valid for as long
// as LiveKit's are.
func (k keys) sign(body []byte) (string, error) {
	if len(k) == 0 {
		return "", errors.New("there is no API key")
	}
	key := slices.Min(slices.Collect(maps.Keys(k)))
	sum := sha256.Sum256(body)
	return auth.NewAccessToken(key, k.GetSecret(key)).
		SetValidFor(5 * time.Minute).
		SetSha256(base64.StdEncoding.EncodeToString(sum[:])).
		ToJWT()
}

// samples fill in what each event carries: rooms and participants in full in
// their own events, and by name in the others.
var samples = []struct {
	event string
	fill  func(e *livekit.WebhookEvent, now time.Time)
}{
	{"participant_joined", func(e *livekit.WebhookEvent, now time.Time) {
		e.Room, e.Participant = sampleRoom(now), sampleParticipant(now)
	}},
	{"participant_left", func(e *livekit.WebhookEvent, now time.Time) {
		e.Room, e.Participant = sampleRoom(now), sampleParticipant(now)
		e.Participant.State = livekit.ParticipantInfo_DISCONNECTED
		e.Participant.DisconnectReason = livekit.DisconnectReason_CLIENT_INITIATED
	}},
	{"participant_connection_aborted", func(e *livekit.WebhookEvent, now time.Time) {
		e.Room, e.Participant = sampleRoom(now), sampleParticipant(now)
		e.Participant.State = livekit.ParticipantInfo_DISCONNECTED
		e.Participant.DisconnectReason = livekit.DisconnectReason_JOIN_FAILURE
	}},
	{"room_started", func(e *livekit.WebhookEvent, now time.Time) {
		e.Room = sampleRoom(now)
		e.Room.NumParticipants = 0
	}},
	{"room_finished", func(e *livekit.WebhookEvent, now time.Time) {
		e.Room = sampleRoom(now)
		e.Room.NumParticipants = 0
		e.RoomEndReason = livekit.RoomEndReason_ROOM_END_IDLE_TIMEOUT
	}},
	{"track_published", sampleTrack},
	{"track_unpublished", sampleTrack},
	{"egress_started", func(e *livekit.WebhookEvent, now time.Time) {
		sampleEgress(e, now, livekit.EgressStatus_EGRESS_STARTING)
	}},
	{"egress_updated", func(e *livekit.WebhookEvent, now time.Time) {
		sampleEgress(e, now, livekit.EgressStatus_EGRESS_ACTIVE)
	}},
	{"egress_ended", func(e *livekit.WebhookEvent, now time.Time) {
		sampleEgress(e, now, livekit.EgressStatus_EGRESS_COMPLETE)
		info := e.EgressInfo
		info.EndedAt = now.UnixNano()
		info.FileResults = []*livekit.FileInfo{{
			Filename: "support-1.mp4", Location: "https://storage.example.com/support-1.mp4",
			StartedAt: info.StartedAt, EndedAt: info.EndedAt, Duration: info.EndedAt - info.StartedAt, Size: 18_350_080,
		}}
	}},
	{"ingress_started", func(e *livekit.WebhookEvent, now time.Time) {
		sampleIngress(e, now, livekit.IngressState_ENDPOINT_PUBLISHING)
	}},
	{"ingress_ended", func(e *livekit.WebhookEvent, now time.Time) {
		sampleIngress(e, now, livekit.IngressState_ENDPOINT_COMPLETE)
		e.IngressInfo.State.EndedAt = now.UnixNano()
	}},
	{"agent_job_pending", func(e *livekit.WebhookEvent, now time.Time) {
		sampleJob(e, now, livekit.JobStatus_JS_PENDING)
	}},
	{"agent_job_started", func(e *livekit.WebhookEvent, now time.Time) {
		sampleJob(e, now, livekit.JobStatus_JS_RUNNING)
	}},
	{"agent_job_ended", func(e *livekit.WebhookEvent, now time.Time) {
		sampleJob(e, now, livekit.JobStatus_JS_SUCCESS)
	}},
}

// sampleAge is how long ago what a sample is about began.
const sampleAge = 10 * time.Minute

func sampleRoomName() *livekit.Room {
	return &livekit.Room{Sid: "RM_sample000001", Name: "support-1"}
}

func sampleRoom(now time.Time) *livekit.Room {
	began := now.Add(-sampleAge)
	r := sampleRoomName()
	r.EmptyTimeout, r.DepartureTimeout = 300, 20
	r.CreationTime, r.CreationTimeMs = began.Unix(), began.UnixMilli()
	r.TurnPassword = "a-sample-and-no-secret"
	r.EnabledCodecs = []*livekit.Codec{{Mime: "audio/opus"}, {Mime: "video/VP8"}}
	r.Metadata = `{"topic":"sample"}`
	r.NumParticipants = 1
	return r
}

func sampleParticipantName() *livekit.ParticipantInfo {
	return &livekit.ParticipantInfo{Sid: "PA_sample000001", Identity: "u1"}
}

func sampleParticipant(now time.Time) *livekit.ParticipantInfo {
	p := sampleParticipantName()
	p.Name = "Aiko"
	p.State = livekit.ParticipantInfo_ACTIVE
	p.JoinedAt, p.JoinedAtMs = now.Unix(), now.UnixMilli()
	p.Permission = &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true}
	p.Attributes = map[string]string{"lang": "ja"}
	return p
}

func sampleTrack(e *livekit.WebhookEvent, _ time.Time) {
	e.Room, e.Participant = sampleRoomName(), sampleParticipantName()
	e.Track = &livekit.TrackInfo{
		Sid: "TR_sample000001", Name: "microphone", Type: livekit.TrackType_AUDIO,
		Source: livekit.TrackSource_MICROPHONE, MimeType: "audio/red",
	}
}

func sampleEgress(e *livekit.WebhookEvent, now time.Time, status livekit.EgressStatus) {
	e.Room = sampleRoomName()
	e.EgressInfo = &livekit.EgressInfo{
		EgressId: "EG_sample000001", RoomId: e.Room.Sid, RoomName: e.Room.Name, Status: status,
		StartedAt: now.Add(-sampleAge).UnixNano(), UpdatedAt: now.UnixNano(),
		Request: &livekit.EgressInfo_RoomComposite{RoomComposite: &livekit.RoomCompositeEgressRequest{
			RoomName: e.Room.Name, Layout: "speaker",
			FileOutputs: []*livekit.EncodedFileOutput{{FileType: livekit.EncodedFileType_MP4, Filepath: "{room_name}.mp4"}},
		}},
	}
}

func sampleIngress(e *livekit.WebhookEvent, now time.Time, status livekit.IngressState_Status) {
	e.Room = &livekit.Room{Name: sampleRoomName().Name}
	e.IngressInfo = &livekit.IngressInfo{
		IngressId: "IN_sample000001", Name: "studio", StreamKey: "a-sample-and-no-secret",
		Url: "rtmps://ingest.example.com/x", RoomName: e.Room.Name,
		ParticipantIdentity: "studio", ParticipantName: "Studio",
		State: &livekit.IngressState{
			Status: status, RoomId: sampleRoomName().Sid, StartedAt: now.Add(-sampleAge).UnixNano(), UpdatedAt: now.UnixNano(),
		},
	}
}

func sampleJob(e *livekit.WebhookEvent, now time.Time, status livekit.JobStatus) {
	e.Room = sampleRoomName()
	state := &livekit.JobState{Status: status, UpdatedAt: now.UnixNano()}
	if status != livekit.JobStatus_JS_PENDING {
		state.StartedAt = now.Add(-sampleAge).UnixNano()
		state.ParticipantIdentity, state.WorkerId = "agent-sample", "AW_sample000001"
	}
	if status == livekit.JobStatus_JS_SUCCESS {
		state.EndedAt = now.UnixNano()
	}
	e.Job = &livekit.Job{
		Id: "AJ_sample000001", DispatchId: "AD_sample000001", Type: livekit.JobType_JT_ROOM,
		Room: sampleRoomName(), AgentName: "front-desk", State: state, CreatedAt: now.Add(-sampleAge).UnixNano(),
	}
}
