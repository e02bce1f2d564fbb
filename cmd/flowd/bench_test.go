package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// manyFlows is how many flows the document of these benchmarks has.
const manyFlows = 1000

// thousandFlows is one of many flows as people write them, the first of which says
// something.
func thousandFlows(says string) string {
	var b strings.Builder
	b.WriteString("flows:\n")
	for i := range manyFlows {
		fmt.Fprintf(&b, `  support-%d:
    description: visitors of floor %d
    nodes:
      - livekit: {path: /livekit/%d, api_key: devkey, api_secret: a-secret-of-thirty-two-characters}
      - filter: type == "participant_joined" && data.room.name startsWith "support-"
      - dedupe: id
      - transform:
          data: {who: data.participant.identity, room: data.room.name, line: "{{ data.participant.name }} %s"}
      - http: {url: "http://127.0.0.1:9/floor", concurrency: 4}
`, i, i, i, says)
		says = "is waiting"
	}
	return b.String()
}

// BenchmarkStart1000 is the time from documents on disk to flows that run, and
// what a flow takes of memory then.
func BenchmarkStart1000(b *testing.B) {
	for _, store := range []string{"memory", "disk"} {
		b.Run(store, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				before, s := inUse(), newBenchService(b, store)
				b.StartTimer()
				d := s.start(b)
				b.StopTimer()
				b.ReportMetric(float64(inUse()-before)/manyFlows/1024, "KB/flow")
				b.ReportMetric(float64(runtime.NumGoroutine())/manyFlows, "goroutines/flow")
				d.stop()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkReloadOneOf1000 is the time from a document in which one flow has
// changed to that flow at work.
func BenchmarkReloadOneOf1000(b *testing.B) {
	s := newBenchService(b, "disk").start(b)
	defer s.stop()
	n := 0
	for b.Loop() {
		n++
		s.write(b, thousandFlows(fmt.Sprint("comes as number ", n)))
		_, changes, err := s.reload(b.Context())
		if err != nil || len(changes.Changed) != 1 {
			b.Fatal(changes, err)
		}
	}
}

// inUse is the memory that heap and stacks take.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

type benchService struct {
	*options
	*service
	path string
	stop func()
}

func newBenchService(b *testing.B, store string) *benchService {
	path := filepath.Join(b.TempDir(), "flows.yaml")
	s := &benchService{path: path, options: &options{files: paths{path}, listen: "127.0.0.1:0", out: io.Discard, err: io.Discard}}
	if store == "memory" {
		s.options.store = "memory"
	}
	s.write(b, thousandFlows("is waiting"))
	return s
}

func (s *benchService) write(b *testing.B, text string) {
	if err := os.WriteFile(s.path, []byte(`admin: {listen: ""}`+"\n"+text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// start does what flowd does until the flows run.
func (s *benchService) start(b *testing.B) *benchService {
	log := slog.New(slog.DiscardHandler)
	doc, diags := s.options.check()
	if diags.Failed() {
		b.Fatal(diags)
	}
	store, err := s.openStore(doc, log)
	if err != nil {
		b.Fatal(err)
	}
	s.service = newService(s.options, store, log)
	if err := s.service.start(b.Context(), doc); err != nil {
		b.Fatal(err)
	}
	s.stop = func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.engine.Run(ctx); err != nil {
			b.Fatal(err)
		}
		store.Close()
	}
	return s
}
