package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
)

func all(engine.DeadLetter) bool { return true }

func refusal(names ...string) func(string, *engine.Event) error {
	return func(name string, _ *engine.Event) error {
		for _, n := range names {
			if n == name {
				return engine.Permanent(errors.New("refused by " + name))
			}
		}
		return nil
	}
}

func TestADeadLetterThatIsTriedAgainEntersAtTheNodeThatGaveItUp(t *testing.T) {
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - tag: a
      - tag: b
      - collect: one
      - collect: two
        from: tag
`)
	r.failWith(refusal("b"))
	r.put(t, events(1, 2)...)
	r.waitLetters(t)
	r.wait(t, "two", 2)
	r.failWith(nil)
	n, err := r.Retry(t.Context(), func(d engine.DeadLetter) bool { return d.Event.ID == "1" })
	if n != 1 || err != nil {
		t.Fatalf("got %d and %v, want 1 and no error", n, err)
	}
	want(t, r.wait(t, "one", 1), "1")
	want(t, r.ids("two"), "1", "2") // nothing before the node has run again
	if got := r.events("one")[0]; got.Subject != "ab" || got.At != "" || got.Node != "feed" {
		t.Errorf("the event came as %+v, want it as it was at the node", got)
	}
	if left := r.letters(t); len(left) != 1 || left[0].Event.ID != "2" {
		t.Errorf("%v are left, want the letter of event 2", left)
	}
}

func TestADeadLetterFromBehindAQueueGoesBackBehindIt(t *testing.T) {
	r := start(t, queued)
	r.failWith(refusal("slow"))
	r.put(t, events(1)...)
	r.waitLetters(t)
	r.failWith(nil)
	if n, err := r.Retry(t.Context(), all); n != 1 || err != nil {
		t.Fatalf("got %d and %v, want 1 and no error", n, err)
	}
	want(t, r.wait(t, "slow", 1), "1")
	want(t, r.ids("quick"), "1")
}

func TestARetryThatFailsAgainIsANewDeadLetter(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	r.failWith(refusal("one"))
	r.put(t, events(1)...)
	first := r.waitLetters(t)[0]
	if n, err := r.Retry(t.Context(), all); n != 1 || err != nil {
		t.Fatalf("got %d and %v, want 1 and no error", n, err)
	}
	if now := r.letters(t); len(now) != 1 || now[0].ID == first.ID {
		t.Errorf("got %v, want one new letter", now)
	}
}

func TestARetryWhoseNodeIsGoneLeavesTheLetter(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	r.failWith(refusal("one"))
	r.put(t, events(1)...)
	r.waitLetters(t)
	r.apply(t, "flows: {f: {nodes: [feed, {collect: one, id: other}]}}")
	n, err := r.Retry(t.Context(), all)
	if n != 0 || err == nil || !strings.Contains(err.Error(), `no node "collect" now`) {
		t.Errorf("got %d and %v, want that the node is gone", n, err)
	}
	if left := r.letters(t); len(left) != 1 {
		t.Errorf("%d letters are left, want 1", len(left))
	}
}

func TestALetterThatIsBeingTriedAgainIsNotTakenTwice(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	r.failWith(refusal("one"))
	r.put(t, events(1)...)
	r.waitLetters(t)
	r.failWith(nil)
	if err := r.Pause("f"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	retried := make(chan error, 1)
	go func() {
		_, err := r.Retry(ctx, all)
		retried <- err
	}()
	until(t, "the event is in the log again", func() bool { return status(t, r, "f").Lag() == 1 })
	cancel()
	if err := <-retried; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that the event is still on its way", err)
	}
	if n, err := r.Retry(t.Context(), all); n != 0 || err != nil {
		t.Errorf("got %d and %v, want none", n, err)
	}
	if err := r.Resume("f"); err != nil {
		t.Fatal(err)
	}
	want(t, r.wait(t, "one", 1), "1")
	until(t, "the letter is gone", func() bool { return len(r.letters(t)) == 0 })
}

func TestRetryInAStoreThatNothingUsesIsDoneByTheNextEngine(t *testing.T) {
	r := start(t, queued)
	r.failWith(refusal("slow"))
	r.put(t, events(1)...)
	letter := r.waitLetters(t)[0]

	next := engine.MemoryStore()
	if err := next.DeadLetters().Add(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	// A log in memory forgets what nobody reads.
	log, err := next.Queue(t.Context(), "f.queue")
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := log.Cursor(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := engine.RetryStored(t.Context(), next, document(t, queued), r.registry(), all); n != 1 || err != nil {
		t.Fatalf("got %d and %v, want 1 and no error", n, err)
	}
	batch := make([]*engine.Event, 2)
	if n, err := cursor.Next(t.Context(), batch); n != 1 || err != nil || batch[0].At != "collect" || batch[0].ID != "1" {
		t.Errorf("the log holds %v (%v), want the event, for the node collect", batch[:n], err)
	}
	if left, _ := next.DeadLetters().List(t.Context()); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestAPausedFlowTakesEventsAndSettlesThemOnceItIsResumed(t *testing.T) {
	r := start(t, `
server: {listen: 127.0.0.1:0}
flows:
  f: {nodes: [feed, {collect: one}]}
  g: {nodes: [{web: /x}, {collect: two}]}
`)
	if err := r.Pause("f"); err != nil {
		t.Fatal(err)
	}
	r.put(t, events(1)...)
	// A reload changes nothing about it.
	r.apply(t, `
server: {listen: 127.0.0.1:0}
flows:
  f: {nodes: [feed, {tag: x}, {collect: one}]}
  g: {nodes: [{web: /x}, {collect: two}]}
`)
	time.Sleep(20 * time.Millisecond)
	want(t, r.ids("one"))
	if f, g := status(t, r, "f"), status(t, r, "g"); !f.Paused || g.Paused || f.Lag() != 1 {
		t.Errorf("got %+v and %+v, want f paused with one event to come", f, g)
	}
	if err := r.Resume("f"); err != nil {
		t.Fatal(err)
	}
	want(t, r.wait(t, "one", 1), "1")
	if err := r.Pause("nobody"); !errors.Is(err, engine.ErrNoFlow) {
		t.Errorf("got %v, want that no such flow runs", err)
	}
}

func TestAnEngineStopsThoughAFlowIsPausedAndItsEventsAreNotSettled(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	if err := r.Pause("f"); err != nil {
		t.Fatal(err)
	}
	r.put(t, events(1)...)
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	r.ended <- nil
	want(t, r.ids("one"))
}

func status(t *testing.T, r *running, flow string) engine.FlowStatus {
	t.Helper()
	for _, s := range r.Flows() {
		if s.Name == flow {
			return s
		}
	}
	t.Fatalf("flow %s does not run", flow)
	return engine.FlowStatus{}
}

// An opener is a sink that takes its time to open.
type opener struct {
	collector
	opening, open chan struct{}
}

func (o *opener) Open(context.Context, *engine.Env) error {
	close(o.opening)
	<-o.open
	return nil
}

func TestWhoLooksDoesNotWaitForAReloadThatTakesLong(t *testing.T) {
	b := newBench()
	slow := &opener{collector{b, "slow"}, make(chan struct{}), make(chan struct{})}
	e := engine.New(b.registry().With(engine.SinkSpec[nameConfig]{
		About: engine.About{Type: "slow"},
		New:   func(nameConfig) (engine.Sink, error) { return slow, nil },
	}), engine.Options{})
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer func() { stop(); <-ended }()
	if _, err := e.Apply(ctx, document(t, "flows: {f: {nodes: [feed, {collect: one}]}}")); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- e.Run(ctx) }()
	applied := make(chan error)
	next := document(t, "flows: {f: {nodes: [feed, slow]}}")
	go func() {
		_, err := e.Apply(ctx, next)
		applied <- err
	}()
	<-slow.opening
	if n := len(e.Flows()) + len(e.Nodes()); n != 3 {
		t.Errorf("got %d flows and nodes, want 3", n)
	}
	if err := e.Pause("f"); err != nil {
		t.Error(err)
	}
	close(slow.open)
	if err := <-applied; err != nil {
		t.Error(err)
	}
}
