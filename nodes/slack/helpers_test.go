package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hook = "https://hooks.slack.test/services/T0/B0/secret-part"

// decode reads a configuration as a document gives it.
func decode(t *testing.T, text string) (Config, flows.Diagnostics) {
	t.Helper()
	v, diags := flows.ParseValue(text)
	if diags.Failed() {
		t.Fatal(diags)
	}
	c := Sink.Default
	diags = flows.Decode(v, &c)
	return c, diags
}

// newTest returns an opened sink that posts to api.
func newTest(t *testing.T, text string, env *engine.Env, api http.Handler) *sink {
	t.Helper()
	c, diags := decode(t, text)
	if diags.Failed() {
		t.Fatal(diags)
	}
	made, err := Sink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := made.(*sink)
	s.http.Transport = handlerTransport{api}
	if err := s.Open(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// handlerTransport calls a handler without a network, so that time in a
// synctest bubble can go on.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// fakeSlack keeps what was posted.
type fakeSlack struct {
	mu      sync.Mutex
	posts   []posted
	answers []http.HandlerFunc // for the next posts
}

type posted struct {
	at     time.Time
	header http.Header
	body   map[string]any
	ok     bool
}

func (f *fakeSlack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	p := posted{at: time.Now(), header: r.Header}
	json.Unmarshal(raw, &p.body)
	defer func() { f.posts = append(f.posts, p) }()
	if len(f.answers) > 0 {
		answer := f.answers[0]
		f.answers = f.answers[1:]
		answer(w, r)
		return
	}
	p.ok = true
	if r.Header.Get("Authorization") == "" {
		fmt.Fprint(w, "ok")
		return
	}
	fmt.Fprintf(w, `{"ok":true,"ts":"ts-%d"}`, len(f.posts)+1)
}

func (f *fakeSlack) say(answers ...http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, answers...)
}

func (f *fakeSlack) all() []posted {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.posts)
}

// texts are the texts that were taken.
func (f *fakeSlack) texts() []string {
	list := []string{}
	for _, p := range f.all() {
		if p.ok {
			list = append(list, fmt.Sprint(p.body["text"]))
		}
	}
	return list
}

func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// newEnv is an environment whose log can be read.
func newEnv() (*engine.Env, *enginetest.Log) { return enginetest.NewEnv("f", "slack") }

// events are events with the given payloads.
func events(payloads ...any) []*engine.Event {
	list := make([]*engine.Event, len(payloads))
	for i, p := range payloads {
		list[i] = &engine.Event{ID: fmt.Sprint(i), Type: "t", Data: engine.Value(p)}
	}
	return list
}

// say is the payload of a message to a channel, in a thread.
func say(channel, text string, thread any) map[string]any {
	return map[string]any{"channel": channel, "text": text, "thread": thread}
}
