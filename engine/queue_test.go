package engine_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

func down(names ...string) func(string, *engine.Event) error {
	return func(name string, _ *engine.Event) error {
		for _, n := range names {
			if n == name {
				return engine.Unavailable(errors.New("down"), 0)
			}
		}
		return nil
	}
}

const queued = `
flows:
  f:
    nodes:
      - feed
      - queue:
      - tag: x
      - collect: slow
      - collect: quick
        from: feed
`

func TestWhatIsBehindAQueueDoesNotHoldUpWhatIsBeforeIt(t *testing.T) {
	r := start(t, queued)
	r.failWith(down("slow"))
	for i := range 5 {
		r.put(t, events(i)...)
	}
	want(t, r.wait(t, "quick", 5), "0", "1", "2", "3", "4")
	want(t, r.ids("slow"))
	r.failWith(nil)
	want(t, r.wait(t, "slow", 5), "0", "1", "2", "3", "4")
	for _, s := range r.Nodes() {
		if s.Type == "queue" && s.Kind != engine.SinkKind {
			t.Error("the way out of a queue is shown as a node")
		}
	}
}

func TestWhatAQueueHoldsIsDeliveredThoughTheDocumentLosesIt(t *testing.T) {
	for name, next := range map[string]string{
		"the queue": "flows: {f: {nodes: [feed, {collect: quick}]}}",
		"the flow":  "flows: {g: {nodes: [five, {collect: other}]}}",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, queued)
			r.failWith(down("slow"))
			r.put(t, events(1, 2)...)
			r.wait(t, "quick", 2)
			r.apply(t, next)
			r.failWith(nil)
			want(t, r.wait(t, "slow", 2), "1", "2")
		})
	}
}

func TestAFlowThatComesBackWhileItIsDrainingGoesOn(t *testing.T) {
	r := start(t, queued)
	r.failWith(down("slow"))
	r.put(t, events(1, 2)...)
	r.wait(t, "quick", 2)
	r.apply(t, "flows: {g: {nodes: [five, {collect: other}]}}")
	r.apply(t, queued)
	r.put(t, events(3)...)
	r.failWith(nil)
	want(t, r.wait(t, "slow", 3), "1", "2", "3")
}

func TestRunWaitsForWhatIsBehindQueues(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [five, queue, {queue: {}, id: second}, {tag: x}, {collect: one}]}}")
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
}

func TestANodeTakesEventsFromOneSideOfAQueueOnly(t *testing.T) {
	b := newBench()
	diags := engine.Check(document(t, "flows: {f: {nodes: [feed, queue, {tag: x}, {collect: one, from: [feed, tag]}]}}"), b.registry())
	if !diags.Failed() {
		t.Errorf("no mistake found: %v", diags)
	}
}

func TestDoubtsAreWarnings(t *testing.T) {
	for yaml, want := range map[string]string{
		"flows: {f: {nodes: [feed, {tag: x}]}}":                               `what "tag" emits goes nowhere`,
		"flows: {f: {nodes: [feed, parity, {collect: a, from: parity.odd}]}}": "nothing takes port parity.even",
		"flows: {f: {nodes: [feed, {collect: a}, {feed: x}]}}":                `what "feed-2" emits goes nowhere`,
		"flows: {f: {order_by: id, nodes: [feed, {collect: a}]}}":             "order_by does nothing with one lane",
	} {
		diags := engine.Check(document(t, yaml), newBench().registry())
		if diags.Failed() || len(diags) == 0 || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", yaml, diags, want)
		}
	}
}

func TestBehindAQueueAnEventIsWhatItWasBeforeIt(t *testing.T) {
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - tag: x
      - collect: never
      - queue:
        from: tag.error
      - collect: late
`)
	r.failWith(func(name string, _ *engine.Event) error {
		if name == "x" {
			return errors.New("no good")
		}
		return nil
	})
	r.put(t, events(1)...)
	want(t, r.wait(t, "late", 1), "1")
	e := r.events("late")[0]
	if e.Node != "feed" || e.Failure == nil || e.Failure.Node != "tag" || e.Failure.Message != "no good" {
		t.Errorf("the event has node %q and failure %+v", e.Node, e.Failure)
	}
}

func TestWhatNoLogCanHoldIsGivenUpBeforeAQueue(t *testing.T) {
	r := start(t, queued)
	batch := events(1, 2, 3)
	batch[1].Data = engine.Value(math.NaN())
	r.put(t, batch...)
	want(t, r.wait(t, "slow", 2), "1", "3")
	want(t, r.wait(t, "quick", 3), "1", "2", "3")
	letters, err := r.store.DeadLetters().List(t.Context())
	if err != nil || len(letters) != 1 || letters[0].Event.ID != "2" || letters[0].Failure.Node != "queue" {
		t.Fatalf("got the dead letters %+v, %v", letters, err)
	}
	if text, err := letters[0].Event.Data.Bytes(); err != nil || !strings.Contains(string(text), "unsupported value: NaN") {
		t.Errorf("no store can hold the dead letter: %s, %v", text, err)
	}
}

func TestMetaIsWhatComesOfItInALog(t *testing.T) {
	r := start(t, queued)
	batch := events(1, 2, 3)
	given := engine.Meta{"n": 1, "f": 4.0, "bytes": []byte("abc"), "list": []string{"a"}, "inner": map[string]any{"tags": map[string]string{"k": "v"}}}
	fine := engine.Meta{"headers": map[string]any{"a": []any{"b", nil}}}
	batch[0].Meta, batch[1].Meta, batch[2].Meta = given, given, fine
	r.put(t, batch...)
	r.wait(t, "quick", 3)
	become := engine.Meta{"n": int64(1), "f": 4.0, "bytes": "YWJj", "list": []any{"a"}, "inner": map[string]any{"tags": map[string]any{"k": "v"}}}
	got := r.events("quick")
	if diff := cmp.Diff([]engine.Meta{become, become, fine}, []engine.Meta{got[0].Meta, got[1].Meta, got[2].Meta}); diff != "" {
		t.Error(diff)
	}
	if given["n"] != 1 || reflect.ValueOf(got[2].Meta).UnsafePointer() != reflect.ValueOf(fine).UnsafePointer() {
		t.Error("the meta that the source has was changed, or copied for nothing")
	}
}
