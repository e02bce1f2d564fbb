package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is an engine at work, and the Admin of it.
type world struct {
	t      *testing.T
	engine *engine.Engine
	store  *store
	admin  *admin.Admin
	feed   chan *engine.Event

	mu   sync.Mutex
	fail error // of the collect nodes
	got  []string
}

// store is a store in memory with health and figures.
type store struct {
	engine.Store
	mu     sync.Mutex
	health error
	reads  func(after engine.Offset) // if not nil, told of each read of a replay
}

func (s *store) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health
}

func (s *store) fall(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.health = err
}

func (*store) Measure() engine.StoreFigures {
	return engine.StoreFigures{Size: 1000, Limit: 9000, Keys: 3, DeadLetters: 2, Written: 2000, Syncs: 4, SyncTime: time.Second}
}

type none struct{}

type feed struct{ w *world }

func (f feed) Run(ctx context.Context, in engine.Inlet) error {
	for {
		select {
		case e := <-f.w.feed:
			go in.Put(ctx, e)
		case <-ctx.Done():
			return nil
		}
	}
}

type collect struct{ w *world }

func (c collect) Write(_ context.Context, batch []*engine.Event) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.w.fail != nil {
		return engine.Permanent(c.w.fail)
	}
	for _, e := range batch {
		c.w.got = append(c.w.got, e.ID)
	}
	return nil
}

const document = "flows: {calls: {nodes: [feed, {collect: , id: slack}]}, other: {lanes: 2, nodes: [feed, collect]}}"

// start runs document. The engine is not started if that is empty.
func start(t *testing.T, document string, change ...func(*admin.Options)) *world {
	t.Helper()
	w := &world{t: t, feed: make(chan *engine.Event), store: &store{Store: engine.MemoryStore()}}
	reg := engine.NewRegistry(nil,
		engine.SourceSpec[none]{
			About: engine.About{Type: "feed"},
			New:   func(none) (engine.Source, error) { return feed{w}, nil },
		},
		engine.SinkSpec[none]{
			About: engine.About{Type: "collect"},
			New:   func(none) (engine.Sink, error) { return collect{w}, nil },
		},
	)
	metrics := admin.NewMetrics()
	log := slog.New(slog.DiscardHandler)
	w.engine = engine.New(reg, engine.Options{Store: w.store, Log: log, Hooks: metrics.Hooks(), Drain: time.Minute})
	o := admin.Options{Metrics: metrics, Log: log}
	for _, f := range change {
		f(&o)
	}
	w.admin = admin.New(w.engine, o)
	if document != "" {
		if _, err := w.engine.Apply(t.Context(), load(t, document)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func load(t *testing.T, document string) *flows.Document {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		t.Fatal(diags)
	}
	return doc
}

// put gives an event to one of the sources.
func (w *world) put(e *engine.Event) {
	w.t.Helper()
	select {
	case w.feed <- e:
	case <-time.After(time.Minute):
		w.t.Fatal("no source takes the event")
	}
}

func (w *world) failWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

// delivered lists what came to the sinks, sorted.
func (w *world) delivered() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.got))
}

// until waits until ok.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
	}
}

func (w *world) letters() []engine.DeadLetter {
	all, err := w.store.DeadLetters().List(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// handler is for those who come over loopback, without a token.
func (w *world) handler() http.Handler {
	h, err := w.admin.Handler(admin.Default)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// ask makes a request from this machine and decodes the answer into v.
func (w *world) ask(method, path, body string, wantStatus int, v any) {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8081"
	rec := httptest.NewRecorder()
	w.handler().ServeHTTP(rec, r)
	if rec.Code != wantStatus {
		w.t.Fatalf("%s %s: got %d %s, want %d", method, path, rec.Code, rec.Body, wantStatus)
	}
	if s, ok := v.(*string); ok {
		*s = rec.Body.String()
		return
	}
	if err := json.NewDecoder(rec.Body).Decode(v); err != nil && !errors.Is(err, io.EOF) {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
}
