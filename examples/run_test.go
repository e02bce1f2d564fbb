package examples

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

var (
	registry = nodes.All()
	client   = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
)

// A running is an example that runs as its README says.
type running struct {
	*testing.T
	engine *engine.Engine
	doc    *flows.Document
	stdout string // the file that debug nodes print to
}

// start runs an example from the root of the repository, with the variables
// that its README exports, or others instead.
func start(t *testing.T, name string, instead map[string]string) *running {
	t.Helper()
	t.Chdir("..")
	r := &running{T: t, stdout: filepath.Join(t.TempDir(), "stdout")}
	told := read(t, name)
	env := func(name string) (string, bool) {
		if value, ok := instead[name]; ok {
			return value, true
		}
		value, ok := told.env[name]
		return value, ok
	}
	load := func() *flows.Document { return right(t, told.documents(t), env) }
	r.doc = load()

	stdout, err := os.Create(r.stdout)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = stdout
	t.Cleanup(func() {
		os.Stdout = before
		stdout.Close()
	})

	r.engine = engine.New(registry, engine.Options{
		Listen: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if _, err := r.engine.Apply(t.Context(), r.doc); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.engine.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if changes, err := r.engine.Apply(t.Context(), load()); err != nil || !changes.None() {
		t.Errorf("the same document again: %v, %v", changes, err)
	}
	return r
}

// right is a document without mistakes and without warnings.
func right(t *testing.T, paths []string, env func(string) (string, bool)) *flows.Document {
	t.Helper()
	doc, diags := flows.Load(paths, env)
	diags = append(diags, engine.Check(doc, registry)...)
	if len(diags) > 0 {
		t.Fatal(diags.Format())
	}
	return doc
}

// sample is a request as the sender of a source makes it.
func (r *running) sample(source, eventType string) *http.Request {
	r.Helper()
	req, err := engine.NewSample(r.doc, registry, source, eventType)
	if err != nil {
		r.Fatal(err)
	}
	return req
}

// send sends a request to the example and returns the answer, which must be a
// 200. The same request may be sent again.
func (r *running) send(req *http.Request) string {
	r.Helper()
	again := req.Clone(r.Context())
	again.URL.Host = r.engine.Address()
	body, err := req.GetBody()
	if err != nil {
		r.Fatal(err)
	}
	again.Body = body
	resp, err := client.Do(again)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.Fatalf("%s: %s %s %v", req.URL.Path, resp.Status, answer, err)
	}
	return string(answer)
}

// printed is the data of the events that were printed so far.
func (r *running) printed() []map[string]any {
	r.Helper()
	content, err := os.ReadFile(r.stdout)
	if err != nil {
		r.Fatal(err)
	}
	var all []map[string]any
	for line := range strings.Lines(string(content)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var event struct{ Data map[string]any }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			r.Fatalf("%v: %s", err, line)
		}
		all = append(all, event.Data)
	}
	return all
}

// within waits until something is so.
func (r *running) within(what string, is func() bool) {
	r.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("not within a minute: %s", what)
		}
	}
}

// A receiver stands in for Slack or for an API, and remembers what is posted
// to it.
type receiver struct {
	*httptest.Server
	status   atomic.Int32 // of its answers; 200 if 0
	mu       sync.Mutex
	requests []received
}

type received struct {
	header http.Header
	body   string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.requests = append(r.requests, received{req.Header, string(body)})
		r.mu.Unlock()
		if status := r.status.Load(); status != 0 {
			w.WriteHeader(int(status))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// got is what was posted so far.
func (r *receiver) got() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// field is a field of each body that was posted so far.
func (r *receiver) field(t *testing.T, name string) []string {
	t.Helper()
	var all []string
	for _, request := range r.got() {
		var body map[string]any
		if err := json.Unmarshal([]byte(request.body), &body); err != nil {
			t.Fatalf("%v: %s", err, request.body)
		}
		text, _ := body[name].(string)
		all = append(all, text)
	}
	return all
}
