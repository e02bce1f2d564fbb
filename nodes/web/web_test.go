package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// must reads a configuration as a document gives it.
func must[C any](t testing.TB, defaults C, yaml string) C {
	t.Helper()
	v, diags := flows.ParseValue(yaml)
	if !diags.Failed() {
		diags = flows.Decode(v, &defaults)
	}
	if diags.Failed() {
		t.Fatalf("%s: %v", yaml, diags)
	}
	return defaults
}

// refusal is the first message about a configuration, or "".
func refusal[C any](t testing.TB, defaults C, yaml string) string {
	t.Helper()
	v, diags := flows.ParseValue(yaml)
	diags = append(diags, flows.Decode(v, &defaults)...)
	if len(diags) == 0 {
		return ""
	}
	return diags[0].Message
}

// A hook is a webhook with an inlet that records.
type hook struct {
	*webhook
	in enginetest.Inlet
}

func newHook(t testing.TB, yaml string) *hook {
	t.Helper()
	source, err := Webhook.New(must(t, Webhook.Default, yaml))
	if err != nil {
		t.Fatal(err)
	}
	return &hook{webhook: source.(*webhook)}
}

// post sends a request with headers given as "Name: value".
func (h *hook) post(body string, headers ...string) engine.Answer {
	return h.send(h.Method, h.Path, body, headers...)
}

func (h *hook) send(method, target, body string, headers ...string) engine.Answer {
	r := httptest.NewRequest(method, target, nil)
	for _, line := range headers {
		name, v, _ := strings.Cut(line, ": ")
		r.Header.Add(name, v)
	}
	return h.request(r, body)
}

func (h *hook) request(r *http.Request, body string) engine.Answer {
	a := h.Routes(&h.in)[0].Serve(r, []byte(body))
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	return a
}

// one is the one event that came of a request.
func (h *hook) one(t testing.TB) *engine.Event {
	t.Helper()
	events := h.in.Events()
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	return events[0]
}

func jsonOf(t testing.TB, d engine.Data) string {
	t.Helper()
	raw, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
