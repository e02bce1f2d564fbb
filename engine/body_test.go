package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// keeping serves a source at /in that keeps what it is given.
func keeping(t testing.TB, maxBody int64) (url string, kept func() []string) {
	l := &listener{}
	l.manner.Store(&manner{maxBody: maxBody})
	var mu sync.Mutex
	var bodies [][]byte
	l.table.Store(&routes{"/in": {{
		Route: Route{Method: http.MethodPost, Serve: func(_ *http.Request, body []byte) Answer {
			mu.Lock()
			defer mu.Unlock()
			bodies = append(bodies, body)
			return Answer{}
		}},
		owner: &part{probe: &probe{}},
	}}})
	srv := httptest.NewServer(l)
	t.Cleanup(srv.Close)
	return srv.URL + "/in", func() []string {
		mu.Lock()
		defer mu.Unlock()
		var list []string
		for _, b := range bodies {
			list = append(list, string(b))
		}
		return list
	}
}

func TestABodyIsTheSourcesToKeep(t *testing.T) {
	url, kept := keeping(t, 1<<20)
	sizes := []int{0, 1, 511, 512, 775, maxAhead, maxAhead + 1, 200_000}
	want := map[string]int{}
	var senders sync.WaitGroup
	for i := range 64 {
		body := strings.Repeat(string(rune('!'+i)), sizes[i%len(sizes)])
		want[body]++
		senders.Go(func() {
			var r io.Reader = strings.NewReader(body)
			if i%3 == 0 {
				r = io.MultiReader(r) // whose length is not known
			}
			resp, err := http.Post(url, "", r)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%d bytes: answered %s", len(body), resp.Status)
			}
		})
	}
	senders.Wait()
	for _, body := range kept() {
		want[body]--
	}
	for body, n := range want {
		if n != 0 {
			t.Errorf("of %d bytes of %.1q, %d more were sent than kept", len(body), body, n)
		}
	}
}

func TestABodyThatDoesNotComeWholeIsNoBody(t *testing.T) {
	url, kept := keeping(t, 100)
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/in")
	for _, c := range []struct {
		head, body string
		status     int
	}{
		{"Content-Length: 100", strings.Repeat("x", 100), 200},
		{"Content-Length: 101", strings.Repeat("x", 101), 413},
		{"Content-Length: 1000000000", strings.Repeat("x", 101), 413},
		{"Content-Length: 101", "x", 413},
		{"Expect: 100-continue\r\nContent-Length: 101", "", 413},
		{"Content-Length: 1\r\nContent-Length: 2", "xx", 400},
		{"Content-Length: -1", "", 400},
		{"Content-Length: 100", strings.Repeat("x", 99), 400},
		{"Transfer-Encoding: chunked", "64\r\n" + strings.Repeat("x", 100) + "\r\n0\r\n\r\n", 200},
		{"Transfer-Encoding: chunked", "65\r\n" + strings.Repeat("x", 101) + "\r\n0\r\n\r\n", 413},
		{"Transfer-Encoding: chunked", "65\r\nx", 400},
	} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /in HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s", c.head, c.body)
		_ = conn.(*net.TCPConn).CloseWrite()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s, %d bytes: %v", c.head, len(c.body), err)
		}
		resp.Body.Close()
		conn.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s, %d bytes: answered %s, want %d", c.head, len(c.body), resp.Status, c.status)
		}
	}
	if n := len(kept()); n != 2 {
		t.Errorf("%d bodies came, want 2", n)
	}
}

// BenchmarkWebhook is what the engine adds to a request: finding its source,
// and reading the body.
func BenchmarkWebhook(b *testing.B) {
	l := &listener{}
	l.manner.Store(&manner{maxBody: 1 << 20})
	l.table.Store(&routes{"/in": {{
		Route: Route{Method: http.MethodPost, Serve: func(*http.Request, []byte) Answer { return Answer{} }},
		owner: &part{probe: &probe{}},
	}}})
	text := strings.Repeat("x", 775)
	w := httptest.NewRecorder()
	body := strings.NewReader(text)
	r := httptest.NewRequest(http.MethodPost, "/in", body)
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(text)
		l.ServeHTTP(w, r)
	}
}
