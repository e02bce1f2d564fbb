package journal_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

// livekitSize is about what a webhook of LiveKit brings.
const livekitSize = 640

func webhook(n int) *engine.Event {
	id := fmt.Sprintf("EV_%020d", n)
	return &engine.Event{
		ID: id, Source: "livekit", Type: "participant_joined", Subject: "support-17", Node: "livekit", Time: time.Now(),
		Data: engine.JSON([]byte(`{"id":"` + id + `","p":"` + strings.Repeat("x", livekitSize) + `"}`)),
		Meta: engine.Meta{"path": "/livekit", "headers": map[string]any{"content-type": "application/webhook+json", "user-agent": "Go-http-client/1.1"}},
	}
}

// BenchmarkAppend has 64 producers, each waiting for its own synced event of
// about 800 bytes, and a lane that reads, dedupes and commits behind them.
func BenchmarkAppend(b *testing.B) {
	const producers = 64
	j := mustOpen(b, b.TempDir(), journal.Options{})
	defer j.Close()
	log := must(j.Log(bg, "f"))(b)
	cursor := must(log.Cursor(bg, "main"))(b)
	keys := must(j.Keys(bg, "f", "dedupe"))(b)
	events := make([]*engine.Event, b.N)
	for i := range events {
		events[i] = webhook(i)
	}
	waits := make([]time.Duration, b.N)
	var wg sync.WaitGroup
	used := cpuTime()
	b.ResetTimer()
	for p := range producers {
		wg.Go(func() {
			for i := p; i < b.N; i += producers {
				start := time.Now()
				if err := log.Append(bg, events[i:i+1]); err != nil {
					b.Error(err)
					return
				}
				waits[i] = time.Since(start)
			}
		})
	}
	wg.Go(func() { follow(b, cursor, keys) })
	wg.Wait()
	b.StopTimer()
	slices.Sort(waits)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1e3, "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1e3, "p99-ms")
	b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/event")
	b.ReportMetric(float64(j.Stats().Written)/float64(b.N)/float64(sizeOf(events[0])), "B/B")
	b.ReportMetric(float64(b.N)/float64(j.Stats().Syncs), "events/sync")
}

// follow reads, dedupes and commits b.N events.
func follow(b *testing.B, cursor engine.Cursor, keys engine.Keys) {
	batch := make([]*engine.Event, 256)
	claims := make([]engine.Claim, 256)
	for read := 0; read < b.N; {
		n, err := cursor.Next(bg, batch)
		if err != nil {
			b.Error(err)
			return
		}
		for i, e := range batch[:n] {
			claims[i] = engine.Claim{Key: e.ID, Owner: e.Offset}
		}
		if _, err := keys.Claim(bg, claims[:n], time.Hour); err != nil {
			b.Error(err)
		}
		if err := cursor.Commit(bg, batch[n-1].Offset); err != nil {
			b.Error(err)
		}
		read += n
	}
}

// sizeOf is how many bytes an event has: its payload, its attributes, and its
// meta as JSON.
func sizeOf(e *engine.Event) int {
	data, _ := e.Data.Bytes()
	meta, _ := json.Marshal(e.Meta)
	return len(data) + len(meta) + len(e.ID+e.Source+e.Type+e.Subject+e.Node+e.Time.Format(time.RFC3339Nano))
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkBatches has one producer of batches, as a file that is read, and a
// lane that reads, dedupes and commits behind it.
func BenchmarkBatches(b *testing.B) {
	j := mustOpen(b, b.TempDir(), journal.Options{})
	defer j.Close()
	log := must(j.Log(bg, "f"))(b)
	cursor := must(log.Cursor(bg, "main"))(b)
	keys := must(j.Keys(bg, "f", "dedupe"))(b)
	events := make([]*engine.Event, b.N)
	for i := range events {
		events[i] = webhook(i)
	}
	var wg sync.WaitGroup
	used := cpuTime()
	b.ResetTimer()
	wg.Go(func() {
		for i := 0; i < b.N; i += 256 {
			if err := log.Append(bg, events[i:min(i+256, b.N)]); err != nil {
				b.Error(err)
				return
			}
		}
	})
	wg.Go(func() { follow(b, cursor, keys) })
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/event")
}

// backlog fills a folder with events of several flows, in turn.
func backlog(b *testing.B, dir string, events, flows int, keys bool) {
	j := mustOpen(b, dir, journal.Options{Fsync: journal.Never, KeepSize: 4 << 30})
	defer j.Close()
	const size = 64
	for n := 0; n < events; n += size * flows {
		var wg sync.WaitGroup
		for f := range flows {
			wg.Go(func() {
				name := fmt.Sprint("f", f)
				log := must(j.Log(bg, name))(b)
				batch := make([]*engine.Event, size)
				for i := range batch {
					batch[i] = webhook(n + i)
				}
				if flows > 1 { // so that flows mix
					for i := range batch {
						if err := log.Append(bg, batch[i:i+1]); err != nil {
							b.Error(err)
						}
					}
				} else if err := log.Append(bg, batch); err != nil {
					b.Error(err)
				}
				if keys {
					cursor := must(log.Cursor(bg, "main"))(b)
					claims := make([]engine.Claim, len(batch))
					for i, e := range batch {
						claims[i] = engine.Claim{Key: e.ID, Owner: e.Offset}
					}
					must(must(j.Keys(bg, name, "dedupe"))(b).Claim(bg, claims, 24*time.Hour))(b)
					if err := cursor.Commit(bg, batch[len(batch)-1].Offset); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
}

func BenchmarkReadBacklog(b *testing.B) {
	for _, flows := range []int{1, 100} {
		b.Run(fmt.Sprint(flows, " flows"), func(b *testing.B) {
			const events = 300_000
			dir := b.TempDir()
			backlog(b, dir, events, flows, false)
			j := mustOpen(b, dir, journal.Options{KeepSize: 4 << 30})
			defer j.Close()
			batch := make([]*engine.Event, 256)
			total := 0
			for b.Loop() {
				for f := range flows {
					log := must(j.Log(bg, fmt.Sprint("f", f)))(b)
					cursor := must(log.Cursor(bg, "main"))(b)
					for at := engine.Offset(0); at < log.End(); {
						n, err := cursor.Next(bg, batch)
						if err != nil {
							b.Fatal(err)
						}
						at = batch[n-1].Offset
						total += n
					}
				}
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkOpen opens a million events with a million keys.
func BenchmarkOpen(b *testing.B) {
	const events = 1_000_000
	dir := b.TempDir()
	backlog(b, dir, events, 1, true)
	for b.Loop() {
		j := mustOpen(b, dir, journal.Options{KeepSize: 4 << 30})
		if s := j.Stats(); s.Keys < events || s.Flows[0].Last < events {
			b.Fatalf("%+v", s)
		}
		j.Close()
	}
}
