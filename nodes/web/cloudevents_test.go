package web

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

// A message is a request of testdata/cloudevents.json.
type message struct {
	Headers map[string]string
	Body    string
}

func readCloudEvents(t testing.TB) (v map[string]message) {
	t.Helper()
	raw, err := os.ReadFile("testdata/cloudevents.json")
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil || len(v) == 0 {
		t.Fatalf("reading vectors: %v", err)
	}
	return v
}

// theEvent is the event that the vectors encode.
func theEvent() *engine.Event {
	return &engine.Event{
		ID: "6146940c-1", Source: "/claude-code/demo-app", Type: "claude.assistant-response-completed",
		Subject: "応答 完了 100%", Time: time.Date(2026, 9, 1, 7, 30, 5, 234e6, time.UTC),
		Data: engine.JSON([]byte(`{"sessionId": "s1", "tools": ["Read"]}`)),
	}
}

func TestCloudEventsVectorsAreUnderstood(t *testing.T) {
	for mode, m := range readCloudEvents(t) {
		t.Run(mode, func(t *testing.T) {
			h := newHook(t, `{path: /in}`)
			r := httptest.NewRequest("POST", "/in", nil)
			for name, v := range m.Headers {
				r.Header.Set(name, v)
			}
			if a := h.request(r, m.Body); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			events := h.in.Events()
			if (mode == "batch") != (len(events) == 2) {
				t.Fatalf("%d events", len(events))
			}
			for i, e := range events {
				want := theEvent()
				if i == 1 {
					want.ID = "6146940c-2"
				}
				if diff := cmp.Diff(attributesOf(t, want), attributesOf(t, e)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func attributesOf(t testing.TB, e *engine.Event) []string {
	return []string{e.ID, e.Source, e.Type, e.Subject, e.Time.UTC().Format(time.RFC3339Nano), jsonOf(t, e.Data)}
}

func TestWhatTheConfigurationSaysGoesBeforeTheCloudEvent(t *testing.T) {
	h := newHook(t, `{path: /in, source: ours, type: body.kind}`)
	h.post(`{"kind":"k"}`, "Content-Type: application/json", "Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: s", "Ce-Type: t")
	if e := h.one(t); e.Source != "ours" || e.Type != "k" || e.ID != "1" {
		t.Errorf("source %q type %q id %q", e.Source, e.Type, e.ID)
	}
}

func TestExtensionsOfACloudEventComeIntoMetaAndGoOutAgain(t *testing.T) {
	for name, send := range map[string]func(h *hook) engine.Answer{
		"binary": func(h *hook) engine.Answer {
			return h.post(`1`, "Content-Type: application/json", "Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: s", "Ce-Type: t",
				"Ce-Dataschema: /x", "Ce-Traceparent: %E6%97%A5", `Ce-Quoted: "a \"b\" %25"`)
		},
		"structured": func(h *hook) engine.Answer {
			return h.post(`{"specversion":"1.0","id":"1","source":"s","type":"t","dataschema":"/x","traceparent":"日","quoted":"a \"b\" %","data":1,"gone":null}`,
				"Content-Type: application/cloudevents+json")
		},
	} {
		h := newHook(t, `/in`)
		if a := send(h); a.Status != 200 {
			t.Fatalf("%s: %d %s", name, a.Status, a.Body)
		}
		e := h.one(t)
		want := map[string]any{"dataschema": "/x", "traceparent": "日", "quoted": `a "b" %`}
		if diff := cmp.Diff(want, e.Meta["cloudevents"]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		raw, err := encodeStructured(e, []byte("1"))
		wantOut := `{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"application/json","quoted":"a \"b\" %","traceparent":"日","data":1}`
		if err != nil || string(raw) != wantOut {
			t.Errorf("%s: written as %s, %v", name, raw, err)
		}
	}
}

func TestTheDataOfACloudEventIsReadByItsContentType(t *testing.T) {
	const head = `{"specversion":"1.0","id":"1","source":"s","type":"t",`
	for _, c := range []struct{ body, want string }{
		{head + `"data":{"a":  9007199254740993}}`, `{"a":  9007199254740993}`},
		{head + `"datacontenttype":"text/plain","data":"hi"}`, `"hi"`},
		{head + `"datacontenttype":"application/json","data_base64":"eyJhIjoxfQ=="}`, `{"a":1}`},
		{head + `"datacontenttype":"text/plain","data_base64":"aGk="}`, `"hi"`},
		{head + `"datacontenttype":"image/png","data_base64":"//4="}`, `"//4="`},
		{head + `"subject":null}`, `null`},
	} {
		h := newHook(t, `/in`)
		if a := h.post(c.body, "Content-Type: application/cloudevents+json"); a.Status != 200 {
			t.Errorf("%s: %d %s", c.body, a.Status, a.Body)
			continue
		}
		if got := jsonOf(t, h.one(t).Data); got != c.want {
			t.Errorf("%s: %s, want %s", c.body, got, c.want)
		}
	}
}

func TestABrokenCloudEventIsRefusedWithTheReason(t *testing.T) {
	const good = `{"specversion":"1.0","id":"1","source":"s","type":"t"}`
	for _, c := range []struct{ contentType, body, want string }{
		{structuredType, `[]`, "want a JSON object"},
		{structuredType, `null`, "want a JSON object"},
		{structuredType, `{`, "the body is not JSON"},
		{structuredType, `{"specversion":"0.3"}`, `version "0.3" is not understood`},
		{structuredType, `{"specversion":"1.0","source":"s","type":"t"}`, "has no id"},
		{structuredType, `{"specversion":"1.0","id":7,"source":"s","type":"t"}`, "has no id"},
		{structuredType, `{"specversion":"1.0","id":"1","source":"s","type":"t","time":"now"}`, "the time of the CloudEvent: want"},
		{structuredType, `{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"%"}`, "not base64"},
		{batchType, good, "want a JSON list"},
		{batchType, `null`, "want a JSON list"},
		{batchType, `[` + good + `,{}]`, "item 2 of the batch"},
		{"application/cloudevents+avro", ``, "send application/cloudevents+json"},
	} {
		h := newHook(t, `/in`)
		a := h.post(c.body, "Content-Type: "+c.contentType)
		if a.Status != 400 || !strings.Contains(string(a.Body), c.want) || len(h.in.Events()) != 0 {
			t.Errorf("%s: %d %s, want %s", c.body, a.Status, a.Body, c.want)
		}
	}
}

func TestAnEmptyBatchIsAccepted(t *testing.T) {
	h := newHook(t, `/in`)
	if a := h.post(`[]`, "Content-Type: "+batchType); a.Status != 200 || len(h.in.Events()) != 0 {
		t.Errorf("%d, %d events", a.Status, len(h.in.Events()))
	}
}

func TestTheSourceOfACloudEventIsAReference(t *testing.T) {
	for source, want := range map[string]string{
		"livekit": "livekit", "/a/b": "/a/b", "https://example.com/x?y#z": "https://example.com/x?y#z",
		"": "flowd", "my shop": "my%20shop", "日": "%E6%97%A5", "a%zz": "a%25zz",
	} {
		if got := sourceReference(source); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

func FuzzAHeaderOfACloudEventComesBack(f *testing.F) {
	for _, seed := range []string{"a", "応答 完了 100%", `"q"`, "\r\n", "a%20b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := encodeHeader(s)
		if !isASCII(encoded) {
			t.Fatalf("%q is written %q", s, encoded)
		}
		if got := headerValue(encoded); got != clean(s) {
			t.Errorf("%q comes back as %q", s, got)
		}
	})
}
