package engine_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

// hold makes a collect node wait at its next event, tells when it does, and
// returns what lets it go on.
func (b *bench) hold(name string) (waits <-chan struct{}, release func()) {
	began, ends := make(chan struct{}, 1), make(chan struct{})
	b.failWith(func(node string, _ *engine.Event) error {
		if node == name {
			select {
			case began <- struct{}{}:
			default:
			}
			<-ends
		}
		return nil
	})
	return began, func() { close(ends) }
}

func TestAQueueThatGoesDeliversWhatIsStillWrittenToIt(t *testing.T) {
	for name, next := range map[string]string{
		"without the queue": "flows: {f: {nodes: [feed, {collect: slow}]}}",
		"without the flow":  "flows: {g: {nodes: [{feed: x}, {collect: other}]}}",
	} {
		t.Run(name, func(t *testing.T) {
			r := startOn(t, t.TempDir(), "flows: {f: {nodes: [feed, {collect: slow}, {queue: }, {collect: late}]}}", io.Discard)
			waits, release := r.hold("slow")
			r.put(t, events(1)...)
			<-waits
			r.apply(t, next)
			time.Sleep(150 * time.Millisecond) // the queue is empty
			release()
			want(t, r.wait(t, "late", 1), "1")
		})
	}
}

// slowStore appends when it is let.
type slowStore struct {
	engine.Store
	began, ends chan struct{}
}

func (s slowStore) Log(ctx context.Context, flow string) (engine.Log, error) {
	l, err := s.Store.Log(ctx, flow)
	return slowLog{l, s}, err
}

type slowLog struct {
	engine.Log
	store slowStore
}

func (l slowLog) Append(ctx context.Context, batch []*engine.Event) error {
	close(l.store.began)
	<-l.store.ends
	return l.Log.Append(ctx, batch)
}

func TestWhatIsTakenWhileAFlowGoesIsDelivered(t *testing.T) {
	inner, err := journal.Open(t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	store := slowStore{inner, make(chan struct{}), make(chan struct{})}
	b := newBench()
	e := engine.New(b.registry(), engine.Options{Store: store, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if _, err := e.Apply(t.Context(), document(t, "flows: {f: {nodes: [web: /in, {collect: one}]}, g: {nodes: [feed, {collect: two}]}}")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	status := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+e.Address()+"/in", "", strings.NewReader("1"))
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-store.began
	if _, err := e.Apply(t.Context(), document(t, "flows: {g: {nodes: [feed, {collect: two}]}}")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond)
	close(store.ends)
	if got := <-status; got == http.StatusOK {
		b.wait(t, "one", 1)
	} else {
		t.Errorf("got status %d", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lasting is a source that goes on for a while when it is told to end.
type lasting struct {
	begun *atomic.Int64
	runs  *atomic.Int64 // at a time
	most  *atomic.Int64
	ends  <-chan struct{}
	wrong *atomic.Bool // closed while it runs
	here  atomic.Bool
}

func (s *lasting) Run(ctx context.Context, _ engine.Inlet) error {
	s.here.Store(true)
	s.most.Store(max(s.most.Load(), s.runs.Add(1)))
	s.begun.Add(1)
	<-ctx.Done()
	<-s.ends
	s.runs.Add(-1)
	s.here.Store(false)
	return nil
}

func (s *lasting) Close() error {
	if s.here.Load() {
		s.wrong.Store(true)
	}
	return nil
}

func TestASourceThatLastsIsNotClosedNorRunTwiceThoughItsFlowComesBack(t *testing.T) {
	var begun, runs, most atomic.Int64
	var wrong atomic.Bool
	ends := make(chan struct{})
	spec := engine.SourceSpec[nameConfig]{
		About: engine.About{Type: "lasting"},
		New: func(nameConfig) (engine.Source, error) {
			return &lasting{begun: &begun, runs: &runs, most: &most, ends: ends, wrong: &wrong}, nil
		},
	}
	const with = "flows: {f: {nodes: [lasting, {collect: one}, {queue: }, {collect: two}]}, g: {nodes: [feed, {collect: other}]}}"
	r := startOn(t, t.TempDir(), with, io.Discard, spec)
	r.Pause("f") // so that it is not idle
	until(t, "it runs", func() bool { return runs.Load() == 1 })
	log, err := r.store.Log(t.Context(), "f")
	if err == nil {
		err = log.Append(t.Context(), events(1))
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.apply(t, "flows: {g: {nodes: [feed, {collect: other}]}}")
		r.apply(t, with)
	}
	time.Sleep(50 * time.Millisecond)
	if most.Load() != 1 || wrong.Load() {
		t.Errorf("%d ran at a time; one was closed while it ran: %v", most.Load(), wrong.Load())
	}
	close(ends)
	if err := r.Resume("f"); err != nil {
		t.Fatal(err)
	}
	until(t, "the last one runs", func() bool { return begun.Load() == 3 && runs.Load() == 1 })
	if most.Load() != 1 || wrong.Load() {
		t.Errorf("%d ran at a time; one was closed while it ran: %v", most.Load(), wrong.Load())
	}
}

func TestAFlowThatGoesTwiceEndsOnce(t *testing.T) {
	const with = "flows: {f: {nodes: [feed, {collect: one}]}, g: {nodes: [five, {collect: other}]}}"
	const without = "flows: {g: {nodes: [five, {collect: other}]}}"
	r := startOn(t, t.TempDir(), with, io.Discard)
	r.failWith(down("one"))
	r.put(t, events(1)...)
	for range 3 {
		r.apply(t, without)
		r.apply(t, with)
	}
	r.apply(t, without)
	r.failWith(nil)
	want(t, r.wait(t, "one", 1), "1")
	until(t, "the flow ends", func() bool { return len(r.Flows()) <= 1 })
}

func TestANodeThatHangsDoesNotKeepTheEngineFromEnding(t *testing.T) {
	r := newBench()
	waits, release := r.hold("one")
	e := engine.New(r.registry(), engine.Options{Log: slog.New(slog.DiscardHandler), Drain: 50 * time.Millisecond})
	if _, err := e.Apply(t.Context(), document(t, "flows: {f: {nodes: [feed, {collect: one}]}}")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	r.feed <- feeding{events(1), make(chan string, 1)}
	<-waits
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it is told to have ended well")
		}
	case <-time.After(time.Minute):
		t.Error("it does not end")
	}
	release()
}
