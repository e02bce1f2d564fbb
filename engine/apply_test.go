package engine_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
)

func (r *running) apply(t *testing.T, yaml string) engine.Changes {
	t.Helper()
	changes, err := r.Apply(t.Context(), document(t, yaml))
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestAReloadKeepsWhatIsTheSameAndSaysWhatIsNot(t *testing.T) {
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - tag: a
      - collect: one
      - collect: two
  g: {nodes: [{feed: x}, {collect: three}]}
`)
	changes := r.apply(t, `
flows:
  f:
    nodes:
      - feed:            # a comment is no change
      - {tag: "a", when: 1 2}
      - collect: {name: uno}
      - collect: two
        from: tag
      - collect: four
        id: four
  h: {nodes: [{feed: x}, {collect: three}]}
`)
	want(t, changes.Kept, "f.feed")
	want(t, changes.Changed, "f.collect")
	want(t, changes.Rewired, "f.tag", "f.collect-2")
	want(t, changes.Added, "f.four", "h.feed", "h.collect")
	want(t, changes.FlowsAdded, "h")
	want(t, changes.FlowsRemoved, "g")
	if again := r.apply(t, `
flows:
  f:
    nodes:
      - feed
      - tag: a
        when: 1 2
      - collect: {name: uno}
      - collect: two
        from: tag
      - collect: four
        id: four
  h: {nodes: [{feed: x}, {collect: three}]}
`); !again.None() {
		t.Errorf("nothing changed, yet: %s", again)
	}
}

func TestAWrongDocumentChangesNothing(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	for name, yaml := range map[string]string{
		"a mistake":           "flows: {f: {nodes: [feed, {colect: one}]}}",
		"a node that fails":   "flows: {f: {nodes: [feed, {tag: y}, {collect: unopenable}]}}",
		"an address in use":   "server: {listen: '256.0.0.1:1'}\nflows: {f: {nodes: [{web: /x}, {collect: other}]}}",
		"a flow beside it":    "flows: {f: {nodes: [feed, {collect: other}]}, g: {nodes: [feed, {collect: unopenable}]}}",
		"a port that is none": "flows: {f: {nodes: [feed, parity, {collect: other}]}}",
	} {
		if _, err := r.Apply(t.Context(), document(t, yaml)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	r.put(t, events(1)...)
	want(t, r.wait(t, "one", 1), "1")
	want(t, r.ids("other"))
	if r.opened.Load()-r.closed.Load() != 1 {
		t.Errorf("%d nodes opened, %d closed: want one open", r.opened.Load(), r.closed.Load())
	}
}

func TestALaneThatIsTryingAgainTakesItsBatchAgainUnderTheNewPlan(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: down, retry: {first: 1h, max: 1h}}]}}")
	r.failWith(func(name string, e *engine.Event) error {
		if name == "down" {
			return engine.Unavailable(errors.New("refused"), 0)
		}
		return nil
	})
	r.put(t, events(1, 2)...)
	r.waitFailed(t, "down")
	r.apply(t, "flows: {f: {nodes: [feed, {collect: up}]}}")
	want(t, r.wait(t, "up", 2), "1", "2")
}

func TestARemovedFlowEndsAndItsNodesAreClosed(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one}]}, g: {nodes: [{feed: x}, {collect: two}]}}")
	r.apply(t, "flows: {f: {nodes: [feed, {collect: one}]}}")
	until(t, "one node is closed", func() bool { return r.closed.Load() == 1 })
	for i := range 5 {
		r.put(t, events(i)...)
	}
	r.wait(t, "one", 5)
	want(t, r.ids("two"))
}

func TestChangesReadAsOneLine(t *testing.T) {
	c := engine.Changes{Added: []string{"f.a", "f.b"}, Gone: []string{"f.c"}}
	if got := c.String(); got != "added: f.a, f.b; removed: f.c" {
		t.Error(got)
	}
	if !strings.Contains(engine.Changes{}.String(), "nothing") {
		t.Error(engine.Changes{}.String())
	}
}

func TestWhatIsDeliveredBeforeAReloadIsNotDeliveredAgain(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one, retry: {first: 1h, max: 1h}}, {collect: after}]}}")
	r.failWith(func(name string, e *engine.Event) error {
		if name == "one" && e.ID >= "4" {
			return engine.Unavailable(errors.New("refused"), 0)
		}
		return nil
	})
	r.put(t, events(1, 2, 3, 4, 5)...)
	r.wait(t, "one", 3)
	r.failWith(nil)
	r.apply(t, "flows: {f: {nodes: [feed, {collect: one, id: new}, {collect: after}]}}")
	want(t, r.wait(t, "one", 5), "1", "2", "3", "4", "5")
	want(t, r.wait(t, "after", 5), "1", "2", "3", "4", "5")
}

func TestEventsThatASinkDidNotComeToAreNoAttemptAtThem(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one, retry: {attempts: 1}}]}}")
	var last atomic.Int64
	r.failWith(func(_ string, e *engine.Event) error {
		now := time.Now().UnixMilli() // one event in each millisecond, so several calls for three
		if last.Swap(now) == now {
			return engine.ErrNotTried
		}
		return nil
	})
	r.put(t, events(1, 2, 3)...)
	got := r.wait(t, "one", 3)
	slices.Sort(got)
	want(t, got, "1", "2", "3")
	if letters := r.letters(t); len(letters) != 0 {
		t.Errorf("letters: %+v", letters)
	}
}

func TestASourceThatIsGoneStillLeadsWhereItLed(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {feed: x}, {collect: one, from: [feed, feed-2], retry: {first: 1h, max: 1h}}]}}")
	r.failWith(down("one"))
	r.put(t, events(1)...)
	r.waitFailed(t, "one")
	r.failWith(nil)
	r.apply(t, "flows: {f: {nodes: [{feed: y, id: a}, {feed: x, id: b}, {collect: one, from: [a, b]}]}}")
	want(t, r.wait(t, "one", 1), "1")
	if letters := r.letters(t); len(letters) != 0 {
		t.Errorf("letters: %+v", letters)
	}
}

func TestTheEndDoesNotWaitForADestinationThatIsDown(t *testing.T) {
	r := start(t, "flows: {f: {nodes: [feed, {collect: one, retry: {first: 1h, max: 1h}}]}}")
	r.failWith(down("one"))
	r.put(t, events(1)...)
	r.waitFailed(t, "one")
	before := time.Now()
	r.stop()
	select {
	case err := <-r.ended:
		if err != nil || time.Since(before) > drain/2 {
			t.Errorf("it ended with %v after %s", err, time.Since(before))
		}
		r.ended <- nil
	case <-time.After(time.Minute):
		t.Fatal("still running")
	}
}

func TestAMistakeThatIsToldAlreadyIsNoReasonToPanic(t *testing.T) {
	b := newBench()
	doc, diags := loaded(t, "flows: {f: {nodes: [{feed: '${NOT_SET_ANYWHERE}'}, {collect: one}]}}")
	if !diags.Failed() {
		t.Fatal("no mistake")
	}
	if more := engine.Check(doc, b.registry()); more.Failed() {
		t.Errorf("more mistakes: %v", more)
	}
}
