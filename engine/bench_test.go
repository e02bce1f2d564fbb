package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// BenchmarkFourNodes is the cost of an event that goes through four nodes that
// do next to nothing, from the log to the commit.
func BenchmarkFourNodes(b *testing.B) {
	ready := make(chan engine.Inlet, 1)
	pass := func(nameConfig) (engine.Processor, error) {
		return processorFunc(func(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
			for _, e := range batch {
				out.Emit(e)
			}
			return nil
		}), nil
	}
	reg := engine.NewRegistry(nil,
		engine.SourceSpec[nameConfig]{About: engine.About{Type: "in"}, New: func(nameConfig) (engine.Source, error) {
			return sourceFunc(func(ctx context.Context, in engine.Inlet) error {
				ready <- in
				<-ctx.Done()
				return nil
			}), nil
		}},
		engine.ProcessorSpec[nameConfig]{About: engine.About{Type: "pass"}, New: pass},
		engine.SinkSpec[nameConfig]{About: engine.About{Type: "gone"}, New: func(nameConfig) (engine.Sink, error) {
			return sinkFunc(func(context.Context, []*engine.Event) error { return nil }), nil
		}},
	)
	ctx, _ := benchmarked(b, reg, "flows: {f: {nodes: [in, pass, {pass: a}, {pass: b}, gone]}}")
	in := <-ready
	const producers, size = 8, 256
	var work sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range producers {
		work.Go(func() {
			batch := make([]*engine.Event, size)
			events := make([]engine.Event, size)
			for i := range batch {
				batch[i] = &events[i]
			}
			for range b.N / producers / size {
				if err := in.Put(ctx, batch...); err != nil {
					b.Error(err)
				}
			}
		})
	}
	work.Wait()
}

// BenchmarkRequest is the cost of a request over a connection that is kept, with
// the client's part, to a source that puts in its body.
func BenchmarkRequest(b *testing.B) {
	reg := engine.NewRegistry(nil,
		engine.SourceSpec[nameConfig]{About: engine.About{Type: "web"}, New: func(nameConfig) (engine.Source, error) {
			return &bodies{}, nil
		}},
		engine.SinkSpec[nameConfig]{About: engine.About{Type: "gone"}, New: func(nameConfig) (engine.Sink, error) {
			return sinkFunc(func(context.Context, []*engine.Event) error { return nil }), nil
		}},
	)
	_, eng := benchmarked(b, reg, "server: {listen: 127.0.0.1:0}\nflows: {f: {nodes: [web, gone]}}")
	body := strings.Repeat("x", 775)
	request := fmt.Appendf(nil, "POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", eng.Address())
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			answer, err := http.ReadResponse(answers, nil)
			if err == nil {
				err = answer.Body.Close()
			}
			if err != nil || answer.StatusCode != http.StatusOK {
				b.Errorf("%v, %v", answer, err)
				return
			}
		}
	})
}

// bodies is a source that puts in what is posted to it.
type bodies struct{ engine.Routed }

func (*bodies) Routes(in engine.Inlet) []engine.Route {
	return []engine.Route{{Path: "/in", Serve: func(r *http.Request, body []byte) engine.Answer {
		return engine.Accepted(in.Put(r.Context(), &engine.Event{Data: engine.JSON(body), Meta: engine.MetaOf(r)}))
	}}}
}

// benchmarked runs a document until the benchmark is over.
func benchmarked(b *testing.B, reg *engine.Registry, document string) (context.Context, *engine.Engine) {
	path := filepath.Join(b.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		b.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		b.Fatal(diags)
	}
	eng := engine.New(reg, engine.Options{Log: slog.New(slog.DiscardHandler)})
	if _, err := eng.Apply(b.Context(), doc); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = eng.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		run.Wait()
	})
	return ctx, eng
}

type (
	sourceFunc    func(context.Context, engine.Inlet) error
	processorFunc func(context.Context, []*engine.Event, *engine.Outlet) error
	sinkFunc      func(context.Context, []*engine.Event) error
)

func (f sourceFunc) Run(ctx context.Context, in engine.Inlet) error { return f(ctx, in) }
func (f processorFunc) Process(ctx context.Context, batch []*engine.Event, out *engine.Outlet) error {
	return f(ctx, batch, out)
}
func (f sinkFunc) Write(ctx context.Context, batch []*engine.Event) error { return f(ctx, batch) }
