package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/flowd/flowd/engine"
)

// A deafServer is a transport that answers 200 by itself: what remains is the
// cost of making requests.
type deafServer struct{}

func (deafServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{StatusCode: 200, ProtoMajor: 1, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func benchmarkSink(b *testing.B, outside *engine.Outside, url string) {
	sink, err := HTTP.New(must(b, HTTP.Default, url))
	if err != nil {
		b.Fatal(err)
	}
	if err := sink.(engine.Opener).Open(b.Context(), &engine.Env{Outside: outside}); err != nil {
		b.Fatal(err)
	}
	defer sink.(io.Closer).Close()
	batch := numbered(256)
	b.ReportAllocs()
	b.ResetTimer()
	for n := b.N; n > 0; n -= len(batch) {
		if err := sink.Write(context.Background(), batch[:min(n, len(batch))]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHTTPSink is one event each, delivered to a server on this machine or
// without one; BenchmarkNetHTTP is the same by net/http alone.
func BenchmarkHTTPSink(b *testing.B) {
	b.Run("deaf", func(b *testing.B) {
		benchmarkSink(b, &engine.Outside{HTTP: deafServer{}}, "http://127.0.0.1/in")
	})
	b.Run("server", func(b *testing.B) { benchmarkSink(b, nil, newServer(b, nil).URL+"/in") })
}

func BenchmarkNetHTTP(b *testing.B) {
	run := func(b *testing.B, transport http.RoundTripper, url string) {
		client := &http.Client{Transport: transport}
		events := numbered(256)
		slots := make(chan struct{}, 8)
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				body, _ := events[i%256].Data.Bytes()
				r, _ := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}()
		}
		for range cap(slots) {
			slots <- struct{}{}
		}
	}
	b.Run("deaf", func(b *testing.B) { run(b, deafServer{}, "http://127.0.0.1/in") })
	b.Run("server", func(b *testing.B) {
		run(b, &http.Transport{MaxIdleConnsPerHost: 8}, newServer(b, nil).URL+"/in")
	})
}
