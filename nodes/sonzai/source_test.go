package sonzai

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

func TestEveryKnownBodyBecomesAnEvent(t *testing.T) {
	files, err := filepath.Glob("testdata/webhooks/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no bodies", err)
	}
	env, _ := newEnv()
	s := newTest(t, "secrets: "+secret, env)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			kind, enveloped := strings.CutSuffix(name, ".enveloped")
			kind = strings.TrimSuffix(kind, ".flat")

			in := &enginetest.Inlet{}
			if a := post(t, s, in, "/sonzai/"+kind, sign(secret, time.Now(), raw), raw); status(a) != 200 {
				t.Fatalf("answered %d %s", a.Status, a.Body)
			}
			e := in.Events()[0]
			if e.Type != kind || e.Source != "sonzai" || e.Failure != nil {
				t.Errorf("got type %q, source %q, failure %v", e.Type, e.Source, e.Failure)
			}
			if e.Subject != "6f0a5b52-0d7e-4c55-9a51-2f1c6f2e7a10" {
				t.Errorf("subject %q", e.Subject)
			}
			if want := time.Date(2026, 4, 5, 9, 0, 31, 0, time.UTC); !e.Time.Equal(want) {
				t.Errorf("time %s", e.Time)
			}
			want := value(t, raw)
			if enveloped {
				outer := want.(map[string]any)
				want = outer["data"]
				delete(outer, "data")
				if diff := cmp.Diff(outer, e.Meta["envelope"]); diff != "" {
					t.Errorf("meta.envelope (-want +got):\n%s", diff)
				}
			}
			got, err := e.Data.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, value(t, got)); diff != "" {
				t.Errorf("data (-want +got):\n%s", diff)
			}
			if e.Meta["path"] != "/sonzai/"+kind {
				t.Errorf("meta.path %v", e.Meta["path"])
			}
		})
	}
}

func TestTheIDIsTheFirstNameTheBodyHas(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"id":"a","event_id":"b","notification_id":"c","message_id":"d"}`, "a"},
		{`{"event_id":"b","notification_id":"c","message_id":"d"}`, "b"},
		{`{"notification_id":"c","message_id":"d","wakeup":{"wakeup_id":"w"}}`, "c"},
		{`{"message_id":"d"}`, "d"},
		{`{"id":9007199254740993}`, "9007199254740993"},
		{`{"id":null,"wakeup":{"wakeup_id":"w"}}`, "w:k"},
		{`{"id":"","data":{"wakeup":{"wakeup_id":"w"}}}`, "w:k"},
		{`{"event_type":"other","wakeup":{"wakeup_id":"w"}}`, "w:other"},
		{`{"a":1}`, digest("k", []byte(`{"a":1}`))},
		{`[1]`, digest("k", []byte(`[1]`))},
	} {
		if e := eventOf([]byte(c.body), "k", "data"); e.ID != c.want {
			t.Errorf("%s: got %q, want %q", c.body, e.ID, c.want)
		}
	}
	if digest("k", []byte("x")) == digest("l", []byte("x")) {
		t.Error("bodies of two types have one id")
	}
}

func TestThePayloadIsKeptAsItWasSent(t *testing.T) {
	for _, c := range []struct{ body, data string }{
		{`{"data": {"n": 12345678901234567890, "s":"\u00e9"} , "agent_id":"x"}`, `{"n": 12345678901234567890, "s":"\u00e9"}`},
		{`{"data":null,"n": 1.0}`, `{"data":null,"n": 1.0}`},
		{`{"data":[1,  2]}`, `[1,  2]`},
		{`{"data":"text"}`, `"text"`},
		{` 17 `, ` 17 `},
	} {
		got, err := eventOf([]byte(c.body), "k", "data").Data.Bytes()
		if err != nil || string(got) != c.data {
			t.Errorf("%s: got %s, %v, want %s", c.body, got, err, c.data)
		}
	}
}

func TestAWebhookIsAnsweredBySecretsAndAuthorization(t *testing.T) {
	body := []byte(`{"agent_id":"a"}`)
	signed := sign(secret, time.Now(), body)
	other := sign("whsec_other", time.Now(), body)
	withAuth := func(h http.Header, auth string) http.Header {
		h = h.Clone()
		if h == nil {
			h = http.Header{}
		}
		h.Set("Authorization", auth)
		return h
	}
	for _, c := range []struct {
		name, config, target string
		header               http.Header
		want                 int
	}{
		{"signed", `secrets: ` + secret, "/sonzai/k", signed, 200},
		{"unsigned", `secrets: ` + secret, "/sonzai/k", nil, 401},
		{"signed by another", `secrets: ` + secret, "/sonzai/k", other, 401},
		{"signed by the second of a list", `secrets: [whsec_other, ` + secret + `]`, "/sonzai/k", signed, 200},
		{"signed by the secret of its type", `secrets: {k: ` + secret + `, l: whsec_other}`, "/sonzai/k", signed, 200},
		{"signed by one of the secrets of its type", `secrets: {k: [whsec_other, ` + secret + `]}`, "/sonzai/k", signed, 200},
		{"signed by the secret of another type", `secrets: {k: ` + secret + `, l: whsec_other}`, "/sonzai/k", other, 401},
		{"of a type that has no secret", `secrets: {l: ` + secret + `}`, "/sonzai/k", signed, 401},
		{"of a type with dots and spaces", `secrets: {"a.b c/d": ` + secret + `}`, "/sonzai/a.b%20c%2Fd", signed, 200},
		{"with the header agreed on", `auth_header: Bearer x`, "/sonzai/k", withAuth(nil, "Bearer x"), 200},
		{"with another header", `auth_header: Bearer x`, "/sonzai/k", withAuth(nil, "bearer x"), 401},
		{"without the header", `auth_header: Bearer x`, "/sonzai/k", nil, 401},
		{"signed, without the header", "secrets: " + secret + "\nauth_header: Bearer x", "/sonzai/k", signed, 401},
		{"with the header, unsigned", "secrets: " + secret + "\nauth_header: Bearer x", "/sonzai/k", withAuth(nil, "Bearer x"), 401},
		{"with both", "secrets: " + secret + "\nauth_header: Bearer x", "/sonzai/k", withAuth(signed, "Bearer x"), 200},
		{"unchecked by choice", `insecure: true`, "/sonzai/k", nil, 200},
		{"deeper than a type", `insecure: true`, "/sonzai/k/l", nil, 404},
		{"at the root", "insecure: true\npath: /", "/k", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			env, log := newEnv()
			s := newTest(t, c.config, env)
			in := &enginetest.Inlet{}
			a := post(t, s, in, c.target, c.header, body)
			if status(a) != c.want {
				t.Errorf("answered %d %s, want %d", status(a), a.Body, c.want)
			}
			if taken := len(in.Events()) == 1; taken != (c.want == 200) {
				t.Errorf("answered %d, and took %d events", c.want, len(in.Events()))
			}
			if refused := strings.Contains(log.String(), "refused"); refused != (c.want == 401) {
				t.Errorf("the log says:\n%s", log)
			}
			if strings.Contains(log.String(), "whsec") || strings.Contains(string(a.Body), "whsec") {
				t.Error("a secret is shown")
			}
		})
	}
}

func TestAForgersNoiseDoesNotFloodTheLog(t *testing.T) {
	env, log := newEnv()
	s := newTest(t, "secrets: "+secret, env)
	for range 100 {
		post(t, s, &enginetest.Inlet{}, "/sonzai/k", nil, []byte(`{}`))
	}
	if n := strings.Count(log.String(), "refused"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestTheBodyNamesTheTypeAtTheBarePath(t *testing.T) {
	env, _ := newEnv()
	s := newTest(t, "secrets: {k: "+secret+"}", env)
	in := &enginetest.Inlet{}
	for _, body := range []string{`{"event_type":"k"}`, `{"agent_id":"a"}`} {
		if a := post(t, s, in, "/sonzai", sign(secret, time.Now(), []byte(body)), []byte(body)); status(a) != 200 {
			t.Errorf("%s: answered %d", body, a.Status)
		}
	}
	named, nameless := in.Events()[0], in.Events()[1]
	if named.Type != "k" || named.Failure != nil {
		t.Errorf("got type %q, failure %v", named.Type, named.Failure)
	}
	if nameless.Failure == nil {
		t.Error("a body without a type is no failure")
	}
}

func TestAnAuthenticBodyThatIsNoJSONIsKeptAsAFailure(t *testing.T) {
	env, _ := newEnv()
	s := newTest(t, "secrets: "+secret, env)
	in := &enginetest.Inlet{}
	body := []byte("{\"cut\": \"sho")
	if a := post(t, s, in, "/sonzai/k", sign(secret, time.Now(), body), body); status(a) != 200 {
		t.Fatalf("answered %d", a.Status)
	}
	e := in.Events()[0]
	if got, _ := e.Data.Value(); e.Failure == nil || e.Type != "k" || got != string(body) {
		t.Errorf("got failure %v, type %q, data %v", e.Failure, e.Type, got)
	}
}

func TestAnEventThatIsNotSafeIsAskedForAgain(t *testing.T) {
	env, _ := newEnv()
	s := newTest(t, "secrets: "+secret, env)
	in := &enginetest.Inlet{Fail: func([]*engine.Event) error { return fmt.Errorf("disk: %w", errors.New("gone")) }}
	a := post(t, s, in, "/sonzai/k", sign(secret, time.Now(), []byte(`{}`)), []byte(`{}`))
	if status(a) != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("answered %d, %v", a.Status, a.Header)
	}
}

func TestASourceThatOnlyPollsOpensNoPath(t *testing.T) {
	env, _ := newEnv()
	s := newTest(t, "poll: {api_key: k, project: p}", env)
	if routes := s.Routes(nil); len(routes) != 0 {
		t.Errorf("routes %v", routes)
	}
	if _, _, _, err := s.Sample("k"); err == nil {
		t.Error("there is a sample webhook")
	}
}

func TestEverySampleIsTakenByItsOwnSource(t *testing.T) {
	env, _ := newEnv()
	s := newTest(t, "secrets: {on_wakeup_ready: "+secret+"}\nauth_header: Bearer x", env)
	if _, _, _, err := s.Sample("agent.message"); err == nil {
		t.Error("a sample of a type that has no secret is signed")
	}
	env, _ = newEnv()
	s = newTest(t, "secrets: "+secret+"\nauth_header: Bearer x", env)
	if len(s.Samples()) != len(samples) {
		t.Errorf("%d types are listed, and %d have data", len(s.Samples()), len(samples))
	}
	for _, kind := range append(s.Samples(), "of a new/kind") {
		in := &enginetest.Inlet{}
		for range 2 {
			path, header, body, err := s.Sample(kind)
			if err != nil {
				t.Fatal(err)
			}
			if a := post(t, s, in, path, header, body); status(a) != 200 {
				t.Errorf("%s: answered %d %s", kind, a.Status, a.Body)
			}
			time.Sleep(time.Millisecond)
		}
		events := in.Events()
		if len(events) != 2 || events[0].Type != kind || events[0].ID == events[1].ID {
			t.Errorf("%s: got %v of type %q", kind, ids(events), events[0].Type)
		}
	}
}

func TestAMistakeInTheConfigurationIsNamed(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{`path: /x`, "nothing tells sonzai's webhooks from forged ones"},
		{`{path: x, insecure: true}`, `a path begins with a slash, got "x"`},
		{`{secrets: whsec_}`, "a signing secret is empty"},
		{`{secrets: {k: ""}}`, "a signing secret is empty"},
		{`{secrets: [[a]]}`, "got a list"},
		{`{secrets: s, insecure: true}`, "insecure takes every webhook unchecked"},
		{`{secrets: s, base_url: api.sonz.ai}`, "want a URL like"},
		{`{poll: {agents: a}}`, `"api_key" is missing`},
		{`{poll: {api_key: "", agents: a}}`, `api_key is empty`},
		{`{poll: {api_key: k}}`, "poll needs agents or project"},
		{`{poll: {api_key: k, agents: a, project: p}}`, "poll takes agents or project, not both"},
		{`{poll: {api_key: k, agents: ""}}`, "the name of an agent is empty"},
		{`{poll: {api_key: k, agents: a, every: 10ms}}`, "want 1s or more, got 10ms"},
		{`{register: {api_key: k, url: "https://x/y"}}`, `"events" is missing`},
		{`{register: {api_key: k, url: "https://x/y", events: []}}`, "want at least one event type"},
		{`{register: {api_key: k, url: "https://x/y", events: ""}}`, "an event type is empty"},
		{`{register: {api_key: k, url: x/y, events: e}}`, "want the URL by which sonzai reaches path"},
	} {
		_, diags := decode(t, c.config)
		if len(diags) != 1 || !strings.Contains(diags[0].Message, c.want) {
			t.Errorf("%s: got %v, want %q", c.config, diags, c.want)
		}
	}
}

func FuzzBody(f *testing.F) {
	for _, name := range []string{"on_wakeup_ready.flat.json", "on_wakeup_ready.enveloped.json"} {
		f.Add(readFile(f, "webhooks", name))
	}
	f.Add([]byte(`{"data":{"wakeup":7},"timestamp":1,"":null}`))
	f.Add([]byte(`[{}]`))
	f.Add([]byte(`{"id":1e400,"data":{"id":"\ud800"}}`))
	s := &source{config: Config{Path: "/sonzai", Insecure: true}}
	made, err := newSource(s.config)
	if err != nil {
		f.Fatal(err)
	}
	s = made.(*source)
	f.Fuzz(func(t *testing.T, body []byte) {
		in := &enginetest.Inlet{}
		if a := post(t, s, in, "/sonzai/k", nil, body); status(a) != 200 {
			t.Fatalf("answered %d", a.Status)
		}
		e := in.Events()[0]
		if e.ID == "" || e.Type == "" {
			t.Fatalf("id %q, type %q", e.ID, e.Type)
		}
		if _, err := e.Data.Value(); err != nil {
			t.Fatalf("data can't be read: %v", err)
		}
	})
}

func TestASampleOfAWakeupHasTheFieldsOfARealOne(t *testing.T) {
	raw, err := os.ReadFile("testdata/webhooks/on_wakeup_ready.flat.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]map[string]any
	_ = json.Unmarshal(raw, &want) // into the fields that are maps
	got, _ := samples["on_wakeup_ready"]("1", time.Now())["wakeup"].(map[string]any)
	if a, b := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want["wakeup"])); !slices.Equal(a, b) {
		t.Errorf("got the fields %v, want %v", a, b)
	}
}
