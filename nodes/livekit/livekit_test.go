package livekit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/webhook"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

// A vector is a pair of a body and its Authorization header, with what
// LiveKit's own library says to it.
type vector struct {
	Name         string
	Group        string
	BodyFile     string `json:"body_file"`
	TokenFile    string `json:"authorization_file"`
	LibraryError string `json:"library_error"`
	Event        string
	EventID      string `json:"event_id"`

	body  []byte
	token string
}

// unreadable reports whether the vector is authentic but its body is none.
func (v vector) unreadable() bool { return strings.HasPrefix(v.LibraryError, "proto:") }

func vectors(t testing.TB) (map[string]flows.Secret, []vector) {
	t.Helper()
	var manifest struct {
		Keys    map[string]flows.Secret
		Vectors []vector
	}
	decodeFile(t, "manifest.json", &manifest)
	for i := range manifest.Vectors {
		v := &manifest.Vectors[i]
		v.body = readFile(t, v.BodyFile)
		v.token = string(readFile(t, v.TokenFile))
	}
	return manifest.Keys, manifest.Vectors
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decodeFile(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, name), into); err != nil {
		t.Fatal(err)
	}
}

// A rig is a source with an inlet that records.
type rig struct {
	*source
	in  *enginetest.Inlet
	log *bytes.Buffer
}

func newRig(t testing.TB, set func(c *Config)) rig {
	t.Helper()
	c := Source.Default
	c.APIKey, c.APISecret = "APIkey", "a secret of this test"
	if set != nil {
		set(&c)
	}
	s, err := newSource(c)
	if err != nil {
		t.Fatal(err)
	}
	r := rig{source: s.(*source), in: &enginetest.Inlet{}, log: &bytes.Buffer{}}
	if err := r.Open(t.Context(), &engine.Env{Log: slog.New(slog.NewTextHandler(r.log, nil))}); err != nil {
		t.Fatal(err)
	}
	return r
}

// post sends a request as the engine hands it to the source.
func (r rig) post(authorization string, body []byte) engine.Answer {
	req, err := http.NewRequest(http.MethodPost, r.config.Path, nil)
	if err != nil {
		panic(err)
	}
	req.RemoteAddr = "192.0.2.1:4711"
	req.Header.Set("Content-Type", "application/webhook+json")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return r.Routes(r.in)[0].Serve(req, body)
}

// signed posts a body signed with the source's key.
func (r rig) signed(t testing.TB, body string) engine.Answer {
	t.Helper()
	token, err := r.keys.sign([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r.post(token, []byte(body))
}

// only is the one event that was put in.
func (r rig) only(t testing.TB) *engine.Event {
	t.Helper()
	events := r.in.Events()
	if len(events) != 1 {
		t.Fatalf("got %d events, want 1; log: %s", len(events), r.log)
	}
	return events[0]
}

func (r rig) data(t testing.TB) map[string]any {
	t.Helper()
	v, err := r.only(t).Data.Value()
	if err != nil {
		t.Fatal(err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("data is a %T, want an object", v)
	}
	return m
}

func status(a engine.Answer) int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

func withKeys(keys map[string]flows.Secret) func(c *Config) {
	return func(c *Config) { c.APIKey, c.APISecret, c.Keys = "", "", keys }
}

func TestEachPairIsAcceptedOrRefusedAsItsManifestSays(t *testing.T) {
	keys, all := vectors(t)
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			r := newRig(t, withKeys(keys))
			got := status(r.post(v.token, v.body))
			switch {
			case v.unreadable():
				if got != http.StatusOK {
					t.Errorf("answered %d, want 200: it is authentic", got)
				}
				e := r.only(t)
				if e.Failure == nil || e.Failure.Message == "" {
					t.Errorf("the event has not failed: %+v", e)
				}
				if data, _ := e.Data.Value(); data != string(v.body) {
					t.Errorf("data is %q, want the body", data)
				}
			case v.LibraryError != "":
				if got != http.StatusUnauthorized {
					t.Errorf("answered %d, want 401", got)
				}
				if n := len(r.in.Events()); n != 0 {
					t.Errorf("%d events went in, want none", n)
				}
			default:
				if got != http.StatusOK {
					t.Errorf("answered %d, want 200", got)
				}
				e := r.only(t)
				if e.Type != v.Event || e.ID != v.EventID || e.Source != "livekit" || e.Failure != nil {
					t.Errorf("got %s %s of %s (failure %v), want %s %s of livekit", e.Type, e.ID, e.Source, e.Failure, v.Event, v.EventID)
				}
			}
		})
	}
}

func TestSubjectAndTimeAreThoseOfTheBody(t *testing.T) {
	for _, test := range []struct {
		body, subject string
		time          time.Time
	}{
		{`{"event":"room_started","room":{"sid":"RM_1","name":"support-1"},"createdAt":"1767225606"}`, "support-1", time.Unix(1767225606, 0)},
		{`{"event":"room_started","room":{"name":"support-1"},"created_at":1767225606}`, "support-1", time.Unix(1767225606, 0)},
		{`{"event":"egress_started","egressInfo":{"egressId":"EG_1"}}`, "EG_1", time.Time{}},
		{`{"event":"ingress_started","ingressInfo":{"ingressId":"IN_1"}}`, "IN_1", time.Time{}},
		{`{"event":"egress_ended","room":{"name":"r"},"egressInfo":{"egressId":"EG_1"}}`, "r", time.Time{}},
		{`{"event":"agent_job_pending","job":{"id":"AJ_1","room":{"name":"r"}}}`, "r", time.Time{}},
		{`{"event":"agent_job_pending","job":{"id":"AJ_1"}}`, "AJ_1", time.Time{}},
		{`{"event":"unheard_of","createdAt":"9223372036854775807"}`, "", time.Time{}},
		{`{"event":"unheard_of","createdAt":"-1"}`, "", time.Time{}},
	} {
		r := newRig(t, nil)
		r.signed(t, test.body)
		e := r.only(t)
		if e.Subject != test.subject || !e.Time.Equal(test.time) {
			t.Errorf("%s: subject %q at %v, want %q at %v", test.body, e.Subject, e.Time, test.subject, test.time)
		}
	}
}

func TestABodyWithoutAnIdHasTheSameOneEachTime(t *testing.T) {
	r := newRig(t, nil)
	r.signed(t, `{"event":"room_started"}`)
	r.signed(t, `{"event":"room_started"}`)
	r.signed(t, `{"event":"room_finished"}`)
	e := r.in.Events()
	if e[0].ID == "" || e[0].ID != e[1].ID || e[0].ID == e[2].ID {
		t.Errorf("ids are %q, %q and %q", e[0].ID, e[1].ID, e[2].ID)
	}
}

func TestARequestSentAgainIsTakenAgain(t *testing.T) {
	r := newRig(t, nil)
	_, header, body, err := r.Sample("room_started")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := status(r.post(header.Get("Authorization"), body)); got != http.StatusOK {
			t.Fatalf("answered %d, want 200", got)
		}
	}
	if e := r.in.Events(); len(e) != 2 || e[0].ID != e[1].ID {
		t.Errorf("got %d events, want two of one id", len(e))
	}
}

func TestABearerPrefixIsTakenOff(t *testing.T) {
	r := newRig(t, nil)
	body := []byte(`{"event":"room_started"}`)
	token, err := r.keys.sign(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "Bearer ", "bearer ", "BEARER  "} {
		if got := status(r.post(prefix+token, body)); got != http.StatusOK {
			t.Errorf("with prefix %q: answered %d, want 200", prefix, got)
		}
	}
	for _, header := range []string{"Bearer", "Bearer ", "Basic " + token, "Bearer Bearer " + token} {
		if got := status(r.post(header, body)); got != http.StatusUnauthorized {
			t.Errorf("%.14q…: answered %d, want 401", header, got)
		}
	}
}

func TestWhatCannotBeStoredIsAskedForAgain(t *testing.T) {
	for _, cause := range []error{errors.New("the disk is gone"), fmt.Errorf("appending: %w", engine.ErrFull)} {
		r := newRig(t, nil)
		r.in.Fail = func([]*engine.Event) error { return cause }
		a := r.signed(t, `{"event":"room_started"}`)
		if status(a) != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("%v: answered %d %v, want 503 with Retry-After", cause, status(a), a.Header)
		}
	}
}

func TestOtherEventsThanTheListedAreAnsweredAndForgotten(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Events = []string{"room_started", "room_renamed"} })
	for _, event := range []string{"room_finished", "room_started", "room_renamed"} {
		if got := status(r.signed(t, `{"event":"`+event+`"}`)); got != http.StatusOK {
			t.Errorf("%s: answered %d, want 200", event, got)
		}
	}
	if got := status(r.signed(t, "not JSON")); got != http.StatusOK {
		t.Errorf("an unreadable body: answered %d, want 200", got)
	}
	var types []string
	for _, e := range r.in.Events() {
		types = append(types, e.Type)
	}
	if diff := cmp.Diff([]string{"room_started", "room_renamed", "unreadable"}, types); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnknownNameInEventsIsWarnedOf(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Events = []string{"room_started", "particpant_joined"} })
	log := r.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, `did you mean \"participant_joined\"?`) {
		t.Errorf("got log %s", log)
	}
}

func TestTheLogOfRefusalsStaysShortAndSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, all := vectors(t)
		r := newRig(t, withKeys(keys))
		time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // when the tokens are valid
		for range 1000 {
			for _, v := range all {
				if v.Group == "bad" && !v.unreadable() {
					r.post(v.token, v.body)
				}
			}
		}
		log := r.log.String()
		if n := strings.Count(log, "\n"); n > len(all) {
			t.Errorf("%d lines for a flood, want a few", n)
		}
		for _, v := range all {
			if len(v.token) > 20 && strings.Contains(log, v.token[:20]) {
				t.Errorf("the log holds the token of %s", v.Name)
			}
		}
		for _, hint := range []string{"is this machine's clock slow?", "is this machine's clock fast", "does a proxy change it"} {
			if !strings.Contains(log, hint) {
				t.Errorf("the log lacks %q:\n%s", hint, log)
			}
		}
		r.log.Reset()
		time.Sleep(engine.QuietFor)
		r.post("", nil)
		if !strings.Contains(r.log.String(), "more=999") {
			t.Errorf("after a while the log says %s", r.log)
		}
	})
}

func TestMetaHasNoCredentials(t *testing.T) {
	r := newRig(t, nil)
	r.signed(t, `{"event":"room_started"}`)
	want := engine.Meta{"path": "/livekit", "headers": map[string]any{"content-type": "application/webhook+json"}}
	if diff := cmp.Diff(want, r.only(t).Meta); diff != "" {
		t.Error(diff)
	}
}

func TestEachSampleIsTakenByItsSourceAndByTheLibrary(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Path = "/hooks/lk" })
	if len(r.Samples()) != 15 {
		t.Errorf("there are %d samples, want the 15 events of v1.54.0", len(r.Samples()))
	}
	ids := map[string]bool{}
	for _, event := range r.Samples() {
		path, header, body, err := r.Sample(event)
		if err != nil {
			t.Fatal(err)
		}
		if path != "/hooks/lk" {
			t.Errorf("%s goes to %s", event, path)
		}
		if got := status(r.post(header.Get("Authorization"), body)); got != http.StatusOK {
			t.Errorf("%s: answered %d, want 200", event, got)
		}
		req := &http.Request{Header: header, Body: io.NopCloser(bytes.NewReader(body))}
		sent, err := webhook.ReceiveWebhookEvent(req, auth.NewSimpleKeyProvider("APIkey", "a secret of this test"))
		if err != nil {
			t.Fatalf("%s: the library refuses it: %v", event, err)
		}
		e := r.in.Events()[len(r.in.Events())-1]
		if e.Type != event || e.Failure != nil || e.Subject != "support-1" || time.Since(e.Time) > time.Minute {
			t.Errorf("%s became %s of %q at %v, failure %v", event, e.Type, e.Subject, e.Time, e.Failure)
		}
		ids[sent.Id] = true
	}
	if len(ids) != len(r.Samples()) {
		t.Errorf("%d ids for %d samples", len(ids), len(r.Samples()))
	}
	if _, _, _, err := r.Sample("room_start"); err == nil {
		t.Error("an unknown event has a sample")
	}
}

func TestTheExampleIsAConfiguration(t *testing.T) {
	v, diags := flows.ParseValue(Source.Example)
	c := Source.Default
	if diags = append(diags, flows.Decode(v.Get("livekit"), &c)...); diags.Failed() {
		t.Fatal(diags)
	}
	if c.Path != "/livekit" || c.APIKey == "" || c.APISecret == "" {
		t.Errorf("decoded %+v", c)
	}
}

func TestAConfigurationThatCannotWorkIsAMistake(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   []string
	}{
		{Config{Path: "/livekit", APIKey: "k", APISecret: "s"}, nil},
		{Config{Path: "/livekit", Keys: keys{"k": "s"}}, nil},
		{Config{Path: "/livekit", APIKey: "k", APISecret: "s", Keys: keys{"k": "s", "old": "t"}}, nil},
		{Config{Path: "/livekit"}, []string{": livekit needs api_key and api_secret, or keys"}},
		{Config{Path: "livekit", APIKey: "k"}, []string{
			`path: a path begins with a slash, got "livekit"`, "api_key: api_key needs api_secret beside it"}},
		{Config{Path: "/", APISecret: "s"}, []string{"api_secret: api_secret needs api_key beside it"}},
		{Config{Path: "/", Keys: keys{"k": ""}}, []string{"keys.k: keys wants a secret for each API key, got an empty one"}},
		{Config{Path: "/", APIKey: "k", APISecret: "s", Keys: keys{"k": "other"}}, []string{
			`keys.k: keys has another secret for "k" than api_secret`}},
	} {
		var got []string
		test.config.Validate(func(key, format string, args ...any) *flows.Diagnostic {
			got = append(got, key+": "+fmt.Sprintf(format, args...))
			return new(flows.Diagnostic)
		})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: %s", test.config, diff)
		}
	}
}
