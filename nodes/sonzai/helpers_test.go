package sonzai

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
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
func newEnv() (*engine.Env, *enginetest.Log) { return enginetest.NewEnv("f", "sonzai") }

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
