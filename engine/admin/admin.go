package admin

import (
	"context"
	_ "embed"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/flowd/flowd/engine"
)

// Options are what an Admin may be given. The zero Options are fine.
type Options struct {
	// Metrics are those whose hooks the engine was given; without them batches
	// and reloads are not measured.
	Metrics *Metrics
	// Reload reads the documents again and applies them. Its error may be a
	// [flows.Diagnostics]. Without it the API has no reload.
	Reload func(ctx context.Context) (engine.Changes, error)
	Log    *slog.Logger // [slog.Default] if nil
}

// An Admin answers requests about an engine. It is safe for concurrent use.
type Admin struct {
	engine  *engine.Engine
	letters Letters
	metrics *Metrics
	reload  func(ctx context.Context) (engine.Changes, error)
	log     *slog.Logger
	mux     *http.ServeMux
	taps    atomic.Int64
}

// New returns the Admin of an engine.
func New(e *engine.Engine, o Options) *Admin {
	a := &Admin{
		engine: e, metrics: o.Metrics, reload: o.Reload, log: o.Log, mux: http.NewServeMux(),
		letters: Letters{e.Store().DeadLetters(), e.Retry},
	}
	if a.metrics == nil {
		a.metrics = NewMetrics()
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	a.metrics.watch(a)
	for _, route := range a.routes() {
		a.mux.HandleFunc(route.method+" "+route.path, route.serve)
	}
	return a
}

// Handler answers those whom c lets in, for a program with a server of its own.
// c.Listen is the address of that server, as far as its names go.
func (a *Admin) Handler(c Config) (http.Handler, error) {
	if err := c.guarded(); err != nil {
		return nil, err
	}
	return newGuard(c, a), nil
}

type route struct {
	method, path string
	serve        http.HandlerFunc
}

func (a *Admin) routes() []route {
	const api = "/api/v1"
	return []route{
		{"GET", "/healthz", a.healthz},
		{"GET", "/readyz", a.readyz},
		{"GET", "/metrics", a.metrics.serve},
		{"GET", api + "/openapi.json", a.openAPI},
		{"GET", api + "/flows", a.listFlows},
		{"GET", api + "/flows/{flow}", a.showFlow},
		{"POST", api + "/flows/{flow}/pause", a.turn(a.engine.Pause)},
		{"POST", api + "/flows/{flow}/resume", a.turn(a.engine.Resume)},
		{"POST", api + "/flows/{flow}/replay", a.replay},
		{"POST", api + "/flows/{flow}/forget", a.forget},
		{"GET", api + "/flows/{flow}/events", a.tap},
		{"GET", api + "/flows/{flow}/nodes/{node}/events", a.tap},
		{"GET", api + "/dead-letters", a.listLetters},
		{"GET", api + "/dead-letters/{id}", a.showLetter},
		{"POST", api + "/dead-letters/retry", a.settleLetters(a.letters.Retry)},
		{"POST", api + "/dead-letters/drop", a.settleLetters(a.letters.Drop)},
		{"POST", api + "/reload", a.reloadNow},
		{"GET", profiles + "{name}", a.profile},
	}
}

//go:embed openapi.json
var openAPI []byte

func (a *Admin) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // the client may be gone: nothing to be done
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone: nothing to be done
}

// A Refusal is the body of every answer that is no success.
type Refusal struct {
	Error       string       `json:"error"`
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
}

// A Diagnostic is a mistake in the documents.
type Diagnostic struct {
	Severity string `json:"severity"`
	Place    string `json:"place,omitempty"` // file:line:column
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	Text     string `json:"text"` // as the terminal shows it
}

func refuse(w http.ResponseWriter, status int, message string) {
	reply(w, status, Refusal{Error: message})
}
