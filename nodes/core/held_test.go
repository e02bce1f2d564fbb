package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
	"github.com/flowd/flowd/flows"
)

// A world is an engine with a node that holds events back, over several lives
// of its process. It lives where time is virtual.
type world struct {
	t     *testing.T
	fs    *memfs.FS // nil with a store that forgets
	lanes int
	began time.Time

	store engine.Store
	eng   *engine.Engine
	stop  context.CancelFunc
	ended chan error
	inlet chan engine.Inlet

	mu    sync.Mutex
	life  int
	down  bool
	sent  []time.Time // by number of the event
	saw   []sight
	alone sync.WaitGroup
}

// A sight is an event as the sink got it.
type sight struct {
	at   time.Duration
	data any
}

const keys = 3

// open begins a life.
func (w *world) open(node string) {
	w.t.Helper()
	w.store = engine.MemoryStore()
	if w.fs != nil {
		var err error
		if w.store, err = journal.Open("", journal.Options{FS: w.fs}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.mu.Lock()
	w.life++
	w.mu.Unlock()
	w.inlet = make(chan engine.Inlet, 1)
	life := w.life
	reg := engine.NewRegistry(expr.Language, Delay, Throttle, Batch, Aggregate, Silence, Filter,
		engine.SourceSpec[putConfig]{About: engine.About{Type: "put"}, New: func(putConfig) (engine.Source, error) {
			return feed(w.inlet), nil
		}},
		engine.SinkSpec[putConfig]{About: engine.About{Type: "take"}, New: func(putConfig) (engine.Sink, error) {
			return see{w, life}, nil
		}})
	w.eng = engine.New(reg, engine.Options{Store: w.store, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Drain: 5 * time.Second})
	w.apply("put", node, "take")
	ctx, cancel := context.WithCancel(w.t.Context())
	w.stop, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.eng.Run(ctx) }()
}

func (w *world) apply(nodes ...string) {
	w.t.Helper()
	yaml := fmt.Sprintf("flows: {f: {lanes: %d, order_by: data.k, nodes: [%s]}}", w.lanes, strings.Join(nodes, ", "))
	path := filepath.Join(w.t.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		w.t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		w.t.Fatal(diags)
	}
	if _, err := w.eng.Apply(w.t.Context(), doc); err != nil {
		w.t.Fatal(err)
	}
}

// send puts in the next n events, 200 ms from one to the next.
func (w *world) send(n int) {
	w.t.Helper()
	in := <-w.inlet
	w.inlet <- in
	for range n {
		w.mu.Lock()
		i := len(w.sent)
		w.sent = append(w.sent, time.Now())
		w.mu.Unlock()
		e := &engine.Event{ID: fmt.Sprint(i), Type: "t", Data: engine.Value(map[string]any{"n": int64(i), "k": int64(i % keys)})}
		put := func() {
			if err := in.Put(w.t.Context(), e); err != nil && w.fs != nil {
				w.t.Errorf("putting in event %d: %v", i, err)
			}
		}
		if w.fs != nil {
			put()
		} else {
			w.alone.Go(put)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// end stops the engine, which must be quick, and closes the store.
func (w *world) end() {
	w.t.Helper()
	start := time.Now()
	w.stop()
	if err := <-w.ended; err != nil {
		w.t.Errorf("stopping: %v", err)
	}
	if took := time.Since(start); took > time.Second {
		w.t.Errorf("stopping took %s", took)
	}
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
	w.alone.Wait()
}

// crash goes on from what is on the disk now, and forgets the rest of this
// life.
func (w *world) crash() {
	after := w.fs.Kill()
	w.mu.Lock()
	w.life++
	w.mu.Unlock()
	w.end()
	w.fs = after
}

// settle lets all that is held go its way, and checks that the cursor has come
// to the end.
func (w *world) settle() {
	w.t.Helper()
	time.Sleep(time.Hour)
	synctest.Wait()
	for _, f := range w.eng.Flows() {
		if f.Lag() != 0 {
			w.t.Errorf("%d events are not settled", f.Lag())
		}
	}
	letters, err := w.store.DeadLetters().List(w.t.Context())
	if err != nil || len(letters) > 0 {
		w.t.Errorf("dead letters: %v, %v", letters, err)
	}
}

type feed chan engine.Inlet

func (f feed) Run(ctx context.Context, in engine.Inlet) error {
	f <- in
	<-ctx.Done()
	return nil
}

// see is the sink of one life.
type see struct {
	*world
	born int
}

func (s see) Write(_ context.Context, batch []*engine.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return engine.Unavailable(errors.New("down"), 0)
	}
	if s.born != s.life { // it has crashed
		return nil
	}
	for _, e := range batch {
		v, err := e.Data.Value()
		if err != nil {
			return err
		}
		s.saw = append(s.saw, sight{time.Since(s.began), v})
	}
	return nil
}

func (w *world) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func number(v any, field string) int {
	n, _ := v.(map[string]any)[field].(int64)
	return int(n)
}

// A holding is a node that holds events, and what of its events must be seen.
// Once is when nothing has come again.
type holding struct {
	node    string
	changed string // with another configuration
	check   func(w *world, once bool)
}

var holdings = map[string]holding{
	"delay":           {`delay: 4s`, `delay: 5s`, func(w *world, once bool) { w.checkEach(once, 4*time.Second, 1) }},
	"throttle":        {`throttle: 2/s`, `throttle: 3/s`, func(w *world, once bool) { w.checkEach(once, 0, 1) }},
	"throttle by key": {`throttle: {rate: 1/2s, by: data.k}`, `throttle: 3/s`, func(w *world, once bool) { w.checkEach(once, 0, keys) }},
	"batch":           {`batch: {size: 3, wait: 2s}`, `batch: {size: 2, wait: 2s}`, func(w *world, once bool) { w.checkEach(once, 0, 1) }},
	"batch by key":    {`batch: {size: 5, wait: 3s, by: data.k}`, `batch: {size: 2, wait: 2s}`, func(w *world, once bool) { w.checkEach(once, 0, keys) }},
	"delay and batch": {`delay: 2s, batch: {size: 3, wait: 2s}`, `delay: 2s, batch: {size: 4, wait: 2s}`, func(w *world, once bool) { w.checkEach(once, 2*time.Second, 1) }},
	"aggregate":       {`aggregate: {window: 5s, by: data.k, last: {n: data.n}}`, `aggregate: {window: 2s, by: data.k, last: {n: data.n}}`, (*world).checkSums},
	"silence":         {`silence: {after: 4s, by: data.k}`, `silence: {after: 5s, by: data.k}`, (*world).checkSilences},
}

// checkEach checks that each event was seen, not before its time, and by key in
// order: none for the first time before those in front of it.
func (w *world) checkEach(once bool, wait time.Duration, byKey int) {
	w.t.Helper()
	if w.lanes > 1 {
		byKey = keys
	}
	next := map[int]int{}
	seen := map[int]int{}
	for _, s := range w.saw {
		all, list := s.data.([]any)
		if !list {
			all = []any{s.data}
		}
		for _, v := range all {
			n := number(v, "n")
			seen[n]++
			if early := wait - (s.at - w.sent[n].Sub(w.began)); early > 0 {
				w.t.Errorf("event %d was seen %s early", n, early)
			}
			if seen[n] > 1 {
				if once {
					w.t.Errorf("event %d was seen again", n)
				}
				continue
			}
			if want := next[n%byKey]*byKey + n%byKey; n != want {
				w.t.Errorf("event %d was seen before %d", n, want)
			}
			next[n%byKey]++
		}
	}
	if len(seen) != len(w.sent) {
		w.t.Errorf("%d events were seen, of %d", len(seen), len(w.sent))
	}
}

// checkSums checks that each event was counted, and the last of each key seen.
func (w *world) checkSums(once bool) {
	w.t.Helper()
	count, last := 0, map[int]int{}
	for _, s := range w.saw {
		count += number(s.data, "count")
		last[number(s.data, "key")] = number(s.data, "n")
	}
	if count < len(w.sent) || once && count > len(w.sent) {
		w.t.Errorf("%d events were counted, of %d", count, len(w.sent))
	}
	for k := range keys {
		if want := len(w.sent) - keys + (k+keys-len(w.sent)%keys)%keys; last[k] != want {
			w.t.Errorf("the last of key %d was %d, want %d", k, last[k], want)
		}
	}
}

// checkSilences checks that the silence behind the last event of each key was
// told, and none before its time.
func (w *world) checkSilences(once bool) {
	w.t.Helper()
	told := map[int]int{}
	for _, s := range w.saw {
		n := number(s.data.(map[string]any)["last"], "n")
		told[n]++
		if early := 4*time.Second - (s.at - w.sent[n].Sub(w.began)); early > 0 {
			w.t.Errorf("the silence behind event %d was told %s early", n, early)
		}
	}
	for n := len(w.sent) - keys; n < len(w.sent); n++ {
		if told[n] == 0 || once && told[n] > 1 {
			w.t.Errorf("the silence behind event %d was told %d times", n, told[n])
		}
	}
}

// each runs a test for each node, number of lanes, and number of events before
// it happens.
func each(t *testing.T, f func(w *world, h holding, before int)) {
	for name, h := range holdings {
		for _, lanes := range []int{1, 3} {
			for _, before := range []int{1, 10, 20, 37} {
				t.Run(fmt.Sprintf("%s/%d lanes/%d", name, lanes, before), func(t *testing.T) {
					inTime(t, func(t *testing.T) {
						w := &world{t: t, fs: memfs.New(), lanes: lanes, began: time.Now()}
						w.open(h.node)
						f(w, h, before)
						w.settle()
						w.end()
					})
				})
			}
		}
	}
}

const all = 40

func TestWhatIsHeldComesAgainAfterACrash(t *testing.T) {
	each(t, func(w *world, h holding, before int) {
		w.send(before)
		w.crash()
		w.open(h.node)
		w.send(all - before)
		w.settle()
		h.check(w, false)
	})
}

func TestWhatIsHeldComesAgainAfterAStop(t *testing.T) {
	each(t, func(w *world, h holding, before int) {
		w.send(before)
		w.end()
		saw := len(w.saw)
		time.Sleep(time.Minute)
		if len(w.saw) != saw {
			w.t.Error("something went on after the stop")
		}
		w.open(h.node)
		w.send(all - before)
		w.settle()
		h.check(w, false)
	})
}

func TestWhatIsHeldIsKeptOverAReload(t *testing.T) {
	each(t, func(w *world, h holding, before int) {
		w.send(before)
		w.apply("put", h.node, "filter: true", "take")
		w.send(all - before)
		w.settle()
		h.check(w, true)
	})
}

func TestWhatIsHeldGoesThroughTheNodeAsItIsNow(t *testing.T) {
	each(t, func(w *world, h holding, before int) {
		w.send(before)
		w.apply("put", h.changed, "take")
		w.send(all - before)
		w.settle()
		h.check(w, false)
	})
}

func TestWhatIsHeldGoesOnWhenItsNodeIsGone(t *testing.T) {
	for _, name := range []string{"delay", "throttle", "throttle by key", "batch", "batch by key"} {
		h := holdings[name]
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := &world{t: t, fs: memfs.New(), lanes: 1, began: time.Now()}
				w.open(h.node)
				w.send(10)
				w.apply("put", "take")
				w.send(10)
				w.settle()
				w.checkEach(false, 0, keys)
				w.end()
			})
		})
	}
}

func TestWhatIsHeldIsNotLostWhenAReloadCutsItsDeliveryShort(t *testing.T) {
	each(t, func(w *world, h holding, before int) {
		w.setDown(true)
		w.send(before)
		time.Sleep(10 * time.Second) // and something has been let go
		for i := range 3 {
			w.apply("put", h.node, fmt.Sprintf("filter: %d < 3", i), "take")
			time.Sleep(500 * time.Millisecond)
		}
		w.setDown(false)
		w.send(all - before)
		w.settle()
		h.check(w, false)
	})
}

func TestInMemoryPutWaitsForWhatIsHeld(t *testing.T) {
	for name, h := range holdings {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				w := &world{t: t, lanes: 1, began: time.Now()}
				w.open(h.node)
				w.send(1)
				in := <-w.inlet
				w.inlet <- in
				w.send(all - 1)
				w.alone.Wait() // each Put has returned
				saw := len(w.saw)
				w.settle()
				if len(w.saw) != saw {
					t.Error("a Put returned before its event was through")
				}
				h.check(w, true)
				w.end()
			})
		})
	}
}

func TestInMemoryAStopDoesNotWaitForWhatIsHeld(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := &world{t: t, lanes: 1, began: time.Now()}
		w.open(`delay: 1h`)
		w.send(3)
		w.end()
		if len(w.saw) > 0 {
			t.Errorf("%v was seen", w.saw)
		}
	})
}
