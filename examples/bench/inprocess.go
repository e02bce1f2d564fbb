package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

//go:embed inprocess.yaml
var inProcessDocument string

// What is measured inside this process.
var perEvent = []column{{"ns/event", 0, true}, {"allocs/event", 2, false}, {"B/event", 0, false}}

// inProcess is W3.
var inProcess = workload{
	name: "W3", about: "the engine as a package: filter, transform, dedupe", events: 200_000, columns: perEvent,
	prepare: func(_ context.Context, b *bench) ([]program, error) {
		all := slices.Collect(events(b.n))
		return []program{
			{"by hand", func(context.Context) ([]float64, error) {
				var out bytes.Buffer
				figures, err := timed(len(all), func() error { return visitsByHand(all, &out) })
				if err != nil {
					return nil, err
				}
				return figures, checkAnyOrder(&out, all)
			}},
			{"flowd", func(ctx context.Context) ([]float64, error) {
				c := &collector{}
				figures, err := b.embedded(ctx, inProcessDocument, batches(all), c)
				if err != nil {
					return nil, err
				}
				return figures, checkAnyOrder(&c.got, all)
			}},
		}, nil
	},
}

// filteredOut is what W3 costs for an event that the first node drops.
var filteredOut = workload{
	name: "W3-filtered", about: "the same with events that the filter drops", events: 200_000, columns: perEvent,
	prepare: func(_ context.Context, b *bench) ([]program, error) {
		all := slices.DeleteFunc(slices.Collect(events(b.n)), func(e event) bool {
			return e.result.Type == "participant_joined" || e.result.Type == "participant_left"
		})
		return []program{{"flowd", func(ctx context.Context) ([]float64, error) {
			c := &collector{}
			figures, err := b.embedded(ctx, inProcessDocument, batches(all), c)
			if err == nil && c.n > 0 {
				err = fmt.Errorf("%d were not dropped", c.n)
			}
			return figures, err
		}}}, nil
	},
}

// emptyNodes is what the engine costs by itself.
var emptyNodes = workload{
	name: "W3-empty", about: "the engine alone: four nodes that do nothing", events: 4_000_000, columns: perEvent,
	prepare: func(_ context.Context, b *bench) ([]program, error) {
		// The same events again and again, so that it is not their memory
		// that is measured: those of a producer come back once they are through.
		const own = producers * batchSize
		again := slices.Repeat(batches(slices.Collect(events(own))), (b.n+own-1)/own)
		b.n = len(again) * batchSize
		return []program{{"flowd", func(ctx context.Context) ([]float64, error) {
			c := &collector{count: true}
			figures, err := b.embedded(ctx, "flows: {f: {nodes: [feed, pass, {pass: , id: b}, {pass: , id: c}, collect]}}", again, c)
			if err == nil && c.n != b.n {
				err = fmt.Errorf("%d of %d came", c.n, b.n)
			}
			return figures, err
		}}}, nil
	},
}

const (
	batchSize = 256
	producers = 8
)

// timed runs work on n events and returns its figures.
func timed(n int, work func() error) ([]float64, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	err := work()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	return []float64{
		float64(took.Nanoseconds()) / float64(n),
		float64(after.Mallocs-before.Mallocs) / float64(n),
		float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}, err
}

// batches are events as a source makes them, in the sizes that it puts in.
func batches(all []event) (batches [][]*engine.Event) {
	for part := range slices.Chunk(all, batchSize) {
		made := make([]engine.Event, len(part))
		batch := make([]*engine.Event, len(part))
		for i, e := range part {
			made[i] = engine.Event{ID: e.result.ID, Source: "feed", Type: e.result.Type, Data: engine.JSON(e.body)}
			batch[i] = &made[i]
		}
		batches = append(batches, batch)
	}
	return batches
}

// embedded runs a document in this process until all batches are through.
func (b *bench) embedded(ctx context.Context, document string, batches [][]*engine.Event, to *collector) ([]float64, error) {
	path := filepath.Join(b.dir, "flows.yaml")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		return nil, err
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	from := &feed{batches, make(chan struct{})}
	types := nodes.All().With(
		engine.SourceSpec[none]{
			About: engine.About{Type: "feed", Summary: "Puts in what the program has."},
			New:   func(none) (engine.Source, error) { return from, nil },
		},
		engine.ProcessorSpec[none]{
			About: engine.About{Type: "pass", Summary: "Does nothing."},
			New:   func(none) (engine.Processor, error) { return pass{}, nil },
		},
		engine.SinkSpec[none]{
			About: engine.About{Type: "collect", Summary: "Keeps what comes."},
			New:   func(none) (engine.Sink, error) { return to, nil },
		},
	)
	eng := engine.New(types, engine.Options{Log: slog.New(slog.DiscardHandler)})
	if _, err := eng.Apply(ctx, doc); err != nil {
		return nil, err
	}
	n := 0
	for _, batch := range batches {
		n += len(batch)
	}
	return timed(n, func() error {
		close(from.begin)
		return eng.Run(ctx)
	})
}

type none struct{}

// A feed is a source that puts in batches from several goroutines, as webhooks
// come.
type feed struct {
	batches [][]*engine.Event
	begin   chan struct{}
}

func (f *feed) Run(ctx context.Context, in engine.Inlet) error {
	<-f.begin
	var all sync.WaitGroup
	defer all.Wait()
	for p := range producers {
		all.Go(func() {
			for i := p; i < len(f.batches); i += producers {
				if in.Put(ctx, f.batches[i]...) != nil {
					return // the end: what is missing is noticed
				}
			}
		})
	}
	return nil
}

type pass struct{}

func (pass) Process(_ context.Context, batch []*engine.Event, out *engine.Outlet) error {
	for _, e := range batch {
		out.Emit(e)
	}
	return nil
}

// A collector is a sink that keeps payloads, one a line.
type collector struct {
	count bool // is all it does
	n     int
	got   bytes.Buffer
}

func (c *collector) Write(_ context.Context, batch []*engine.Event) error {
	c.n += len(batch)
	if c.count {
		return nil
	}
	for _, e := range batch {
		line, err := e.Data.Bytes()
		if err != nil {
			return err
		}
		c.got.Write(line)
		c.got.WriteByte('\n')
	}
	return nil
}

// visitsByHand is what inprocess.yaml says, by hand.
func visitsByHand(all []event, out *bytes.Buffer) error {
	seen := map[string]struct{}{}
	var line []byte
	for _, e := range all {
		if e.result.Type != "participant_joined" && e.result.Type != "participant_left" {
			continue
		}
		room := gjson.GetBytes(e.body, "room.name").Raw
		name := gjson.GetBytes(e.body, "participant.name").Raw
		if _, ok := seen[e.result.ID]; ok {
			continue
		}
		seen[e.result.ID] = struct{}{}
		line = append(line[:0], `{"at":`...)
		line = append(line, gjson.GetBytes(e.body, "createdAt").Raw...)
		line = append(line, `,"id":"`...)
		line = append(line, e.result.ID...)
		line = append(line, `","line":`...)
		line = append(line, name[:len(name)-1]...)
		line = append(line, ` in `...)
		line = append(line, room[1:]...)
		line = append(line, `,"room":`...)
		line = append(line, room...)
		line = append(line, `,"type":"`...)
		line = append(line, e.result.Type...)
		line = append(line, `","who":`...)
		line = append(line, gjson.GetBytes(e.body, "participant.identity").Raw...)
		line = append(line, "}\n"...)
		out.Write(line)
	}
	return nil
}

// checkAnyOrder compares results with what must become of events, in any
// order.
func checkAnyOrder(got io.Reader, all []event) error {
	want := map[string]result{}
	for _, e := range all {
		if e.kept {
			want[e.result.ID] = e.result
		}
	}
	for in := json.NewDecoder(got); ; {
		var r result
		err := in.Decode(&r)
		switch {
		case err == io.EOF && len(want) == 0:
			return nil
		case err == io.EOF:
			return fmt.Errorf("%d results are missing", len(want))
		case err != nil:
			return err
		case r != want[r.ID]:
			return fmt.Errorf("got %v, want %v", r, want[r.ID])
		}
		delete(want, r.ID)
	}
}
