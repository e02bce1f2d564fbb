package engine_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
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
	path := filepath.Join(b.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte("flows: {f: {nodes: [in, pass, {pass: a}, {pass: b}, gone]}}"), 0o600); err != nil {
		b.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		b.Fatal(diags)
	}
	eng := engine.New(reg, engine.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if _, err := eng.Apply(b.Context(), doc); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = eng.Run(ctx) })
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
	b.StopTimer()
	cancel()
	run.Wait()
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
