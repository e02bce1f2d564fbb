package admin_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
)

// Log keeps what the flow named kept delivers.
func (s *store) Log(ctx context.Context, flow string) (engine.Log, error) {
	l, err := s.Store.Log(ctx, flow)
	if flow == "kept" && err == nil {
		l = &keptLog{Log: l, store: s}
	}
	return l, err
}

// A keptLog reads what it keeps slowly.
type keptLog struct {
	engine.Log
	store *store
	mu    sync.Mutex
	all   []*engine.Event
}

func (l *keptLog) Append(ctx context.Context, batch []*engine.Event) error {
	l.mu.Lock()
	l.all = append(l.all, batch...)
	l.mu.Unlock()
	return l.Log.Append(ctx, batch)
}

func (l *keptLog) Kept(ctx context.Context, after engine.Offset, batch []*engine.Event) (int, error) {
	if l.store.reads != nil {
		l.store.reads(after)
	}
	select {
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return copy(batch[:1], l.all[after:]), nil
}

func TestAReplayIsCountedAndRefused(t *testing.T) {
	w := start(t, document)
	const path = "/api/v1/flows/calls/replay"
	for body, status := range map[string]int{
		`{"since":"1h"}`:              501, // the store is in memory
		`{"since":"soon"}`:            400,
		`{}`:                          400,
		`{"since":"1h","what":"all"}`: 400,
	} {
		w.ask("POST", path, body, status, &admin.Refusal{})
	}
	w.ask("POST", "/api/v1/flows/nothing/replay", `{"since":"1h"}`, 404, &admin.Refusal{})
	w.ask("POST", path, `{"since":"1h","to":"feed"}`, 404, &admin.Refusal{})
}

func TestALongReplayTellsHowFarItHasComeAndEndsWithItsClient(t *testing.T) {
	w := start(t, "flows: {kept: {nodes: [feed, collect]}}")
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		w.put(&engine.Event{ID: id})
		w.until(id+" is delivered", func() bool { return len(w.delivered()) == int(id[0]-'0') })
	}
	var answer string
	w.ask("POST", "/api/v1/flows/kept/replay", `{"since":"1h","dry_run":true}`, 200, &answer)
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	var last admin.Replayed
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if len(lines) < 2 || last != (admin.Replayed{Events: 5, Done: true}) {
		t.Errorf("got %s", answer)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.store.reads = func(after engine.Offset) {
		if after == 1 {
			cancel()
		}
	}
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/flows/kept/replay", strings.NewReader(`{"since":"1h","dry_run":true}`))
	r.Host = "localhost"
	rec := httptest.NewRecorder()
	w.handler().ServeHTTP(rec, r)
	if body := rec.Body.String(); !strings.Contains(body, `{"events":1,"done":true,"error":`) {
		t.Errorf("got %s", body)
	}
}
