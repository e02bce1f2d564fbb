package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
)

// webSource takes posts at its path, and asks at path/ask, for a moment if the
// event is late.
type webSource struct {
	engine.Routed
	path string
}

func (s *webSource) Routes(in engine.Inlet) []engine.Route {
	return []engine.Route{
		{Path: s.path, Serve: func(r *http.Request, body []byte) engine.Answer {
			return engine.Accepted(in.Put(r.Context(), &engine.Event{ID: string(body), Type: "t"}))
		}},
		{Path: s.path + "/ask", Serve: func(r *http.Request, body []byte) engine.Answer {
			limit := time.Minute
			if string(body) == "late" {
				limit = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			defer cancel()
			a, err := in.Ask(ctx, &engine.Event{ID: string(body), Type: "t"})
			if err != nil {
				return engine.Text(http.StatusTeapot, err.Error())
			}
			return a
		}},
	}
}

// replier answers with the id, in upper case.
type replier struct{ collector }

func (*replier) Replies() {}

func (s *replier) Write(ctx context.Context, batch []*engine.Event) error {
	err := s.collector.Write(ctx, batch)
	for _, e := range batch {
		if err == nil {
			e.Answer(engine.Text(http.StatusOK, strings.ToUpper(e.ID)))
		}
	}
	return err
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text))
}

func wantAnswer(t *testing.T, url, body string, status int, text string) {
	t.Helper()
	if gotStatus, gotText := post(t, url, body); gotStatus != status || gotText != text {
		t.Errorf("post %q to %s: got %d %q, want %d %q", body, url, gotStatus, gotText, status, text)
	}
}

func TestARequestIsAnsweredByTheFlowThoughASinkIsDown(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r := start(t, `
server: {listen: 127.0.0.1:0}
flows:
  f:
    nodes:
      - web: /in
      - reply: answered
      - collect: one
        from: web
        when: stuck
`)
	address := r.Address()
	r.failWith(func(name string, e *engine.Event) error {
		if name == "one" {
			return engine.Unavailable(errors.New("down"), 0)
		}
		return nil
	})
	var stuck sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	stuck.Go(func() {
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+address+"/in", strings.NewReader("stuck"))
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	r.wait(t, "answered", 1)
	wantAnswer(t, "http://"+address+"/in/ask", "hello", 200, "HELLO")
	cancel()
	stuck.Wait()
}

func TestARequestThatNothingAnswersIsToldWhy(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r := start(t, `
server: {listen: 127.0.0.1:0}
flows:
  answers:
    nodes:
      - web: /a
      - tag: x
        when: 1 2 late
      - reply: answered
        when: 1 late
        retry: {attempts: 1}
  silent:
    nodes: [{web: /b}, {collect: silent}]
`)
	address := r.Address()
	told := make(chan struct{}) // that it is late
	r.failWith(func(name string, e *engine.Event) error {
		switch {
		case name == "x" && e.ID == "2":
			return errors.New("no good")
		case name == "answered" && e.ID == "late":
			<-told
		}
		return nil
	})
	wantAnswer(t, "http://"+address+"/a/ask", "1", 200, "1")
	wantAnswer(t, "http://"+address+"/a/ask", "2", http.StatusTeapot, "no good")
	wantAnswer(t, "http://"+address+"/a/ask", "late", http.StatusTeapot, context.DeadlineExceeded.Error())
	close(told)
	wantAnswer(t, "http://"+address+"/a/ask", "4", http.StatusTeapot, engine.ErrNoAnswer.Error())
	wantAnswer(t, "http://"+address+"/b/ask", "5", http.StatusTeapot, engine.ErrNoAnswer.Error())
	want(t, r.wait(t, "silent", 1), "5")
	r.wait(t, "answered", 2) // the late one went on all the same
}

func TestTheListenerAnswersWhatIsNotForASource(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r := start(t, "server: {listen: 127.0.0.1:0, max_body: 8}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}, g: {nodes: [{web: /in}, {collect: two}]}}")
	address := r.Address()
	wantAnswer(t, "http://"+address+"/in", "1", 200, "")
	want(t, r.wait(t, "one", 1), "1")
	want(t, r.wait(t, "two", 1), "1") // both flows take the path
	wantAnswer(t, "http://"+address+"/out", "1", 404, "no source takes this path")
	wantAnswer(t, "http://"+address+"/in", "123456789", 413, "the body is larger than 8")
	resp, err := http.Get("http://" + address + "/in")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

func TestTwentyReloadsUnderLoadRefuseLoseAndDoubleNothing(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	yaml := func(i int) string {
		return fmt.Sprintf(`
server: {listen: 127.0.0.1:0, max_body: %d}
flows:
  f:
    lanes: %d
    order_by: type
    nodes:
      - web: /in
        id: in-%d
      - tag: v%d
      - collect: sink
        id: sink-%d
`, 1000+i, 1+i%2, i%3, i, i%2)
	}
	r := start(t, yaml(0))
	address := r.Address()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var sent atomic.Int64
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				n := sent.Add(1)
				if status, text := post(t, "http://"+address+"/in", fmt.Sprint(n)); status != 200 {
					t.Errorf("event %d: %d %s", n, status, text)
				}
			}
		})
	}
	for i := 1; i <= 20; i++ {
		until(t, "more requests have come", func() bool { return sent.Load() >= int64(8*i) })
		if _, err := r.Apply(t.Context(), document(t, yaml(i))); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	clients.Wait()
	seen := map[string]int{}
	for _, id := range r.wait(t, "sink", int(sent.Load())) {
		seen[id]++
	}
	for n := range sent.Load() {
		if c := seen[fmt.Sprint(n+1)]; c != 1 {
			t.Errorf("event %d was delivered %d times", n+1, c)
		}
	}
}

func TestARequestThatWaitsForASinkThatIsDownWhenTheEngineEndsIsToldToComeAgain(t *testing.T) {
	r := startDraining(t, 10*time.Millisecond, "server: {listen: 127.0.0.1:0}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}")
	address := r.Address()
	r.failWith(down("one"))
	answers := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+address+"/in", "", strings.NewReader("1"))
		if err != nil {
			t.Error(err)
			answers <- 0
			return
		}
		defer resp.Body.Close()
		answers <- resp.StatusCode
	}()
	r.waitFailed(t, "one")
	r.stop()
	if status := <-answers; status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", status)
	}
}

// askAt asks, and returns when a sink that is down has the event, with a function
// that waits for the answer.
func (r *running) askAt(t *testing.T, sink, id string) (answered func()) {
	t.Helper()
	r.failWith(down(sink))
	var asked sync.WaitGroup
	asked.Go(func() { post(t, "http://"+r.Address()+"/in/ask", id) })
	r.waitFailed(t, sink)
	return asked.Wait
}

func TestARequestThatAReloadFindsOnItsWayGoesOnWhereItStands(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	yaml := func(at string) string {
		return fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
flows: {f: {nodes: [{web: /in}, {collect: before}, {collect: %s, id: at}, reply: answered]}}
`, at)
	}
	r := start(t, yaml("old"))
	answered := r.askAt(t, "old", "1")
	r.apply(t, yaml("new"))
	want(t, r.wait(t, "answered", 1), "1")
	answered()
	want(t, r.ids("new"), "1")
	want(t, r.ids("before"), "1") // which has had it
}

func TestARequestThatAReloadFindsAtANodeThatIsGoneGoesTheWholeWay(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	yaml := func(more string) string {
		return fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
flows: {f: {nodes: [{web: /in}, {collect: before}, %s reply: answered]}}
`, more)
	}
	r := start(t, yaml("{collect: at, id: at},"))
	answered := r.askAt(t, "at", "1")
	r.apply(t, yaml(""))
	want(t, r.wait(t, "answered", 1), "1")
	answered()
}

func TestARequestThatIsOnItsWayWhenTheEngineEndsGoesOnWhereItStoodWithTheNext(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	dir := t.TempDir()
	const yaml = `
server: {listen: 127.0.0.1:0}
flows: {f: {nodes: [{web: /in}, {collect: before}, {collect: at, id: at}, {reply: answered}, collect: behind]}}
`
	r := startOn(t, dir, yaml, io.Discard)
	answered := r.askAt(t, "at", "late")
	r.stop()
	answered()
	r = startOn(t, dir, yaml, io.Discard)
	want(t, r.wait(t, "behind", 1), "late")
	want(t, r.ids("at"), "late")
	want(t, r.ids("before")) // it was there with the engine before
}
