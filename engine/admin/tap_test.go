package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
)

// serve serves the world on a port of its own until the test ends.
func (w *world) serve() *admin.Server {
	w.t.Helper()
	s, err := w.admin.Serve(admin.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Shutdown(ctx)
	})
	return s
}

// open opens a tap.
func (w *world) open(s *admin.Server, path string) *http.Response {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + s.Address + path)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// next reads the next event of a tap.
func next(t *testing.T, from *bufio.Reader) admin.Tapped {
	t.Helper()
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var e admin.Tapped
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			return e
		}
	}
}

const one = "flows: {calls: {nodes: [feed, {collect: , id: slack}]}}"

func TestATapShowsTheEventsThatANodePassesOn(t *testing.T) {
	w := start(t, one)
	resp := w.open(w.serve(), "/api/v1/flows/calls/nodes/slack/events")
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got %s", got)
	}
	body := bufio.NewReader(resp.Body)
	// What is written over several lines is one message.
	w.put(&engine.Event{ID: "1", Type: "joined", Data: engine.JSON([]byte("{\n\"a\": \"<b>\"\n}"))})
	e := next(t, body)
	if e.Flow != "calls" || e.Node != "slack" || e.Event.ID != "1" || e.Type != "joined" || string(e.Data) != `{"a":"<b>"}` {
		t.Errorf("got %+v", e)
	}
	w.put(&engine.Event{ID: "2", Data: engine.JSON([]byte("not\njson"))})
	if e := next(t, body); e.Event.ID != "2" || string(e.Data) != `"not\njson"` {
		t.Errorf("got %+v", e)
	}
}

func TestATapOfAFlowShowsTheEventsOfAllItsNodes(t *testing.T) {
	w := start(t, one)
	body := bufio.NewReader(w.open(w.serve(), "/api/v1/flows/calls/events").Body)
	w.put(&engine.Event{ID: "1"})
	seen := map[string]bool{next(t, body).Node: true, next(t, body).Node: true}
	if !seen["feed"] || !seen["slack"] {
		t.Errorf("got events of %v", seen)
	}
}

func TestATapTellsHowManyEventsASlowClientHasMissed(t *testing.T) {
	const sent = 2000
	w := start(t, one)
	body := bufio.NewReader(w.open(w.serve(), "/api/v1/flows/calls/nodes/slack/events").Body)
	data := engine.JSON([]byte(`"` + strings.Repeat("x", 64<<10) + `"`)) // more than sockets hold
	for range sent {
		w.put(&engine.Event{ID: "many", Data: data})
	}
	w.until("all are delivered", func() bool { return len(w.delivered()) == sent })
	go func() { // what comes to a node that drops no more tells of what was dropped
		for t.Context().Err() == nil {
			select {
			case w.feed <- &engine.Event{ID: "more"}:
				time.Sleep(time.Millisecond)
			case <-t.Context().Done():
			}
		}
	}()
	shown, dropped := 0, 0
	for e := next(t, body); e.Event.ID == "many" || dropped == 0; e = next(t, body) {
		if e.Event.ID == "many" {
			shown++
		}
		dropped += int(e.Dropped)
	}
	if dropped == 0 || shown+dropped < sent {
		t.Errorf("%d were shown and %d dropped of %d", shown, dropped, sent)
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Host = "127.0.0.1:8081"
	w.handler().ServeHTTP(rec, r)
	if text := rec.Body.String(); !strings.Contains(text, "flowd_tap_dropped_total ") || strings.Contains(text, "flowd_tap_dropped_total 0\n") {
		t.Error("the metrics do not tell of them")
	}
}

func TestThereIsNoTapOfWhatDoesNotRun(t *testing.T) {
	w := start(t, document)
	for _, path := range []string{"/flows/nobody/events", "/flows/nobody/nodes/slack/events", "/flows/other/nodes/slack/events"} {
		w.ask("GET", "/api/v1"+path, "", 404, &admin.Refusal{})
	}
}

func TestTapsEndWithTheServerAndWithTheirClient(t *testing.T) {
	w := start(t, one)
	s := w.serve()
	resp := w.open(s, "/api/v1/flows/calls/events")
	other := w.open(s, "/api/v1/flows/calls/events")
	w.until("two taps", func() bool { return w.metric("flowd_taps") == "2" })
	other.Body.Close()
	w.until("the client is gone", func() bool { return w.metric("flowd_taps") == "1" })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.Shutdown(ctx)
	if ctx.Err() != nil {
		t.Error("the tap held up the end")
	}
	if _, err := bufio.NewReader(resp.Body).ReadString('}'); err == nil {
		t.Error("the tap goes on")
	}
}

func TestTooManyTapsAreRefused(t *testing.T) {
	w := start(t, one)
	s := w.serve()
	for range 64 {
		w.open(s, "/api/v1/flows/calls/nodes/slack/events")
	}
	w.ask("GET", "/api/v1/flows/calls/nodes/slack/events", "", 503, &admin.Refusal{})
}

func TestAServerTakesAnotherTokenWhileItServes(t *testing.T) {
	w := start(t, one)
	s := w.serve()
	get := func(given string) int {
		r, _ := http.NewRequest("GET", "http://"+s.Address+"/api/v1/flows", nil)
		r.Header.Set("Authorization", "Bearer "+given)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get("any"); got != 200 {
		t.Errorf("without a token: got %d", got)
	}
	s.Configure(admin.Config{Listen: "127.0.0.1:0", Token: token})
	if bad, good := get("any"), get(token); bad != 401 || good != 200 {
		t.Errorf("with a token: got %d for another, %d for it", bad, good)
	}
}
