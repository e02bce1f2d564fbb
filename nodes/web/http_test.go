package web

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A server records what it gets and answers by a function.
type server struct {
	*httptest.Server
	answer      func(w http.ResponseWriter, r *http.Request, body string)
	connections atomic.Int64

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func newServer(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, body string)) *server {
	s := &server{answer: answer}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.bodies = append(s.bodies, string(body))
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, r, string(body))
	}
}

func status(code int) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(code) }
}

// newSink opens a sink from YAML in which URL stands for the server's address.
func newSink(t testing.TB, url, yaml string) engine.Sink {
	t.Helper()
	sink, err := HTTP.New(must(t, HTTP.Default, strings.ReplaceAll(yaml, "URL", url)))
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.(engine.Opener).Open(t.Context(), &engine.Env{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sink.(io.Closer).Close(); err != nil {
			t.Error(err)
		}
	})
	return sink
}

func numbered(n int) []*engine.Event {
	events := make([]*engine.Event, n)
	for i := range events {
		events[i] = &engine.Event{ID: fmt.Sprint("e", i), Type: "t", Data: engine.JSON(fmt.Appendf(nil, `{"n":%d}`, i))}
	}
	return events
}

// failure is the error of the only event, which must be the only failure.
func failure(t testing.TB, err error) error {
	t.Helper()
	failures, ok := err.(engine.Failures)
	if !ok || len(failures) != 1 {
		t.Fatalf("got %v, want one failure", err)
	}
	return failures[0].Err
}

func TestEachFormatWritesItsBody(t *testing.T) {
	vectors := readCloudEvents(t)
	data := engine.JSON([]byte(`{"a":[1,"x y"], "b":{"c":null}}`))
	for _, c := range []struct {
		name, yaml, contentType, body string
		data                          engine.Data
	}{
		{"the data as it came", `URL/in`, "application/json", `{"a":[1,"x y"], "b":{"c":null}}`, data},
		{"a body of ones own", `{url: URL/in, body: {id: id, n: "{{ data.a }}"}}`, "application/json", `{"id":"6146940c-1","n":"[1,\"x y\"]"}`, data},
		{"a form", `{url: URL/in, format: form}`, "application/x-www-form-urlencoded", `a=1&a=x+y&b=%7B%22c%22%3Anull%7D`, data},
		{"text", `{url: URL/in, format: text, body: "{{ type }} <{{ data.a }}>"}`, "text/plain; charset=utf-8", `claude.assistant-response-completed <[1,"x y"]>`, data},
		{"text of a map", `{url: URL/in, format: text}`, "text/plain; charset=utf-8", `{"a":[1,"x y"], "b":{"c":null}}`, data},
		{"a content type of ones own", `{url: URL/in, headers: {content-type: application/x-mine}}`, "application/x-mine", `{"a":[1,"x y"], "b":{"c":null}}`, data},
		{"a form with times and nothing", `{url: URL/in, format: form, body: {at: time, no: data.none, yes: true}}`, "application/x-www-form-urlencoded", `at=2026-09-01T07%3A30%3A05.234Z&no=&yes=true`, data},
		{"text of a number", `{url: URL/in, format: text, body: 1.5}`, "text/plain; charset=utf-8", `1.5`, data},
		{"no data", `URL/in`, "application/json", `null`, engine.Data{}},
		{"CloudEvents, binary", `{url: URL/in, format: cloudevents-binary}`, "application/json", vectors["binary"].Body, theEvent().Data},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t, nil)
			e := theEvent()
			e.Data = c.data
			if err := newSink(t, srv.URL, c.yaml).Write(t.Context(), []*engine.Event{e}); err != nil {
				t.Fatal(err)
			}
			r := srv.requests[0]
			if got := r.Header.Get("Content-Type"); got != c.contentType || srv.bodies[0] != c.body {
				t.Errorf("got  %s %s\nwant %s %s", got, srv.bodies[0], c.contentType, c.body)
			}
			if r.Method != "POST" || r.Header.Get("User-Agent") != "flowd" {
				t.Errorf("%s by %q", r.Method, r.Header.Get("User-Agent"))
			}
		})
	}
}

func TestCloudEventsAreWrittenAsTheVectorsSay(t *testing.T) {
	vectors := readCloudEvents(t)
	for _, format := range []string{"cloudevents", "cloudevents-binary"} {
		srv := newServer(t, nil)
		sink := newSink(t, srv.URL, `{url: URL, format: `+format+`}`)
		if err := sink.Write(t.Context(), []*engine.Event{theEvent()}); err != nil {
			t.Fatal(err)
		}
		want := vectors["structured"]
		if format == "cloudevents-binary" {
			want = vectors["binary"]
		}
		for name, v := range want.Headers {
			if got := srv.requests[0].Header.Get(name); got != v {
				t.Errorf("%s: %s is %q, want %q", format, name, got, v)
			}
		}
		var got, wantBody any
		if err := json.Unmarshal([]byte(srv.bodies[0]), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want.Body), &wantBody); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantBody, got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

func TestARequestCarriesHeadersAndCredentials(t *testing.T) {
	srv := newServer(t, nil)
	for _, c := range []struct{ yaml, name, want string }{
		{`{url: URL, headers: {x-room: "{{ subject }}"}}`, "X-Room", "応答 完了 100%"},
		{`{url: URL, headers: {user-agent: mine}}`, "User-Agent", "mine"},
		{`{url: URL, auth: {bearer: tok}}`, "Authorization", "Bearer tok"},
		{`{url: URL, auth: {basic: {user: u, password: "p:q"}}}`, "Authorization", "Basic dTpwOnE="},
		{`{url: URL, auth: {bearer: tok}, headers: {Authorization: verbatim}}`, "Authorization", "verbatim"},
	} {
		if err := newSink(t, srv.URL, c.yaml).Write(t.Context(), []*engine.Event{theEvent()}); err != nil {
			t.Fatalf("%s: %v", c.yaml, err)
		}
		if got := srv.requests[len(srv.requests)-1].Header.Get(c.name); got != c.want {
			t.Errorf("%s: %s is %q", c.yaml, c.name, got)
		}
	}
}

func TestAGetHasABodyOnlyIfItIsAskedFor(t *testing.T) {
	srv := newServer(t, nil)
	for _, yaml := range []string{`{url: URL, method: GET}`, `{url: URL, method: GET, body: {a: 1}}`} {
		if err := newSink(t, srv.URL, yaml).Write(t.Context(), numbered(1)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"", `{"a":1}`}, srv.bodies); diff != "" {
		t.Error(diff)
	}
}

func TestAnEventCanNotLeaveItsPlaceInTheURL(t *testing.T) {
	srv := newServer(t, nil)
	sink := newSink(t, srv.URL, `{url: "URL/users/{{ data.id }}/x?q={{ data.id }}&fix=1#f"}`)
	for id, want := range map[string]string{
		"7":             "/users/7/x?q=7&fix=1",
		"a/b?c#d&e=f%":  "/users/a%2Fb%3Fc%23d%26e%3Df%25/x?q=a%2Fb%3Fc%23d%26e%3Df%25&fix=1",
		"@evil.example": "/users/%40evil.example/x?q=%40evil.example&fix=1",
		"a b+c":         "/users/a%20b%2Bc/x?q=a%20b%2Bc&fix=1",
		"日\r\nX: y":     "/users/%E6%97%A5%0D%0AX%3A%20y/x?q=%E6%97%A5%0D%0AX%3A%20y&fix=1",
		"...":           "/users/.../x?q=...&fix=1",
		"":              "/users//x?q=&fix=1",
	} {
		e := &engine.Event{ID: "1", Data: engine.Value(map[string]any{"id": id})}
		if err := sink.Write(t.Context(), []*engine.Event{e}); err != nil {
			t.Errorf("%q: %v", id, err)
		} else if got := srv.requests[len(srv.requests)-1].RequestURI; got != want {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
	n := len(srv.requests)
	for _, id := range []string{"..", ".", "../admin", `..\admin`, "a/../b"} {
		e := &engine.Event{ID: "1", Data: engine.Value(map[string]any{"id": id})}
		if err := failure(t, sink.Write(t.Context(), []*engine.Event{e})); !engine.IsPermanent(err) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if len(srv.requests) != n {
		t.Error("a path that climbs was requested")
	}
}

func TestAnEventCanNotAddAHeader(t *testing.T) {
	srv := newServer(t, nil)
	sink := newSink(t, srv.URL, `{url: URL, headers: {X-Name: "{{ data.name }}"}}`)
	for _, name := range []string{"a\r\nX-Admin: 1", "a\nb", "a\x00"} {
		e := &engine.Event{ID: "1", Data: engine.Value(map[string]any{"name": name})}
		if err := failure(t, sink.Write(t.Context(), []*engine.Event{e})); !engine.IsPermanent(err) || strings.Contains(err.Error(), "Admin") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if len(srv.requests) != 0 {
		t.Error("it was sent")
	}
}

func TestWhatCanNotBeMadeARequestFailsForGood(t *testing.T) {
	srv := newServer(t, nil)
	for _, yaml := range []string{
		`{url: URL, format: form, body: id}`,
		`{url: URL, result: reply, body: 1}`,
		`{url: URL, result: n.reply}`,
		`{url: URL, body: int(type)}`,
	} {
		e := numbered(1)[0]
		if strings.Contains(yaml, "body: 1") {
			e.Data = engine.Value("text")
		}
		err := newSink(t, srv.URL, yaml).Write(t.Context(), []*engine.Event{e})
		if strings.Contains(yaml, "result") {
			out := &engine.Outlet{}
			err = newSink(t, srv.URL, yaml).(engine.Relay).WriteOut(t.Context(), []*engine.Event{e}, out)
		}
		if err := failure(t, err); !engine.IsPermanent(err) {
			t.Errorf("%s: %v", yaml, err)
		}
	}
	if len(srv.requests) != 0 {
		t.Error("it was sent")
	}
}

func TestAnswersAreClassed(t *testing.T) {
	type class struct {
		permanent, unavailable bool
		after                  time.Duration
	}
	permanent, counted, down := class{permanent: true}, class{}, class{unavailable: true}
	for code, want := range map[int]class{
		300: permanent, 301: permanent, 302: permanent, 303: permanent, 304: permanent, 307: permanent, 308: permanent,
		400: permanent, 401: permanent, 403: permanent, 404: permanent, 409: permanent, 410: permanent, 413: permanent, 422: permanent,
		408: counted, 425: counted, 500: counted, 501: counted, 507: counted, 599: counted,
		429: down, 502: down, 503: down, 504: down,
	} {
		srv := newServer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		})
		err := failure(t, newSink(t, srv.URL, `URL/secret?token=secret`).Write(t.Context(), numbered(1)))
		after, unavailable := engine.IsUnavailable(err)
		if got := (class{engine.IsPermanent(err), unavailable, after}); got != want {
			t.Errorf("%d: %+v, want %+v", code, got, want)
		}
		if len(srv.requests) != 1 {
			t.Errorf("%d: %d requests", code, len(srv.requests))
		}
		if !strings.Contains(err.Error(), fmt.Sprint(code)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestSuccessMayBeOtherStatuses(t *testing.T) {
	for _, c := range []struct {
		success string
		code    int
		ok      bool
	}{
		{`2xx`, 204, true}, {`[200, 404]`, 404, true}, {`200`, 204, false}, {`200-202`, 202, true},
		{`200-202`, 203, false}, {`[2xx, 3XX]`, 302, true}, {`[2xx, 5xx]`, 503, true},
	} {
		srv := newServer(t, status(c.code))
		err := newSink(t, srv.URL, `{url: URL, success: `+c.success+`}`).Write(t.Context(), numbered(1))
		if (err == nil) != c.ok {
			t.Errorf("%s: %d gives %v", c.success, c.code, err)
		}
		if !c.ok && !engine.IsPermanent(failure(t, err)) {
			t.Errorf("%s: %d is tried again", c.success, c.code)
		}
	}
}

func TestRetryAfterIsTheWaitThatIsAskedFor(t *testing.T) {
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Retry-After", "11")
		w.WriteHeader(429)
	})
	err := failure(t, newSink(t, srv.URL, `URL`).Write(t.Context(), numbered(1)))
	if after, _ := engine.IsUnavailable(err); after != 11*time.Second {
		t.Errorf("%v after %v", err, after)
	}
}

func TestARefusalSaysWhy(t *testing.T) {
	for _, c := range []struct{ contentType, body, want string }{
		{"application/problem+json", `{"title":"Out of credit","detail":"30 < 50","type":"/x"}`, ": 400 Bad Request: Out of credit: 30 < 50"},
		{"application/problem+json", `{"detail":"30 < 50"}`, ": 400 Bad Request: 30 < 50"},
		{"application/problem+json", `broken`, ": 400 Bad Request: broken"},
		{"text/plain", "no\n  such\troom\n", ": 400 Bad Request: no such room"},
		{"text/plain", "\xff\xfe", ": 400 Bad Request"},
		{"text/plain", "", ": 400 Bad Request"},
		{"text/plain", strings.Repeat("あ", 5000), ": 400 Bad Request: " + strings.Repeat("あ", 100) + "…"},
	} {
		srv := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", c.contentType)
			w.WriteHeader(400)
			_, _ = io.WriteString(w, c.body)
		})
		err := failure(t, newSink(t, srv.URL, `URL`).Write(t.Context(), numbered(1)))
		if want := "POST " + srv.URL + c.want; err.Error() != want {
			t.Errorf("got  %v\nwant %v", err, want)
		}
	}
}

func TestAnUnreachableDestinationIsWaitedForAndItsURLNotTold(t *testing.T) {
	srv := newServer(t, nil)
	url := strings.Replace(srv.URL, "http://", "http://user:secret@", 1)
	srv.Close()
	err := failure(t, newSink(t, url, `URL/secret?token=secret`).Write(t.Context(), numbered(1)))
	if _, ok := engine.IsUnavailable(err); !ok || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

func TestASlowDestinationIsGivenItsTimeEventByEvent(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var requests atomic.Int64
	srv := newServer(t, func(_ http.ResponseWriter, r *http.Request, _ string) {
		switch requests.Add(1) {
		case 2:
			<-ctx.Done()
		case 3:
			<-r.Context().Done()
		}
	})
	sink := newSink(t, srv.URL, `{url: URL, concurrency: 1}`)
	err := sink.Write(ctx, numbered(5))
	failures, _ := err.(engine.Failures)
	if len(srv.requests) != 2 || len(failures) != 3 {
		t.Fatalf("%d requests and %d failures, want 2 delivered and 3 left over", len(srv.requests), len(failures))
	}
	if !errors.Is(failures[0].Err, engine.ErrNotTried) || failures[0].Event.ID != "e2" {
		t.Errorf("%s: %v", failures[0].Event.ID, failures[0].Err)
	}

	err = failure(t, sink.Write(engine.WithTimeout(t.Context(), 20*time.Millisecond), numbered(1)))
	if _, ok := engine.IsUnavailable(err); !ok || !strings.Contains(err.Error(), "no answer within") {
		t.Error(err)
	}
}

func TestTheEndOfTheEngineCutsRequestsShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := newServer(t, func(_ http.ResponseWriter, r *http.Request, _ string) {
		cancel()
		<-r.Context().Done()
	})
	if err := newSink(t, srv.URL, `URL`).Write(ctx, numbered(3)); len(err.(engine.Failures)) != 3 {
		t.Error(err)
	}
}

func TestOneRequestAtATimeKeepsTheOrder(t *testing.T) {
	failing := true
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		switch {
		case body == `{"n":1}`:
			w.WriteHeader(400) // for good: the others go on
		case body == `{"n":3}` && failing:
			w.WriteHeader(500) // may pass: the others wait
		}
	})
	sink := newSink(t, srv.URL, `{url: URL, concurrency: 1}`)
	failures := sink.Write(t.Context(), numbered(6)).(engine.Failures)
	if got := ids(failures); got != "e1 e3 e4 e5" {
		t.Errorf("failed: %s", got)
	}
	if !engine.IsPermanent(failures[0].Err) {
		t.Error(failures[0].Err)
	}
	failing = false
	var rest []*engine.Event
	for _, f := range failures[1:] {
		rest = append(rest, f.Event)
	}
	if err := sink.Write(t.Context(), rest); err != nil {
		t.Fatal(err)
	}
	want := []string{`{"n":0}`, `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":3}`, `{"n":4}`, `{"n":5}`}
	if diff := cmp.Diff(want, srv.bodies); diff != "" {
		t.Error(diff)
	}
}

func ids(failures engine.Failures) string {
	var list []string
	for _, f := range failures {
		list = append(list, f.Event.ID)
	}
	return strings.Join(list, " ")
}

func TestADestinationThatIsDownIsNotAskedForEachEvent(t *testing.T) {
	srv := newServer(t, status(503))
	failures := newSink(t, srv.URL, `URL`).Write(t.Context(), numbered(200)).(engine.Failures)
	if len(failures) != 200 || len(srv.requests) > 16 {
		t.Errorf("%d failures after %d requests", len(failures), len(srv.requests))
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var now, most atomic.Int64
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
		if len(body)%2 == 0 {
			w.WriteHeader(400)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000)) // more than is looked at
	})
	sink := newSink(t, srv.URL, `{url: URL, concurrency: 4}`)
	var lanes sync.WaitGroup
	for range 3 {
		lanes.Go(func() {
			for range 5 {
				_ = sink.Write(t.Context(), numbered(20)) // half of them are refused
			}
		})
	}
	lanes.Wait()
	if n := srv.connections.Load(); n > 4 || len(srv.requests) != 300 || most.Load() > 4 {
		t.Errorf("%d connections, %d at a time, for %d requests", n, most.Load(), len(srv.requests))
	}
}

// A receiver may close a connection that is idle just when it is used again.
func TestAConnectionThatTheReceiverHasGivenUpIsNoFailure(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var heads sync.Map
	var receivers sync.WaitGroup
	receivers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			receivers.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for n := range 2 { // it answers the first request alone
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(r.Body)
					heads.Store(string(body), r.Header)
					if n == 0 {
						_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
					}
				}
			})
		}
	})
	sink := newSink(t, "http://"+listener.Addr().String(), `{url: URL, concurrency: 2}`)
	for range 5 {
		if err := sink.Write(t.Context(), numbered(5)); err != nil {
			t.Error(err)
		}
	}
	heads.Range(func(_, h any) bool {
		if _, sent := h.(http.Header)["X-Idempotency-Key"]; sent {
			t.Error("a header is sent that nobody asked for")
		}
		return true
	})
	sink.(io.Closer).Close()
	listener.Close()
	receivers.Wait()
}

func TestAnAnswerThatDoesNotEndIsNotWaitedFor(t *testing.T) {
	hang := make(chan struct{})
	var failing atomic.Bool
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		if failing.Load() {
			w.WriteHeader(500)
		}
		_, _ = io.WriteString(w, "busy")
		w.(http.Flusher).Flush()
		<-hang
	})
	defer close(hang)
	sink := newSink(t, srv.URL, `URL`)
	ctx := engine.WithTimeout(t.Context(), 5*time.Minute)
	if err := sink.Write(ctx, numbered(1)); err != nil {
		t.Error(err)
	}
	failing.Store(true)
	if err := failure(t, sink.Write(ctx, numbered(1))); !strings.Contains(err.Error(), "500 Internal Server Error: busy") {
		t.Error(err)
	}
}

func TestSignaturesAreThoseOfStandardWebhooks(t *testing.T) {
	v := readVectors(t)
	second := "whsec_c2Vjb25kIGtleSB3aXRoIDI0IGJ5dGVzIQ=="
	srv := newServer(t, status(500))
	sink := newSink(t, srv.URL, `{url: URL, format: text, sign: ["`+v.Secret+`", `+second+`]}`)
	e := &engine.Event{ID: "msg_1", Data: engine.Value(`日本語 & <b>`)}
	for range 2 {
		_ = sink.Write(t.Context(), []*engine.Event{e}) // refused, to be tried again
	}
	for i, r := range srv.requests {
		if r.Header.Get("webhook-id") != "msg_1" {
			t.Errorf("attempt %d has id %q", i, r.Header.Get("webhook-id"))
		}
		for _, secret := range []string{v.Secret, second} {
			wh, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.Verify([]byte(srv.bodies[i]), r.Header); err != nil {
				t.Errorf("attempt %d: %v", i, err)
			}
		}
	}
	for _, c := range v.Cases {
		stamp, _ := c.Timestamp.Int64()
		at(t, stamp, func(t *testing.T) {
			key, err := standardKey(flows.Secret(v.Secret))
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			(&httpSink{signature: signatureStandard([][]byte{key})}).sign(h, &outgoing{id: c.ID, body: []byte(c.Body)})
			want, _, _ := strings.Cut(c.Signature, " ")
			if got := h.Get("webhook-signature"); got != want || h.Get("webhook-timestamp") != c.Timestamp.String() {
				t.Errorf("%s: %s at %s, want %s", c.Name, got, h.Get("webhook-timestamp"), want)
			}
		})
	}
}

func TestAnIDThatNoHeaderCanHoldIsHashed(t *testing.T) {
	for _, id := range []string{"日本", "a b", "a\r\nb", ""} {
		got := webhookID(&engine.Event{ID: id, Data: engine.JSON([]byte(`{}`))})
		if len(got) != 32 || got != webhookID(&engine.Event{ID: id, Data: engine.JSON([]byte(`{}`))}) {
			t.Errorf("%q: %q", id, got)
		}
	}
}

func TestTheReplyGoesOnInTheData(t *testing.T) {
	for _, c := range []struct{ name, result, contentType, reply, want string }{
		{"JSON", "reply", "application/json", `{"n": 9007199254740993}`, `{"n":1,"o":{"p":2},"reply":{"n":9007199254740993}}`},
		{"inside", "o.reply", "application/json", `1`, `{"n":1,"o":{"p":2,"reply":1}}`},
		{"inside what is not there", "x.y", "application/json", `1`, `{"n":1,"o":{"p":2},"x":{"y":1}}`},
		{"text", "reply", "text/plain", `ok`, `{"n":1,"o":{"p":2},"reply":"ok"}`},
		{"nothing", "reply", "", ``, `{"n":1,"o":{"p":2},"reply":null}`},
		{"not the JSON it says it is", "reply", "application/json", `ok`, `{"n":1,"o":{"p":2},"reply":"ok"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Content-Type", c.contentType)
				_, _ = io.WriteString(w, c.reply)
			})
			sink := newSink(t, srv.URL, `{url: URL, result: `+c.result+`}`).(engine.Relay)
			const data = `{"n":1,"o":{"p":2}}`
			e := &engine.Event{ID: "1", Data: engine.JSON([]byte(data))}
			var out engine.Outlet
			if err := sink.WriteOut(t.Context(), []*engine.Event{e}, &out); err != nil {
				t.Fatal(err)
			}
			if got := jsonOf(t, out.Emitted(0)[0].Data); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := jsonOf(t, e.Data); got != data {
				t.Errorf("the event itself was changed: %s", got)
			}
		})
	}
}

func TestAReplyIsReadWithinBounds(t *testing.T) {
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		_, _ = io.WriteString(w, strings.Repeat("x", maxReply+1))
	})
	var out engine.Outlet
	err := failure(t, newSink(t, srv.URL, `{url: URL, result: r}`).(engine.Relay).WriteOut(t.Context(), numbered(1), &out))
	if !engine.IsPermanent(err) || len(out.Emitted(0)) != 0 {
		t.Error(err)
	}
	if err := newSink(t, srv.URL, `URL`).Write(t.Context(), numbered(1)); err != nil {
		t.Errorf("where it is not wanted: %v", err)
	}
}

func TestWhomToTrustCanBeSaid(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		yaml string
		ok   bool
	}{
		{`{url: URL}`, false},
		{`{url: URL, tls: {insecure: true}}`, true},
		{`{url: URL, tls: {ca: ` + ca + `}}`, true},
		{`{url: URL, tls: {ca: ` + ca + `, server_name: example.com}}`, true},
		{`{url: URL, tls: {ca: ` + ca + `, server_name: other.example}}`, false},
	} {
		err := newSink(t, srv.URL, c.yaml).Write(t.Context(), numbered(1))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.yaml, err)
		}
	}
	for _, yaml := range []string{`{url: "https://x/", tls: {ca: /nowhere}}`, `{url: "https://x/", tls: {cert: /nowhere, key: /nowhere}}`} {
		sink, err := HTTP.New(must(t, HTTP.Default, yaml))
		if err != nil {
			t.Fatal(err)
		}
		if err := sink.(engine.Opener).Open(t.Context(), &engine.Env{}); err == nil {
			t.Errorf("%s: opened", yaml)
		}
	}
}

func TestWrongHTTPSinksAreRefused(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{`{}`, `"url" is missing`},
		{`example.com/x`, "want an address like"},
		{`"ftp://secret.example/x"`, "want an address like"},
		{`"{{ data.url }}"`, "scheme and host must be written out"},
		{`"https://{{ data.host }}/x"`, "scheme and host must be written out"},
		{`"https://example.com{{ data.port }}/x"`, "scheme and host must be written out"},
		{`"https://exa mple.com/"`, "this is not an address"},
		{`{url: "http://x/", method: FETCH}`, "want one of POST"},
		{`{url: "http://x/", headers: {"a b": c}}`, "can't be the name of a header"},
		{`{url: "http://x/", headers: {content-length: "1"}}`, "not yours to set"},
		{`{url: "http://x/", format: xml}`, "want one of json, form"},
		{`{url: "http://x/", sign: {secret: "%"}}`, "wrong secret"},
		{`{url: "http://x/", sign: {secret: []}}`, "the secret is empty"},
		{`{url: "http://x/", sign: {}}`, `"secret" is missing`},
		{`{url: "http://x/", success: 6xx}`, "want a status like"},
		{`{url: "http://x/", success: 300-200}`, "want a status like"},
		{`{url: "http://x/", concurrency: 0}`, "want 1 to 1024"},
		{`{url: "http://x/", result: a..b}`, "want a field like"},
		{`{url: "http://x/", auth: {bearer: a, basic: {user: u, password: p}}}`, "one of the two"},
		{`{url: "http://x/", auth: {bearer: ""}}`, "one of the two"},
		{`{url: "http://x/", auth: {bearer: "a\nb"}}`, "a header can't hold"},
		{`{url: "http://x/", tls: {cert: a}}`, "cert and key go together"},
	} {
		got := refusal(t, HTTP.Default, c.yaml)
		if !strings.Contains(got, c.want) || strings.Contains(got, "secret.example") {
			t.Errorf("%s\n got %q\nwant %q", c.yaml, got, c.want)
		}
	}
}

func TestStatusRangesAreWrittenAsTheyAreRead(t *testing.T) {
	for _, text := range []string{"2xx", "204", "200-204", "100-599"} {
		var s StatusRange
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, _ := s.MarshalText(); string(got) != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
}

func FuzzAnEventStaysInItsPlaceInTheURL(f *testing.F) {
	for _, seed := range []string{"7", "../x", "a/b?c#d&q=e", "%2e%2e", "@evil.example", "日\r\n", "\xff"} {
		f.Add(seed)
	}
	sink, err := HTTP.New(must(f, HTTP.Default, `"https://example.com/a/{{ data }}/b?q={{ data }}&fix=1"`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, v string) {
		text, err := sink.(*httpSink).renderURL(&engine.Event{Data: engine.Value(v)})
		if err != nil {
			return
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		path := strings.Split(u.EscapedPath(), "/")
		query := u.Query()
		if u.Host != "example.com" || u.User != nil || u.Fragment != "" || len(path) != 4 || path[1] != "a" || path[3] != "b" ||
			len(query) != 2 || query.Get("fix") != "1" || query.Get("q") != string([]rune(v)) {
			t.Errorf("%q gives %s", v, text)
		}
	})
}
