package sora

import (
	"cmp"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A sample is what is known of one type: an example of its body without what
// all have in common, and with {now}, {unix}, {session}, {connection} and
// {recording} where each request has its own.
type sample struct {
	Name    string // its type, where another webhook has one of the same name
	Webhook kind
	Type    string
	Body    map[string]json.RawMessage
}

func (s sample) name() string { return cmp.Or(s.Name, s.Type) }

//go:embed samples.json
var samplesJSON []byte

// samples are all types of Sora 2025.2, and session.vanished of older ones.
var samples = sync.OnceValue(func() []sample {
	var all []sample
	if err := json.Unmarshal(samplesJSON, &all); err != nil {
		panic(fmt.Sprintf("sora: samples.json: %v", err))
	}
	return all
})

// Samples lists the types that Sora is known to send. Of recording.started and
// recording.report, which two webhooks have, the session's are meant; those of
// the other are event.recording.started and event.recording.report.
func (s *source) Samples() []string {
	var names []string
	for _, known := range samples() {
		names = append(names, known.name())
	}
	return names
}

// Sample is a request as Sora posts it: a webhook of that type, with ids of its
// own and the present time, and the password of the source.
func (s *source) Sample(name string) (path string, header http.Header, body []byte, err error) {
	i := slices.IndexFunc(samples(), func(known sample) bool { return known.name() == name })
	if i < 0 {
		return "", nil, nil, fmt.Errorf("type %q is not one that Sora is known to send", name)
	}
	known := samples()[i]
	now := time.Now().UTC()
	fields := map[string]any{
		"id": rand.Text(), "timestamp": "{now}",
		"version": "2025.2.0", "label": "WebRTC SFU Sora", "node_name": "sora@192.0.2.10",
	}
	header = http.Header{"Content-Type": {"application/json"}}
	if known.Webhook != auth {
		fields["type"] = known.Type
		header.Set("sora-"+string(known.Webhook)+"-webhook-type", known.Type)
	}
	for name, value := range known.Body {
		fields[name] = value
	}
	body, err = json.Marshal(fields)
	if err != nil {
		return "", nil, nil, fmt.Errorf("writing a Sora webhook: %w", err)
	}
	filled := strings.NewReplacer(
		"{now}", now.Format("2006-01-02T15:04:05.000000Z07:00"),
		`"{unix}"`, strconv.FormatInt(now.Unix(), 10),
		"{session}", rand.Text(), "{connection}", rand.Text(), "{recording}", rand.Text(),
	).Replace(string(body))
	if b := s.config.BasicAuth; b != nil {
		credentials := b.User + ":" + b.Password.Reveal()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	return s.config.Path + "/" + string(known.Webhook), header, []byte(filled), nil
}
