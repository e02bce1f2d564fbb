package sora

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

// A vector is a body with what its manifest says of it.
type vector struct {
	File  string
	Kind  string
	Type  *string
	Valid bool
	Want  string

	body []byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	var manifest struct{ Vectors []vector }
	if err := json.Unmarshal(readFile(t, "manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	for i := range manifest.Vectors {
		manifest.Vectors[i].body = readFile(t, manifest.Vectors[i].File)
	}
	return manifest.Vectors
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A rig is a source with an inlet that records and may answer.
type rig struct {
	*source
	in  inlet
	log *bytes.Buffer
}

// inlet is the test inlet, whose Ask can also wait.
type inlet struct {
	*enginetest.Inlet
	ask func(ctx context.Context, e *engine.Event) (engine.Answer, error)
}

func (in *inlet) Ask(ctx context.Context, e *engine.Event) (engine.Answer, error) {
	if in.ask == nil {
		return in.Inlet.Ask(ctx, e)
	}
	return in.ask(ctx, e)
}

func newRig(t testing.TB, set func(c *Config)) *rig {
	t.Helper()
	c := Source.Default
	if set != nil {
		set(&c)
	}
	s, err := newSource(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{source: s.(*source), in: inlet{Inlet: &enginetest.Inlet{}}, log: &bytes.Buffer{}}
	if err := r.Open(t.Context(), &engine.Env{Log: slog.New(slog.NewTextHandler(r.log, nil))}); err != nil {
		t.Fatal(err)
	}
	return r
}

// answering makes the flow answer with a.
func (r *rig) answering(a engine.Answer) *rig {
	r.in.Answers = func(*engine.Event) (engine.Answer, error) { return a, nil }
	return r
}

// post sends a body to one of the webhooks as the engine hands it over.
func (r *rig) post(t testing.TB, k string, body []byte, set ...func(*http.Request)) engine.Answer {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/sora/"+k, nil)
	req.RemoteAddr = "192.0.2.1:4711"
	for _, f := range set {
		f(req)
	}
	for _, route := range r.Routes(&r.in) {
		if route.Path == req.URL.Path {
			return route.Serve(req, body)
		}
	}
	t.Fatalf("no route for %s", req.URL.Path)
	panic("unreachable")
}

func (r *rig) only(t testing.TB) *engine.Event {
	t.Helper()
	events := r.in.Events()
	if len(events) != 1 {
		t.Fatalf("got %d events, want 1; log: %s", len(events), r.log)
	}
	return events[0]
}

func status(a engine.Answer) int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// allowed reports what Sora makes of the answer to an auth request.
func allowed(t testing.TB, a engine.Answer) bool {
	t.Helper()
	var verdict struct {
		Allowed *bool
		Reason  string
	}
	if err := json.Unmarshal(a.Body, &verdict); err != nil || verdict.Allowed == nil || status(a) != http.StatusOK {
		t.Fatalf("Sora does not understand %d %s", status(a), a.Body)
	}
	if !*verdict.Allowed && verdict.Reason == "" {
		t.Fatalf("a refusal without a reason: %s", a.Body)
	}
	return *verdict.Allowed
}

func TestEachBodyGoesInUnderItsType(t *testing.T) {
	for _, v := range vectors(t) {
		if !v.Valid || v.Kind == "responses" {
			continue
		}
		t.Run(v.File, func(t *testing.T) {
			r := newRig(t, nil).answering(engine.Answer{Body: []byte(`{"allowed":true}`)})
			a := r.post(t, v.Kind, v.body)
			if status(a) != http.StatusOK || !json.Valid(a.Body) || a.Header.Get("Content-Type") != "application/json" {
				t.Errorf("answered %d %v %s, want 200 and JSON", status(a), a.Header, a.Body)
			}
			var sent struct {
				ID        string
				Type      string
				Channel   string `json:"channel_id"`
				Timestamp time.Time
			}
			if err := json.Unmarshal(v.body, &sent); err != nil {
				t.Fatal(err)
			}
			if v.Kind == "auth" {
				sent.Type = "auth"
			}
			e := r.only(t)
			if e.ID != sent.ID || e.Type != sent.Type || e.Subject != sent.Channel || !e.Time.Equal(sent.Timestamp) || e.Source != "sora" {
				t.Errorf("got %s %s of %q at %v by %s, want %+v", e.Type, e.ID, e.Subject, e.Time, e.Source, sent)
			}
			if e.Meta["webhook"] != v.Kind || e.Meta["path"] != "/sora/"+v.Kind || e.Meta["problem"] != nil {
				t.Errorf("meta is %v", e.Meta)
			}
			if data, err := e.Data.Bytes(); err != nil || !bytes.Equal(data, v.body) {
				t.Errorf("data is not the body: %s (%v)", data, err)
			}
		})
	}
}

func TestEachMalformedBodyIsTreatedAsItsManifestSays(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Valid {
			continue
		}
		t.Run(v.File, func(t *testing.T) {
			r := newRig(t, nil).answering(engine.Answer{Body: []byte(`{"allowed":true}`)})
			a := r.post(t, v.Kind, v.body)
			in := len(r.in.Events())
			switch v.Want {
			case `answer {"allowed":false}`:
				if allowed(t, a) || in != 0 {
					t.Errorf("it was allowed, or asked for: %d events", in)
				}
			case "reject":
				if status(a) != http.StatusBadRequest || in != 0 {
					t.Errorf("answered %d with %d events, want 400 and none", status(a), in)
				}
			case "accept-as-unknown":
				if status(a) != http.StatusOK || r.only(t).Type != "connection.teleported" || r.only(t).Meta["problem"] != nil {
					t.Errorf("answered %d", status(a))
				}
			case "accept-raw":
				if status(a) != http.StatusOK || r.only(t).Meta["problem"] == nil || !r.only(t).Time.IsZero() {
					t.Errorf("answered %d, event %+v", status(a), r.only(t))
				}
			case "reject-or-flag", "decide":
				refused := status(a) == http.StatusBadRequest && in == 0
				flagged := status(a) == http.StatusOK && in == 1 && r.only(t).Meta["problem"] != nil
				if !refused && !flagged {
					t.Errorf("answered %d with %d events", status(a), in)
				}
			default:
				t.Errorf("the manifest wants %q, which this test does not know", v.Want)
			}
		})
	}
}

func TestWhatIsNoJSONObjectIsRefused(t *testing.T) {
	for _, body := range []string{
		"", " \n", "null", "true", "7", `"text"`, "[]", "{", `{"type":"x"`, `{"type":"x",}`, `{"type":"x"}}`,
		`{"type":"x"} {"type":"y"}`, `{"type":"x","type":"y"}`, `{"type":"x","t\u0079pe":"y"}`, "{\"type\":\"\xff\"}",
		"\ufeff{\"type\":\"x\"}", `{type:"x"}`, `{"type":"x","deep":` + strings.Repeat("[", 20000),
		`{"type":"x","deep":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}",
		`{"type":7}`, `{"type":""}`, `{"type":null}`, "{}",
	} {
		r := newRig(t, nil)
		if got := status(r.post(t, "event", []byte(body))); got != http.StatusBadRequest {
			t.Errorf("%.40s: answered %d, want 400", body, got)
		}
		a := newRig(t, nil).answering(engine.Answer{Body: []byte(`{"allowed":true}`)}).post(t, "auth", []byte(body))
		if allowed(t, a) {
			t.Errorf("%.40s: somebody got in", body)
		}
		if n := len(r.in.Events()); n != 0 {
			t.Errorf("%.40s: %d events went in", body, n)
		}
	}
}

func TestAnOddBodyGoesInAndSaysSo(t *testing.T) {
	for _, test := range []struct {
		kind, body string
		header     string
		problem    any
	}{
		{"event", `{"type":"connection.created","channel_id":"c"}`, "", nil},
		{"event", `{"type":"connection.created","channel_id":7}`, "", "channel_id is missing"},
		{"event", `{"type":"connection.teleported"}`, "", nil},
		{"session", `{"type":"session.vanished"}`, "", nil},
		{"session", `{"type":"session.vanished","huge":1e400,"n":12345678901234567890}`, "", nil},
		{"session", `{"type":"session.destroyed","timestamp":"soon"}`, "", "channel_id is missing; timestamp is no RFC 3339 time"},
		{"event", `{"channel_id":"c"}`, "sora-event-webhook-type", "type is missing in the body"},
		{"event", `{"channel_id":"c"}`, "X-Sora-Event-Webhook-Type", "type is missing in the body"},
	} {
		r := newRig(t, nil)
		a := r.post(t, test.kind, []byte(test.body), func(req *http.Request) {
			if test.header != "" {
				req.Header.Set(test.header, "connection.created")
			}
		})
		if got := r.only(t).Meta["problem"]; status(a) != http.StatusOK || got != test.problem {
			t.Errorf("%s: answered %d, problem %v; want 200 and %v", test.body, status(a), got, test.problem)
		}
		if _, err := r.only(t).Data.Value(); err != nil {
			t.Errorf("%s: data can't be read: %v", test.body, err)
		}
	}
}

func TestABodyWithoutAnIdHasOneAllTheSame(t *testing.T) {
	r := newRig(t, nil)
	for _, body := range []string{`{"type":"x"}`, `{"type":"x"}`, `{"type":"y"}`, `{"type":"x","id":7}`} {
		r.post(t, "event", []byte(body))
	}
	r.post(t, "auth", []byte(`{"channel_id":"c","connection_id":"CONN"}`))
	e := r.in.Events()
	if e[0].ID == "" || e[0].ID != e[1].ID || e[0].ID == e[2].ID || e[3].ID == "" || e[4].ID != "CONN" {
		t.Errorf("ids are %q %q %q %q %q", e[0].ID, e[1].ID, e[2].ID, e[3].ID, e[4].ID)
	}
}

const authBody = `{"channel_id":"support-1","connection_id":"C1","metadata":{"token":"hush"}}`

func TestTheAnswerOfTheFlowReachesSora(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Kind != "responses" {
			continue
		}
		kind, body := "auth", authBody
		if strings.HasPrefix(filepath.Base(v.File), "session.") {
			kind, body = "session", `{"type":"session.created","channel_id":"support-1"}`
		}
		r := newRig(t, nil).answering(engine.Answer{Status: 201, Header: http.Header{"Content-Type": {"text/plain"}}, Body: v.body})
		a := r.post(t, kind, []byte(body))
		if status(a) != http.StatusOK || !bytes.Equal(a.Body, v.body) || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: answered %d %v %s", v.File, status(a), a.Header, a.Body)
		}
		if r.log.Len() > 0 {
			t.Errorf("%s: logged %s", v.File, r.log)
		}
	}
}

func TestAnAnswerThatIsNoVerdictIsARejection(t *testing.T) {
	for _, a := range []engine.Answer{
		{}, {Body: []byte("yes")}, {Body: []byte("{}")}, {Body: []byte("true")}, {Body: []byte("null")},
		{Body: []byte(`{"allowed":"true"}`)}, {Body: []byte(`{"allowed":1}`)}, {Body: []byte(`{"allowed":null}`)},
		{Body: []byte(`{"allowed":false,"allowed":true}`)}, {Body: []byte(`{"Allowed":true}`)},
		{Body: []byte(`{"allowed":true}{}`)}, {Body: []byte(`{"allowed":true`)}, {Body: []byte(`[{"allowed":true}]`)},
		{Body: []byte(`{"allowed":false}`)}, {Body: []byte(`{"allowed":false,"reason":""}`)},
		{Status: 403, Body: []byte(`{"allowed":true}`)}, {Status: 302, Body: []byte(`{"allowed":true}`)},
	} {
		// A default that lets everybody in is not for a flow that did answer.
		r := newRig(t, func(c *Config) { c.Default.Auth = map[string]any{"allowed": true} }).answering(a)
		if allowed(t, r.post(t, "auth", []byte(authBody))) {
			t.Errorf("%d %s let somebody in", a.Status, a.Body)
		}
		if !strings.Contains(r.log.String(), "can't be used") {
			t.Errorf("%d %s was not logged", a.Status, a.Body)
		}
	}
}

func TestARefusalOfTheFlowIsPassedOnWithItsReason(t *testing.T) {
	const refusal = `{"allowed":false,"reason":"BANNED"}`
	a := newRig(t, nil).answering(engine.Answer{Body: []byte(refusal)}).post(t, "auth", []byte(authBody))
	if string(a.Body) != refusal {
		t.Errorf("answered %s, want %s", a.Body, refusal)
	}
}

func TestWhereTheFlowDoesNotAnswerTheDefaultDoes(t *testing.T) {
	causes := map[string]error{
		"no respond node": engine.ErrNoAnswer, "failed": errors.New("hush"),
		"not stored": fmt.Errorf("%w: %w", engine.ErrNotStored, engine.ErrFull),
	}
	for cause, err := range causes {
		r := newRig(t, nil)
		r.in.ask = func(context.Context, *engine.Event) (engine.Answer, error) { return engine.Answer{}, err }

		a := r.post(t, "auth", []byte(authBody))
		if allowed(t, a) || strings.Contains(string(a.Body), "hush") {
			t.Errorf("%s: auth was answered %s", cause, a.Body)
		}
		a = r.post(t, "session", []byte(`{"type":"session.created","channel_id":"c"}`))
		if errors.Is(err, engine.ErrNotStored) {
			if status(a) != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
				t.Errorf("%s: session.created was answered %d", cause, status(a))
			}
		} else if status(a) != http.StatusOK || string(a.Body) != "{}" {
			t.Errorf("%s: session.created was answered %d %s", cause, status(a), a.Body)
		}

		r.authDefault = jsonAnswer([]byte(`{"allowed":true}`))
		if !allowed(t, r.post(t, "auth", []byte(authBody))) {
			t.Errorf("%s: the default was not taken", cause)
		}
	}
}

func TestDefaultsAreTakenFromTheConfiguration(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Default.Auth = map[string]any{"allowed": true, "event_metadata": map[string]any{"late": true}}
		c.Default.Session = map[string]any{"session_lifetime": 3600}
	})
	if a := r.post(t, "auth", []byte(authBody)); string(a.Body) != `{"allowed":true,"event_metadata":{"late":true}}` {
		t.Errorf("auth was answered %s", a.Body)
	}
	if a := r.post(t, "session", []byte(`{"type":"session.created"}`)); string(a.Body) != `{"session_lifetime":3600}` {
		t.Errorf("session.created was answered %s", a.Body)
	}
	if a := r.post(t, "session", []byte(`{"type":"session.destroyed"}`)); string(a.Body) != "{}" {
		t.Errorf("session.destroyed was answered %s", a.Body)
	}
}

func TestAFlowThatIsTooLateIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.in.ask = func(ctx context.Context, _ *engine.Event) (engine.Answer, error) {
			<-ctx.Done()
			return engine.Answer{}, ctx.Err()
		}
		start := time.Now()
		if allowed(t, r.post(t, "auth", []byte(authBody))) {
			t.Error("the auth request was allowed")
		}
		if waited := time.Since(start); waited != 4*time.Second {
			t.Errorf("waited %v, want 4s", waited)
		}
		if a := r.post(t, "session", []byte(`{"type":"session.created"}`)); status(a) != http.StatusOK || string(a.Body) != "{}" {
			t.Errorf("session.created was answered %d %s", status(a), a.Body)
		}
	})
}

func TestAnAnswerToSessionCreatedIsPassedOnIfSoraCanReadIt(t *testing.T) {
	for _, test := range []struct {
		given, want engine.Answer
	}{
		{engine.Answer{}, accepted},
		{engine.Answer{Body: []byte("ok")}, accepted},
		{engine.Answer{Body: []byte("[]")}, accepted},
		{engine.Answer{Body: []byte(`{"recording":true}`)}, jsonAnswer([]byte(`{"recording":true}`))},
		{engine.Answer{Status: 403, Body: []byte("full")}, engine.Answer{Status: 403, Body: []byte("full")}},
	} {
		got := newRig(t, nil).answering(test.given).post(t, "session", []byte(`{"type":"session.created","channel_id":"c"}`))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.given.Body, diff)
		}
	}
}

func TestWhatCannotBeStoredIsNotAccepted(t *testing.T) {
	for _, kind := range []string{"session", "event", "stats"} {
		r := newRig(t, nil)
		r.in.Fail = func([]*engine.Event) error { return errors.New("the disk is gone") }
		a := r.post(t, kind, []byte(`{"type":"connection.created"}`))
		if status(a) != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: answered %d, want 503 with Retry-After", kind, status(a))
		}
	}
}

func TestNoBodyIsLogged(t *testing.T) {
	r := newRig(t, nil)
	for _, k := range kinds {
		for _, body := range []string{
			"hush", `{"hush":"hush"`, `{"hush":1,"hush":2}`, `{"type":"hush"}`, `{"type":"connection.created","timestamp":"hush"}`,
			`{"timestamp":"hush","channel_id":"hush","connection_id":"hush"}`,
		} {
			r.post(t, string(k), []byte(body))
		}
	}
	if strings.Contains(r.log.String(), "hush") || r.log.Len() == 0 {
		t.Errorf("logged %s", r.log)
	}
}

func TestEachSampleIsTakenByItsSource(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.BasicAuth = &BasicAuth{User: "sora", Password: "pass:word"}
	}).answering(engine.Answer{Body: []byte(`{"allowed":true}`)})
	names := r.Samples()
	for _, v := range vectors(t) {
		if v.Type != nil && v.Valid && !slices.Contains(names, *v.Type) {
			t.Errorf("there is no sample of %s", *v.Type)
		}
	}
	ids := map[string]bool{}
	for _, name := range names {
		path, header, body, err := r.Sample(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), "{now}") || strings.Contains(string(body), "{unix}") {
			t.Errorf("%s is not filled in: %s", name, body)
		}
		kind := strings.TrimPrefix(path, "/sora/")
		a := r.post(t, kind, body, func(req *http.Request) { req.Header = header })
		if status(a) != http.StatusOK {
			t.Errorf("%s: answered %d %s", name, status(a), a.Body)
		}
		e := r.in.Events()[len(r.in.Events())-1]
		if strings.TrimPrefix(name, "event.recording.") != strings.TrimPrefix(e.Type, "recording.") && e.Type != name {
			t.Errorf("%s became a %s", name, e.Type)
		}
		if e.Meta["problem"] != nil || time.Since(e.Time) > time.Minute {
			t.Errorf("%s: meta %v at %v", name, e.Meta, e.Time)
		}
		ids[e.ID] = true
	}
	if len(ids) != len(names) || len(names) != 24 {
		t.Errorf("%d ids for %d samples, want 24 of each", len(ids), len(names))
	}
	if _, _, _, err := r.Sample("session.create"); err == nil {
		t.Error("an unknown type has a sample")
	}
}

func TestAConfigurationThatCannotWorkIsAMistake(t *testing.T) {
	for _, test := range []struct {
		set  func(c *Config)
		want []string
	}{
		{func(*Config) {}, nil},
		{func(c *Config) { c.Path = "sora" }, []string{`path: a path begins with a slash, got "sora"`}},
		{func(c *Config) { c.Timeout = 0 }, []string{"timeout: timeout must be longer than nothing"}},
		{func(c *Config) { c.BasicAuth = &BasicAuth{User: "u"} }, []string{"basic_auth: basic_auth needs a user and a password, got an empty one"}},
		{func(c *Config) { c.Default.Auth = map[string]any{"allowed": "yes"} },
			[]string{"default.auth: Sora does not understand this answer: its field allowed is neither true nor false"}},
		{func(c *Config) { c.Default.Auth = map[string]any{"allowed": false} },
			[]string{"default.auth: Sora does not understand this answer: it refuses without a reason"}},
	} {
		c := Source.Default
		test.set(&c)
		var got []string
		c.Validate(func(key, format string, args ...any) *flows.Diagnostic {
			got = append(got, key+": "+fmt.Sprintf(format, args...))
			return new(flows.Diagnostic)
		})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAConfigurationIsDecoded(t *testing.T) {
	c := decoded(t, `sora: {allow: [10.1.2.3/8, "2001:db8::1"], default: {auth: {allowed: true}}, timeout: 2s}`)
	if c.Allow[0].String() != "10.0.0.0/8" || c.Allow[1].String() != "2001:db8::1/128" ||
		c.Default.Auth["allowed"] != true || c.Timeout.String() != "2s" || c.Path != "/sora" {
		t.Errorf("decoded %+v", c)
	}
	for _, wrong := range []string{"", "10.0.0", "10.0.0.0/33", "example.com", "fe80::1%eth0"} {
		if err := new(Network).UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q was taken for addresses", wrong)
		}
	}
}

func TestTheExampleIsAConfiguration(t *testing.T) {
	if c := decoded(t, Source.Example); c.BasicAuth == nil || c.BasicAuth.User != "sora" || c.BasicAuth.Password == "" {
		t.Errorf("decoded %+v", c)
	}
}

func decoded(t *testing.T, node string) Config {
	t.Helper()
	v, diags := flows.ParseValue(node)
	c := Source.Default
	if diags = append(diags, flows.Decode(v.Get("sora"), &c)...); diags.Failed() {
		t.Fatal(diags)
	}
	return c
}

func FuzzABodyIsTakenWholeOrRefused(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(uint8(0), v.body)
		f.Add(uint8(2), v.body)
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		k := kinds[int(n)%len(kinds)]
		r := newRig(t, nil) // no respond node
		a := r.post(t, string(k), body)
		events := r.in.Events()
		if k == auth && allowed(t, a) {
			t.Fatalf("somebody got in without an answer of the flow")
		}
		if len(events) == 0 {
			if k != auth && status(a) != http.StatusBadRequest {
				t.Fatalf("answered %d without an event", status(a))
			}
			return
		}
		e := r.only(t)
		if data, err := e.Data.Bytes(); err != nil || !bytes.Equal(data, body) || !json.Valid(data) {
			t.Errorf("data is not the body")
		}
		if status(a) != http.StatusOK || e.ID == "" || e.Type == "" || e.Meta["webhook"] != string(k) {
			t.Errorf("answered %d, event %+v", status(a), e)
		}
	})
}

func FuzzAnAnswerLetsInOnlyWithAllowedTrue(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(200, v.body)
	}
	f.Add(0, []byte(`{"allowed":true}`))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		r := newRig(t, nil).answering(engine.Answer{Status: code, Body: body})
		if !allowed(t, r.post(t, "auth", []byte(authBody))) {
			return
		}
		var given map[string]any
		if err := json.Unmarshal(body, &given); err != nil || given["allowed"] != true || (code != 0 && code/100 != 2) {
			t.Errorf("%d %s let somebody in", code, body)
		}
	})
}
