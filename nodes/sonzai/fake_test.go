package sonzai

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// fakeAPI is a sonzai with one list of notifications and one set of webhooks.
type fakeAPI struct {
	mu      sync.Mutex
	calls   []string // METHOD path?query
	pending []json.RawMessage
	idKey   string // message_id or notification_id
	stale   bool   // its cache does not see that something was consumed
	done    []string
	answers []http.HandlerFunc // for the next calls, before all else
	refuse  string             // a part of the paths that get refusal
	refusal http.HandlerFunc
	hooks   map[string]map[string]string
	secrets int
}

const key = "sk_1"

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	if len(f.answers) > 0 {
		answer := f.answers[0]
		f.answers = f.answers[1:]
		answer(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+key {
		reply(http.StatusUnauthorized, `{"error":"invalid api key"}`)(w, r)
		return
	}
	if f.refuse != "" && strings.Contains(r.URL.Path, f.refuse) {
		f.refusal(w, r)
		return
	}
	mux := http.NewServeMux()
	for _, owner := range []string{"/api/v1/agents/{owner}", "/api/v1/projects/{owner}"} {
		mux.HandleFunc("GET "+owner+"/notifications", f.list)
	}
	mux.HandleFunc("POST /api/v1/agents/{owner}/notifications/{id}/consume", func(w http.ResponseWriter, r *http.Request) {
		f.consume(r.PathValue("id"))
		fmt.Fprint(w, `{"success":true}`)
	})
	mux.HandleFunc("POST /api/v1/projects/{owner}/notifications/acknowledge", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			IDs []string `json:"notification_ids"`
		}
		json.NewDecoder(r.Body).Decode(&body)
		for _, id := range body.IDs {
			f.consume(id)
		}
		fmt.Fprintf(w, `{"acknowledged":%d}`, len(body.IDs))
	})
	for _, owner := range []string{"/api/v1", "/api/v1/projects/{owner}"} {
		mux.HandleFunc("PUT "+owner+"/webhooks/{type}", f.register)
		mux.HandleFunc("POST "+owner+"/webhooks/{type}/rotate-secret", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"success":true,"signing_secret":%q}`, f.newSecret(r.PathValue("type")))
		})
	}
	mux.ServeHTTP(w, r)
}

func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request) {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	var page []json.RawMessage // null when it is empty, as sonzai has it
	for _, raw := range f.pending {
		if len(page) < limit && (f.stale || !slices.Contains(f.done, objectOf(raw).text(f.idKey))) {
			page = append(page, raw)
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"notifications": page, "count": len(page)})
}

func (f *fakeAPI) consume(id string) { f.done = append(f.done, id) }

func (f *fakeAPI) register(w http.ResponseWriter, r *http.Request) {
	var body map[string]string
	json.NewDecoder(r.Body).Decode(&body)
	kind := r.PathValue("type")
	known := f.hooks[kind]["secret"]
	if f.hooks == nil {
		f.hooks = map[string]map[string]string{}
	}
	f.hooks[kind] = body
	if known != "" {
		body["secret"] = known
		fmt.Fprint(w, `{"success":true}`)
		return
	}
	fmt.Fprintf(w, `{"success":true,"signing_secret":%q}`, f.newSecret(kind))
}

func (f *fakeAPI) newSecret(kind string) string {
	f.secrets++
	f.hooks[kind]["secret"] = fmt.Sprintf("whsec_%s_%d", kind, f.secrets)
	return f.hooks[kind]["secret"]
}

func (f *fakeAPI) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// registered is what was registered, by event type.
func (f *fakeAPI) registered() map[string]map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.hooks)
}

func (f *fakeAPI) consumed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.done)
}

// say makes the next calls be answered so.
func (f *fakeAPI) say(answers ...http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, answers...)
}

func (f *fakeAPI) add(raws ...json.RawMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, raws...)
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

// message is a notification of an agent.
func message(n int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"message_id":"m%04d","agent_id":"aiko","check_type":"reminder","status":"pending","created_at":"2026-04-05T09:%02d:%02dZ"}`, n, n/60%60, n%60))
}
