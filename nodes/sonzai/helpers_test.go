package sonzai

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_ZXhhbXBsZS1rZXktMDAwMQ=="

// decode reads a configuration as a document gives it.
func decode(t *testing.T, text string) (Config, flows.Diagnostics) {
	t.Helper()
	v, diags := flows.ParseValue(text)
	if diags.Failed() {
		t.Fatal(diags)
	}
	c := Source.Default
	diags = flows.Decode(v, &c)
	return c, diags
}

// newTest returns an opened source of a configuration that has no mistakes.
func newTest(t *testing.T, text string, env *engine.Env) *source {
	t.Helper()
	c, diags := decode(t, text)
	if diags.Failed() {
		t.Fatal(diags)
	}
	made, err := Source.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := made.(*source)
	if err := s.Open(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newEnv is an environment whose log can be read.
func newEnv() (*engine.Env, *logText) {
	log := &logText{}
	return &engine.Env{
		Flow: "f", Node: "sonzai", Log: slog.New(slog.NewTextHandler(log, nil)),
		Checkpoints: &checkpoints{}, Share: &engine.Share{},
	}, log
}

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// checkpoints are kept in memory, and fail where they are told to.
type checkpoints struct {
	mu     sync.Mutex
	values map[string][]byte
	fail   error
}

func (c *checkpoints) Load(_ context.Context, key string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[key], nil
}

func (c *checkpoints) Save(_ context.Context, key string, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	if c.values == nil {
		c.values = map[string][]byte{}
	}
	c.values[key] = value
	return nil
}

func (c *checkpoints) Range(_ context.Context, yield func(string, []byte) bool) error {
	c.mu.Lock()
	values := maps.Clone(c.values)
	c.mu.Unlock()
	for key, value := range values {
		if !yield(key, value) {
			break
		}
	}
	return nil
}

// post gives a request to the route that the engine would choose.
func post(t *testing.T, s *source, in engine.Inlet, target string, header http.Header, body []byte) engine.Answer {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	maps.Copy(r.Header, header)
	for _, route := range s.Routes(in) {
		if route.Path == r.URL.Path || strings.HasSuffix(route.Path, "/") && strings.HasPrefix(r.URL.Path, route.Path) {
			return route.Serve(r, body)
		}
	}
	t.Fatalf("no route takes %s", target)
	return engine.Answer{}
}

func status(a engine.Answer) int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

func readFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// value is a payload as JSON decodes it.
func value(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func ids(events []*engine.Event) []string {
	list := []string{}
	for _, e := range events {
		list = append(list, e.ID)
	}
	return list
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
