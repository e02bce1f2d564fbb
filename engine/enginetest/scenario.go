package enginetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A Result is what came of a test.
type Result struct {
	Name     string
	Flow     string
	Mistakes flows.Diagnostics // what was not as expected; empty if the test passed
	Ways     []string          // what became of each event that was sent, a line for each
	Got      map[string][]any  // what each node got: sinks what they sent, others what they passed on
	Log      string            // what the nodes logged
	Took     time.Duration     // of the clock on the wall
	Reached  map[string]bool   // nodes, and ports as ID.PORT, that an event came to

	scenario *Scenario
	sinks    map[string]bool
	paths    *paths
	dead     []any
}

// Passed reports whether all was as expected.
func (r *Result) Passed() bool { return len(r.Mistakes) == 0 }

// Run runs a test: the flow with its real nodes in virtual time, and nothing
// of it leaves the machine. The document must have passed engine.Check.
func (s *Scenario) Run(doc *flows.Document, reg *engine.Registry) *Result {
	start := time.Now()
	result := &Result{Name: s.Name, Flow: s.Flow, Got: map[string][]any{}, Reached: map[string]bool{}, scenario: s}
	flow, diags := s.flow(doc)
	if flow != nil {
		result.Flow = flow.Name
		diags = append(diags, s.names(flow)...)
	}
	if result.Mistakes = diags; diags.Failed() {
		return result
	}
	dir, err := os.MkdirTemp("", "flowd-test-")
	if err != nil {
		result.Mistakes = flows.Diagnostics{s.at.Errorf("%v", err)}
		return result
	}
	defer os.RemoveAll(dir)
	r := newRehearsal(s, flow, dir)
	if err := inBubble(func() { r.play(reg) }); err != nil {
		r.fail(s.at.Errorf("the test can't be run: %v", err))
	}
	r.finish(result)
	result.Took = time.Since(start)
	return result
}

// TestFlows runs the tests in files of tests, each as a subtest: those at the
// given paths, about the documents beside them.
func TestFlows(t *testing.T, reg *engine.Registry, paths ...string) {
	for _, path := range paths {
		suite, diags := ReadSuite(path)
		if !diags.Failed() {
			var doc *flows.Document
			doc, diags = suite.Load(path, nil, os.LookupEnv)
			diags = append(diags, engine.Check(doc, reg)...)
			for _, scenario := range suite.Tests {
				if diags.Failed() {
					break
				}
				t.Run(scenario.Name, func(t *testing.T) {
					if result := scenario.Run(doc, reg); !result.Passed() {
						t.Error(result.Report())
					}
				})
			}
		}
		if diags.Failed() {
			t.Errorf("%s\n%s", path, diags.Format())
		}
	}
}

// Report says what was not as expected, and what became of each event.
func (r *Result) Report() string {
	var b strings.Builder
	b.WriteString(r.Mistakes.Format())
	if len(r.Ways) > 0 {
		b.WriteString("  what became of the events:\n")
	}
	for _, way := range r.Ways {
		b.WriteString("    " + way + "\n")
	}
	return b.String()
}

// A rehearsal is a test that runs.
type rehearsal struct {
	scenario *Scenario
	flow     *flows.Flow
	nodes    map[string]*flows.Node
	dir      string // where files are written
	log      Log
	changed  chan struct{} // tells that something was settled
	puts     sync.WaitGroup

	sources map[string]*stagedSource
	sinks   map[string]bool // but for queues, whose way goes on

	mu       sync.Mutex
	mistakes flows.Diagnostics
	sent     []*sent
	pending  int // entries whose source has not returned yet
	got      map[string][]any
	repliers map[engine.Offset]string // the first node to answer a request
	dead     []engine.DeadLetter
	paths    paths
	over     bool // what comes now is of the end of the test
}

// A sent is an entry of the test, and what it became.
type sent struct {
	*Send
	events []*engine.Event
	answer engine.Answer
	err    error
}

func newRehearsal(s *Scenario, f *flows.Flow, dir string) *rehearsal {
	r := &rehearsal{
		scenario: s, flow: f, dir: dir, nodes: map[string]*flows.Node{},
		sources: map[string]*stagedSource{}, sinks: map[string]bool{}, got: map[string][]any{}, repliers: map[engine.Offset]string{},
		paths: newPaths(),
	}
	for _, n := range f.Nodes {
		r.nodes[n.ID] = n
	}
	return r
}

// patience is how long, in virtual time, a flow has to settle what was sent.
const patience = 8 * 24 * time.Hour

// play runs the flow, sends, and waits until all is settled.
func (r *rehearsal) play(reg *engine.Registry) {
	r.changed = make(chan struct{}, 1) // here, for it belongs to the bubble
	if !r.scenario.Now.IsZero() {
		time.Sleep(time.Until(r.scenario.Now))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := engine.MemoryStore()
	eng := engine.New(reg.Around(r.stage), engine.Options{
		Store: store, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Hooks: engine.Hooks{Step: r.step, GaveUp: r.gaveUp, Settled: func(string, uint64) { r.tell() }},
	})
	if _, err := eng.Apply(ctx, &flows.Document{Flows: []*flows.Flow{r.flow}}); err != nil {
		var diags flows.Diagnostics
		if !errors.As(err, &diags) {
			diags = flows.Diagnostics{r.scenario.at.Errorf("starting the flow: %v", err)}
		}
		r.fail(diags...)
		cancel()
		eng.Run(ctx)
		return
	}
	r.paths.logs = r.logsOf()
	ended := make(chan error, 1)
	go func() { ended <- eng.Run(ctx) }()
	for i := range r.scenario.Send {
		r.send(ctx, &r.scenario.Send[i])
		synctest.Wait()
	}
	if !r.settle(eng) {
		r.fail(r.scenario.at.Errorf("not all that was sent is settled after %s", flows.Duration(patience)))
	}
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	cancel()
	<-ended // its error is that of work in hand, which is told
	r.puts.Wait()
	store.Close()
}

// send plays one entry of the test.
func (r *rehearsal) send(ctx context.Context, send *Send) {
	time.Sleep(time.Duration(send.After))
	if send.pause() {
		return
	}
	synctest.Wait()
	source, d := r.source(send)
	if source == nil {
		r.fail(d)
		return
	}
	<-source.ready
	s := &sent{Send: send}
	in := &inletOf{source.inlet, r, s}
	r.mu.Lock()
	r.sent = append(r.sent, s)
	r.pending++
	r.mu.Unlock()
	r.puts.Go(func() {
		var answer engine.Answer
		var err error
		if send.bodied() {
			answer, err = source.post(ctx, send, in)
		} else {
			err = source.put(ctx, send, in)
		}
		r.mu.Lock()
		r.pending--
		if !r.over {
			s.answer, s.err = answer, err
		}
		r.mu.Unlock()
		r.tell()
	})
}

// source is the source that an entry comes in by.
func (r *rehearsal) source(send *Send) (*stagedSource, flows.Diagnostic) {
	if s := r.sources[send.Source]; s != nil {
		return s, flows.Diagnostic{}
	}
	var ids []string
	for id := range r.sources {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	switch {
	case send.Source != "":
		return nil, send.at.Get("source").Errorf("%q is no source", send.Source).Suggest(send.Source, ids)
	case len(ids) == 1:
		return r.sources[ids[0]], flows.Diagnostic{}
	}
	d := send.at.Errorf("flow %q has several sources", r.flow.Name)
	d.Hint = "say source: " + strings.Join(ids, " or ")
	return nil, d
}

// settle waits until all that was sent is settled.
func (r *rehearsal) settle(eng *engine.Engine) bool {
	enough := time.After(patience)
	for {
		synctest.Wait()
		r.mu.Lock()
		idle := r.pending == 0
		r.mu.Unlock()
		for _, f := range eng.Flows() {
			idle = idle && f.Lag() == 0
		}
		if idle {
			return true
		}
		select {
		case <-r.changed:
		case <-enough:
			return false
		}
	}
}

func (r *rehearsal) tell() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *rehearsal) fail(ds ...flows.Diagnostic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mistakes = append(r.mistakes, ds...)
}

// came notes the events that an entry became.
func (r *rehearsal) came(s *sent, events []*engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.events = append(s.events, events...)
}

// answered notes what the flow answered to the request that brought e.
func (r *rehearsal) answered(e *engine.Event, a engine.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := r.repliers[e.Offset]; id != "" {
		r.record(id, shownAnswer(a))
	}
}

func shownAnswer(a engine.Answer) map[string]any {
	named := map[string]any{}
	for name, values := range a.Header {
		named[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return map[string]any{"status": cmp.Or(a.Status, 200), "headers": named, "body": bodyValue(a.Body)}
}

func (r *rehearsal) gaveUp(d engine.DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = append(r.dead, d)
}

// record notes what a node got while the test runs. The caller holds mu.
func (r *rehearsal) record(id string, shown any) {
	if !r.over {
		r.list(id, shown)
	}
}

func (r *rehearsal) list(id string, shown any) { r.got[id] = append(r.got[id], plain(shown)) }

// finish compares what came of the test with what it expects.
func (r *rehearsal) finish(result *Result) {
	for _, s := range r.sent {
		for _, e := range s.events {
			r.list(e.Node, e.Fields())
			result.Reached[e.Node] = true
		}
	}
	for id, tally := range r.paths.tallies {
		for _, out := range tally.passed {
			key := id
			if out.Port != "" {
				key += "." + out.Port
				result.Reached[key] = true
				r.list(key, out.Event.Fields())
			}
			if !r.sinks[id] {
				r.list(id, out.Event.Fields())
			}
		}
		result.Reached[id] = result.Reached[id] || len(tally.state) > 0
		for e := range tally.state {
			if e.Failure != nil {
				result.Reached[e.Failure.Node+".error"] = true
			}
		}
	}
	result.Got, result.Log = r.got, r.log.String()
	result.sinks, result.paths, result.dead = r.sinks, &r.paths, r.letters()
	for i, s := range r.sent {
		result.Ways = append(result.Ways, fmt.Sprintf("%d. %s", i+1, r.became(s)))
		r.mistakes = append(r.mistakes, r.refused(s)...)
	}
	result.Mistakes = append(r.mistakes, r.compare()...).Sorted()
}

// refused are the mistakes of an entry that its source did not take as
// expected.
func (r *rehearsal) refused(s *sent) flows.Diagnostics {
	switch {
	case s.err != nil && !errors.Is(s.err, context.Canceled):
		return flows.Diagnostics{s.at.Errorf("%v", s.err)}
	case s.Answer.Value != nil:
		m := &matcher{}
		m.match("the answer", s.Answer.Value, plain(shownAnswer(s.answer)))
		return m.diags
	case s.answer.Status >= 400:
		d := s.at.Errorf("the source refused it: %d %s", s.answer.Status, strings.TrimSpace(string(s.answer.Body)))
		d.Hint = "if that is right, say answer: {status: " + fmt.Sprint(s.answer.Status) + "}"
		return flows.Diagnostics{d}
	}
	return nil
}
