package files

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newEnv is the environment of a node whose checkpoints outlive its runs.
func newEnv(t *testing.T) *engine.Env {
	t.Helper()
	store := engine.MemoryStore()
	checkpoints, err := store.Checkpoints(t.Context(), "flow", "node")
	if err != nil {
		t.Fatal(err)
	}
	return &engine.Env{
		Flow: "flow", Node: "node", Log: slog.New(slog.DiscardHandler),
		Checkpoints: checkpoints, Share: &engine.Share{},
	}
}

// start runs a source until the test ends or stop is called.
func start(t *testing.T, source engine.Source, env *engine.Env, in engine.Inlet) (stop func()) {
	t.Helper()
	if o, ok := source.(engine.Opener); ok {
		if err := o.Open(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx, in) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// run runs a source until it has finished.
func run(t *testing.T, source engine.Source, env *engine.Env, in engine.Inlet) {
	t.Helper()
	if err := source.(engine.Opener).Open(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if err := source.Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// texts are the payloads of n events, once they have come.
func texts(t *testing.T, in *enginetest.Inlet, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	events := in.Wait(ctx, n)
	if len(events) != n {
		t.Fatalf("%d events came, want %d: %q", len(events), n, values(t, events))
	}
	return values(t, events)
}

func values(t *testing.T, events []*engine.Event) []string {
	t.Helper()
	var all []string
	for _, e := range events {
		v, err := e.Data.Value()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(v))
	}
	return all
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// numbers are the lines 0 … n-1.
func numbers(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func in(dir string, names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }

// startTail tails text from the beginning.
func startTail(t *testing.T, path string) *enginetest.Inlet {
	t.Helper()
	var got enginetest.Inlet
	start(t, tailOf(path), newEnv(t), &got)
	return &got
}
