package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a registry of test nodes and what they saw.
type bench struct {
	mu   sync.Mutex
	got  map[string][]*engine.Event // by the collect node's name
	news chan struct{}
	feed chan feeding // what feed sources put in
	fail func(name string, e *engine.Event) error
	bad  map[string]bool // the nodes that fail has failed

	opened, closed atomic.Int64
}

func newBench() *bench {
	return &bench{got: map[string][]*engine.Event{}, news: make(chan struct{}, 1), feed: make(chan feeding), bad: map[string]bool{}}
}

type nameConfig struct {
	// Name tells nodes of one type apart.
	Name string `flow:"name,main"`
}

func (b *bench) registry() *engine.Registry {
	return engine.NewRegistry(language{},
		engine.Queue,
		engine.SourceSpec[nameConfig]{
			About: engine.About{Type: "feed"},
			New:   func(nameConfig) (engine.Source, error) { return &feedSource{b: b}, nil },
		},
		engine.SourceSpec[nameConfig]{
			About: engine.About{Type: "web"},
			New:   func(c nameConfig) (engine.Source, error) { return &webSource{path: c.Name}, nil },
		},
		engine.SourceSpec[nameConfig]{
			About: engine.About{Type: "five"},
			New:   func(c nameConfig) (engine.Source, error) { return fiveSource{}, nil },
		},
		engine.ProcessorSpec[nameConfig]{
			About: engine.About{Type: "tag"},
			New: func(c nameConfig) (engine.Processor, error) {
				return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
					if err := b.failures(c.Name)(e); err != nil {
						return err
					}
					copied := e.Copy()
					copied.Subject += c.Name
					out.Emit(copied)
					return nil
				}), nil
			},
		},
		engine.ProcessorSpec[nameConfig]{
			About: engine.About{Type: "parity"},
			Ports: func(nameConfig) []string { return []string{"odd", "even"} },
			New: func(nameConfig) (engine.Processor, error) {
				return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
					var n int
					fmt.Sscan(e.ID, &n)
					out.EmitTo(1-n%2, e)
					return nil
				}), nil
			},
		},
		engine.SinkSpec[nameConfig]{
			About: engine.About{Type: "collect"},
			Retry: engine.Retry{Attempts: 3, First: flows.Duration(time.Millisecond), Max: flows.Duration(5 * time.Millisecond)},
			New:   func(c nameConfig) (engine.Sink, error) { return &collector{b, c.Name}, nil },
		},
		engine.SinkSpec[nameConfig]{
			About: engine.About{Type: "reply"},
			New:   func(c nameConfig) (engine.Sink, error) { return &replier{collector{b, c.Name}}, nil },
		},
	)
}

// failures returns what a node fails with, event by event: it is one thing for
// all of a batch, so that none gets ahead of those before it.
func (b *bench) failures(name string) func(*engine.Event) error {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	return func(e *engine.Event) error {
		if fail == nil {
			return nil
		}
		err := fail(name, e)
		if err != nil {
			b.mu.Lock()
			b.bad[name] = true
			b.mu.Unlock()
		}
		return err
	}
}

func (b *bench) failWith(fail func(name string, e *engine.Event) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail, b.bad = fail, map[string]bool{}
}

// waitFailed waits until a node has failed as it was told to.
func (b *bench) waitFailed(t *testing.T, name string) {
	t.Helper()
	until(t, name+" has failed", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.bad[name]
	})
}

// events are those that the sink has got.
func (b *bench) events(name string) []*engine.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got[name])
}

func (b *bench) ids(name string) []string {
	var ids []string
	for _, e := range b.events(name) {
		ids = append(ids, e.ID)
	}
	return ids
}

// wait waits until the sink has n events.
func (b *bench) wait(t *testing.T, name string, n int) []string {
	t.Helper()
	deadline := time.After(time.Minute)
	for len(b.ids(name)) < n {
		select {
		case <-b.news:
		case <-time.After(2 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%s got %d events, want %d", name, len(b.ids(name)), n)
		}
	}
	return b.ids(name)
}

// A feeding is a batch for any feed source, which says what flow it is of.
type feeding struct {
	batch []*engine.Event
	flow  chan string
}

type feedSource struct {
	b    *bench
	flow string
}

func (s *feedSource) Open(_ context.Context, env *engine.Env) error {
	s.flow = env.Flow
	return nil
}

func (s *feedSource) Run(ctx context.Context, in engine.Inlet) error {
	for {
		select {
		case f := <-s.b.feed:
			if ctx.Err() != nil { // it is another's, who may wait for this one to end
				go func() { s.b.feed <- f }()
				return nil
			}
			f.flow <- s.flow
			if err := in.Put(ctx, f.batch...); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

type fiveSource struct{}

func (fiveSource) Run(ctx context.Context, in engine.Inlet) error {
	return in.Put(ctx, events(1, 2, 3, 4, 5)...)
}

type collector struct {
	b    *bench
	name string
}

func (c *collector) Open(context.Context, *engine.Env) error {
	c.b.opened.Add(1)
	if c.name == "unopenable" {
		return errors.New("no such place")
	}
	return nil
}

func (c *collector) Close() error {
	c.b.closed.Add(1)
	return nil
}

func (c *collector) Write(_ context.Context, batch []*engine.Event) error {
	var failures engine.Failures
	failure := c.b.failures(c.name)
	for _, e := range batch {
		if err := failure(e); err != nil {
			failures = append(failures, engine.Failed{Event: e, Err: err})
			continue
		}
		c.b.mu.Lock()
		c.b.got[c.name] = append(c.b.got[c.name], e)
		c.b.mu.Unlock()
	}
	select {
	case c.b.news <- struct{}{}:
	default:
	}
	if failures != nil {
		return failures
	}
	return nil
}

// language knows two conditions: `no` and, for any other text, whether the id
// of the event is in it. Its key is the id.
type language struct{}

func (language) Condition(v *flows.Value) (func(*engine.Event) (bool, error), flows.Diagnostics) {
	return func(e *engine.Event) (bool, error) {
		if v.Text == "boom" {
			return false, errors.New("boom is neither true nor false")
		}
		return slices.Contains(strings.Fields(v.Text), e.ID), nil
	}, nil
}

func (language) Key(v *flows.Value) (func(*engine.Event) (string, error), flows.Diagnostics) {
	return func(e *engine.Event) (string, error) { return e.Type, nil }, nil
}

func events(ids ...int) []*engine.Event {
	var batch []*engine.Event
	for _, id := range ids {
		batch = append(batch, &engine.Event{ID: fmt.Sprint(id), Type: "t"})
	}
	return batch
}

// A running is an engine at work in a test.
type running struct {
	*bench
	*engine.Engine
	store engine.Store
	ended chan error
	stop  context.CancelFunc
}

// drain is far longer than a busy machine takes to end an engine in which
// nothing hangs.
const drain = time.Minute

// start runs a document of flows given as YAML. It may have more types of node
// than those of the bench.
func start(t *testing.T, yaml string, more ...engine.Declaration) *running {
	t.Helper()
	return startDraining(t, drain, yaml, more...)
}

// startDraining is start with a time for what is in hand at the end.
func startDraining(t *testing.T, inHand time.Duration, yaml string, more ...engine.Declaration) *running {
	t.Helper()
	r := &running{bench: newBench(), store: engine.MemoryStore(), ended: make(chan error, 1)}
	r.Engine = engine.New(r.registry().With(more...), engine.Options{
		Store: r.store, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Drain: inHand,
	})
	if _, err := r.Apply(t.Context(), document(t, yaml)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { r.ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-r.ended:
		case <-time.After(2 * drain):
			t.Error("the engine did not stop")
		}
	})
	return r
}

func document(t *testing.T, yaml string) *flows.Document {
	t.Helper()
	doc, diags := loaded(t, yaml)
	if diags.Failed() {
		t.Fatal(diags)
	}
	return doc
}

func loaded(t *testing.T, yaml string) (*flows.Document, flows.Diagnostics) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return flows.Load([]string{path}, os.LookupEnv)
}

// waitLetters waits for the first dead letter.
func (r *running) waitLetters(t *testing.T) []engine.DeadLetter {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if letters := r.letters(t); len(letters) > 0 {
			return letters
		}
	}
	t.Fatal("no dead letter came")
	return nil
}

func (r *running) letters(t *testing.T) []engine.DeadLetter {
	t.Helper()
	letters, err := r.store.DeadLetters().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// put has a source put events in. It returns when they are in the log.
func (r *running) put(t *testing.T, batch ...*engine.Event) {
	t.Helper()
	before := r.ends()
	f := feeding{batch, make(chan string, 1)}
	select {
	case r.feed <- f:
	case <-time.After(time.Minute):
		t.Fatal("the source takes no more")
	}
	flow := <-f.flow
	until(t, "the events are in the log", func() bool {
		return r.ends()[flow] >= before[flow]+engine.Offset(len(batch))
	})
}

// ends are those of the logs of all flows.
func (r *running) ends() map[string]engine.Offset {
	ends := map[string]engine.Offset{}
	for _, f := range r.Flows() {
		ends[f.Name] = f.Cursors[0].End
	}
	return ends
}

func want(t *testing.T, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Errorf("got %v, want %v", got, wanted)
	}
}

func TestEventsGoFromTheSourceThroughTheNodesToTheSinksInOrder(t *testing.T) {
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
	r.put(t, events(1, 2, 3)...)
	want(t, r.wait(t, "one", 3), "1", "2", "3")
	want(t, r.wait(t, "two", 3), "1", "2", "3")
	if got := r.events("one")[0].Subject; got != "ab" {
		t.Errorf("one got %q, want what both tags made", got)
	}
	if got := r.events("two")[0].Subject; got != "a" {
		t.Errorf("two got %q, want what the first tag made", got)
	}
}

func TestRunReturnsOnceEverySourceHasFinishedAndAllIsDelivered(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [five, {collect: one}]}}")
	select {
	case err := <-r.ended:
		if err != nil {
			t.Error(err)
		}
		r.ended <- nil
	case <-time.After(time.Minute):
		t.Fatal("still running")
	}
	want(t, r.ids("one"), "1", "2", "3", "4", "5")
	if r.closed.Load() != r.opened.Load() {
		t.Errorf("%d nodes opened, %d closed", r.opened.Load(), r.closed.Load())
	}
}

func TestEventsThatAConditionIsNotTrueForPassByInTheirPlace(t *testing.T) {
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - tag: x
        when: 2 4
      - collect: some
        when: 1 2
      - collect: all
`)
	r.put(t, events(1, 2, 3, 4)...)
	want(t, r.wait(t, "all", 4), "1", "2", "3", "4")
	want(t, r.ids("some"), "1", "2")
	var tagged []string
	for _, e := range r.events("all") {
		tagged = append(tagged, e.Subject)
	}
	want(t, tagged, "", "x", "", "x")
}

func TestAConditionThatFailsFailsTheEventAndIsNeverFalse(t *testing.T) {
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - tag: x
        when: boom
      - collect: all
      - collect: errors
        from: tag.error
`)
	r.put(t, events(1)...)
	want(t, r.wait(t, "errors", 1), "1")
	want(t, r.ids("all"))
	if f := r.events("errors")[0].Failure; f == nil || f.Node != "tag" || !strings.Contains(f.Message, "boom") {
		t.Errorf("the event carries %+v", f)
	}
	if len(r.letters(t)) != 0 {
		t.Error("what goes to an error port is no dead letter")
	}
}

func TestPortsOfANodeLeadDifferentWaysAndMeetInOrder(t *testing.T) {
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - parity:
      - tag: o
        from: parity.odd
      - tag: e
        from: parity.even
      - collect: all
        from: [tag-2, tag]
`)
	r.put(t, events(1, 2, 3, 4, 5)...)
	want(t, r.wait(t, "all", 5), "1", "2", "3", "4", "5")
}

func TestARefusedEventIsADeadLetterAndTheOthersGoOn(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}, {collect: after}]}}")
	r.failWith(func(name string, e *engine.Event) error {
		if name == "one" && e.ID == "2" {
			return engine.Permanent(errors.New("no such channel"))
		}
		return nil
	})
	r.put(t, events(1, 2, 3)...)
	want(t, r.wait(t, "after", 2), "1", "3")
	letters := r.waitLetters(t)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	l := letters[0]
	if l.Flow != "f" || l.Event.ID != "2" || l.Failure.Node != "collect" || l.Failure.Attempts != 1 || l.Failure.Message != "no such channel" {
		t.Errorf("the letter says %+v of event %s", l.Failure, l.Event.ID)
	}
}

func TestWhatMayPassIsTriedAgainAndNothingUpstreamRunsTwice(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: before}, {collect: shaky}]}}")
	tries := map[string]int{}
	r.failWith(func(name string, e *engine.Event) error {
		if name == "shaky" {
			if tries[e.ID]++; e.ID == "1" && tries[e.ID] < 3 {
				return errors.New("500")
			}
		}
		return nil
	})
	r.put(t, events(1, 2)...)
	want(t, r.wait(t, "shaky", 2), "2", "1")
	want(t, r.ids("before"), "1", "2")
	if tries["1"] != 3 || tries["2"] != 1 {
		t.Errorf("tried %v times", tries)
	}
}

func TestAnEventIsGivenUpAfterItsAttempts(t *testing.T) {
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - collect: one
        retry: {attempts: 2, first: 1ms}
      - collect: two
        from: feed
        on_error: drop
`)
	r.failWith(func(name string, e *engine.Event) error { return errors.New("500") })
	r.put(t, events(1)...)
	letters := r.waitLetters(t)
	if len(letters) != 1 || letters[0].Failure.Node != "collect" || letters[0].Failure.Attempts != 2 {
		t.Errorf("letters: %+v", letters)
	}
}

func TestADestinationThatIsDownHoldsTheLaneHoweverLongItTakes(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	var tries atomic.Int64
	r.failWith(func(name string, e *engine.Event) error {
		if tries.Add(1) < 20 {
			return engine.Unavailable(errors.New("refused"), 0)
		}
		return nil
	})
	r.put(t, events(1)...)
	want(t, r.wait(t, "one", 1), "1")
	if len(r.letters(t)) != 0 {
		t.Error("it became a dead letter, too")
	}
}

func TestADestinationThatRefusesEverythingIsDownAndDoesNotEmptyTheLog(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	var mended atomic.Bool
	r.failWith(func(string, *engine.Event) error {
		if mended.Load() {
			return nil
		}
		return errors.New("500")
	})
	var batch []*engine.Event
	for i := range 50 {
		batch = append(batch, events(i)...)
	}
	r.put(t, batch...)
	time.Sleep(100 * time.Millisecond) // many more attempts than an event has
	mended.Store(true)
	r.wait(t, "one", 42)
	r.waitLetters(t)
	if n := len(r.letters(t)); n != 8 {
		t.Errorf("%d dead letters, want 8 and then a lane that waits", n)
	}
}

func TestAPanicFailsTheEventThatCausedItAndTheLaneGoesOn(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {tag: x}, {collect: one}]}}")
	r.failWith(func(name string, e *engine.Event) error {
		if name == "x" && e.ID == "2" {
			panic("out of luck")
		}
		return nil
	})
	r.put(t, events(1, 2, 3)...)
	r.put(t, events(4)...)
	want(t, r.wait(t, "one", 3), "1", "3", "4")
	if letters := r.waitLetters(t); len(letters) != 1 || !strings.Contains(letters[0].Failure.Message, "out of luck") {
		t.Errorf("letters: %+v", letters)
	}
}

func TestAnEventThatItsSourceCouldNotReadIsADeadLetter(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	bad := events(1, 2)
	bad[0].Failure = &engine.Failure{Message: "not JSON"}
	r.put(t, bad...)
	want(t, r.wait(t, "one", 1), "2")
	if letters := r.waitLetters(t); len(letters) != 1 || letters[0].Failure.Message != "not JSON" || letters[0].Failure.Node != "feed" {
		t.Errorf("letters: %+v", letters)
	}
}

func TestWithSeveralLanesEqualKeysKeepTheirOrder(t *testing.T) {
	r := start(t, "flows: {f: {lanes: 4, order_by: type, nodes: [feed, {collect: one}]}}")
	const n = 2000
	var batch []*engine.Event
	for i := range n {
		batch = append(batch, &engine.Event{ID: fmt.Sprint(i), Type: fmt.Sprint(i % 7)})
	}
	r.put(t, batch...)
	r.wait(t, "one", n)
	last := map[string]int{}
	for _, e := range r.events("one") {
		var i int
		fmt.Sscan(e.ID, &i)
		if before, ok := last[e.Type]; ok && before >= i {
			t.Fatalf("%d came after %d of the same key", i, before)
		}
		last[e.Type] = i
	}
}

func TestATapShowsWhatANodePassesOn(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {tag: x}, {collect: one}]}}")
	tap, ok := r.Tap("f", "tag", 10)
	if !ok {
		t.Fatal("no such node")
	}
	defer tap.Stop()
	r.put(t, events(1)...)
	select {
	case e := <-tap.Events():
		if e.ID != "1" || e.Subject != "x" {
			t.Errorf("saw %+v", e)
		}
	case <-time.After(time.Minute):
		t.Error("saw nothing")
	}
	if _, ok := r.Tap("f", "nobody", 1); ok {
		t.Error("a node that is not there can be tapped")
	}
}

func TestATapThatNobodyReadsCountsWhatItDrops(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {tag: x}, {collect: one}]}}")
	tap, ok := r.Tap("f", "tag", 2)
	if !ok {
		t.Fatal("no such node")
	}
	r.put(t, events(1, 2, 3, 4, 5)...)
	r.wait(t, "one", 5)
	if n := tap.Dropped(); n != 3 {
		t.Errorf("dropped %d, want 3", n)
	}
	tap.Stop()
	r.put(t, events(6)...)
	r.wait(t, "one", 6)
	if n := tap.Dropped(); n != 3 {
		t.Errorf("a tap that was stopped dropped %d", n)
	}
}
