package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
)

// A keeper is a Holder that lets events go when the test says so.
type keeper struct {
	room int

	mu    sync.Mutex
	held  []*engine.Event
	let   int  // how many may go
	fail  bool // the next is given up
	wrong []error
	wake  chan struct{}

	forgotten, refused atomic.Int64
}

func newKeeper(room int) *keeper { return &keeper{room: room, wake: make(chan struct{}, 1)} }

func (k *keeper) Process(_ context.Context, batch []*engine.Event, _ *engine.Outlet) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.held) > 0 && len(k.held)+len(batch) > k.room {
		k.refused.Add(1)
		return engine.Unavailable(errors.New("full"), 0)
	}
	k.held = append(k.held, batch...)
	k.send()
	return nil
}

func (k *keeper) Held() (engine.Offset, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.held) == 0 {
		return 0, false
	}
	return slices.MinFunc(k.held, func(a, b *engine.Event) int { return int(a.Offset) - int(b.Offset) }).Offset, true
}

func (k *keeper) Due(_ context.Context, out *engine.Outlet) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail {
		out.Fail(k.held[0], errors.New("no"))
		k.held, k.fail = k.held[1:], false
	}
	for k.let > 0 && len(k.held) > 0 {
		out.Emit(k.held[0])
		k.held = k.held[1:]
		k.let--
	}
	if len(k.wrong) > 0 {
		err := k.wrong[0]
		k.wrong = k.wrong[1:]
		if err == nil {
			panic("the keeper panics")
		}
		return err
	}
	return nil
}

func (k *keeper) Wake() <-chan struct{} { return k.wake }

func (k *keeper) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = nil
	k.forgotten.Add(1)
}

func (k *keeper) send() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// letGo lets n events more go. Those of wrong are what Due returns with them;
// nil is a panic.
func (k *keeper) letGo(n int, wrong ...error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.let += n
	k.wrong = append(k.wrong, wrong...)
	k.send()
}

func (k *keeper) failNext() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = true
}

func (k *keeper) waitHolds(t *testing.T, n int) {
	t.Helper()
	until(t, fmt.Sprint("it holds ", n), func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.held) == n
	})
}

var _ engine.Holder = (*keeper)(nil)

// keep is the type of nodes that are the given keepers, by name.
func keep(keepers map[string]*keeper) engine.Declaration {
	return engine.ProcessorSpec[nameConfig]{
		About: engine.About{Type: "keep"},
		New:   func(c nameConfig) (engine.Processor, error) { return keepers[c.Name], nil },
	}
}

// startKept runs a document whose nodes `keep: k` are one keeper.
func startKept(t *testing.T, room int, yaml string) (*running, *keeper) {
	t.Helper()
	k := newKeeper(room)
	return start(t, yaml, keep(map[string]*keeper{"k": k})), k
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to this: " + what)
		}
	}
}

func (r *running) committed() engine.Offset {
	return r.Flows()[0].Cursors[0].Committed
}

// give puts events in without waiting for them to be through.
func (r *running) give(t *testing.T, batch ...*engine.Event) {
	t.Helper()
	log, err := r.store.Log(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range batch {
		e.Node = "feed"
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := log.Append(ctx, batch); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestTheCursorStaysBehindWhatIsHeldAndWhatIsLetGo(t *testing.T) {
	r, k := startKept(t, 100, `
flows: {f: {nodes: [feed, {keep: k}, {collect: late}, {collect: now, from: feed}]}}
`)
	r.failWith(down("late"))
	r.give(t, events(1, 2, 3)...)
	r.wait(t, "now", 3)
	k.waitHolds(t, 3)
	k.letGo(2)
	k.waitHolds(t, 1)
	for n := 4; n < 8; n++ { // the lane goes on
		r.give(t, events(n)...)
		r.wait(t, "now", n)
		k.waitHolds(t, n-2)
	}
	if at := r.committed(); at != 0 {
		t.Errorf("the cursor is at %d while events 1 and 2 are not delivered", at)
	}
	r.failWith(nil)
	want(t, r.wait(t, "late", 2), "1", "2")
	until(t, "the cursor is before event 3", func() bool { return r.committed() == 2 })
	k.letGo(5)
	want(t, r.wait(t, "late", 7), "1", "2", "3", "4", "5", "6", "7")
	until(t, "the cursor is at the end", func() bool { return r.committed() == 7 })
	want(t, r.ids("now"), "1", "2", "3", "4", "5", "6", "7")
}

func TestAHolderThatIsFullHoldsUpItsLaneAndNotWhatItLetsGo(t *testing.T) {
	a, b := newKeeper(4), newKeeper(2)
	r := start(t, `
flows:
  f:
    nodes:
      - feed
      - {keep: a, retry: {first: 1ms, max: 2ms}}
      - {keep: b, retry: {first: 1ms, max: 2ms}}
      - collect: out
`, keep(map[string]*keeper{"a": a, "b": b}))
	const n = 40
	for i := range n {
		r.give(t, events(i)...)
	}
	a.letGo(n)
	b.letGo(n)
	for i, id := range r.wait(t, "out", n) {
		if id != fmt.Sprint(i) {
			t.Fatalf("event %s came as number %d", id, i)
		}
	}
	until(t, "the cursor is at the end", func() bool { return r.committed() == n })
}

func TestAFlowStopsAtOnceWhileAHolderIsFull(t *testing.T) {
	r, k := startKept(t, 1, `flows: {f: {nodes: [feed, {keep: k}, {collect: out}]}}`)
	r.give(t, events(1)...)
	k.waitHolds(t, 1)
	r.give(t, events(2)...)
	until(t, "it has no room", func() bool { return k.refused.Load() > 0 })
	start := time.Now()
	r.stop()
	err := <-r.ended
	if took := time.Since(start); err != nil || took > drain/2 {
		t.Errorf("it took %s: %v", took, err)
	}
	r.ended <- nil
	want(t, r.ids("out"))
}

func TestWhatIsHeldComesAgainWhenDueFails(t *testing.T) {
	for name, wrong := range map[string]error{"with an error": errors.New("no"), "by a panic": nil} {
		t.Run(name, func(t *testing.T) {
			r, k := startKept(t, 100, `flows: {f: {nodes: [feed, {keep: k}, {collect: out}]}}`)
			r.give(t, events(1, 2, 3)...)
			k.waitHolds(t, 3)
			k.letGo(2, wrong) // two are emitted, and do not count
			k.waitHolds(t, 1)
			k.waitHolds(t, 3)
			want(t, r.ids("out"))
			k.letGo(3)
			want(t, r.wait(t, "out", 3), "1", "2", "3")
			until(t, "the cursor is at the end", func() bool { return r.committed() == 3 })
		})
	}
}

func TestALaneThatWaitsForAHolderGoesBackWhenDueFails(t *testing.T) {
	r, k := startKept(t, 1, `
flows: {f: {nodes: [feed, {keep: k, retry: {first: 1h, max: 1h}}, {collect: out}]}}
`)
	r.give(t, events(1)...)
	k.waitHolds(t, 1)
	r.give(t, events(2)...)
	until(t, "it has no room", func() bool { return k.refused.Load() > 0 })
	k.letGo(0, errors.New("no"))
	k.waitHolds(t, 2)
	k.letGo(2)
	want(t, r.wait(t, "out", 2), "1", "2")
}

func TestWhatAHolderFailsIsADeadLetter(t *testing.T) {
	r, k := startKept(t, 100, `flows: {f: {nodes: [feed, {keep: k}, {collect: out}]}}`)
	r.give(t, events(1, 2)...)
	k.waitHolds(t, 2)
	k.failNext()
	k.letGo(1)
	want(t, r.wait(t, "out", 1), "2")
	if letters := r.waitLetters(t); letters[0].Event.ID != "1" || letters[0].Failure.Node != "keep" {
		t.Errorf("got %v", letters)
	}
	until(t, "the cursor is at the end", func() bool { return r.committed() == 2 })
}

func TestWhatAHolderHasLetGoComesAgainWhenAReloadCutsItShort(t *testing.T) {
	r, k := startKept(t, 100, `flows: {f: {nodes: [feed, {keep: k}, {collect: out}]}}`)
	r.failWith(down("out"))
	r.give(t, events(1, 2, 3)...)
	k.waitHolds(t, 3)
	k.letGo(2)
	k.waitHolds(t, 1)
	r.apply(t, `flows: {f: {nodes: [feed, {keep: k}, {tag: x}, {collect: out}]}}`)
	k.waitHolds(t, 3)
	r.failWith(nil)
	k.letGo(3)
	want(t, r.wait(t, "out", 3), "1", "2", "3")
	until(t, "the cursor is at the end", func() bool { return r.committed() == 3 })
}

func TestAHolderThatIsKeptHoldsOnOverAReload(t *testing.T) {
	r, k := startKept(t, 100, `flows: {f: {nodes: [feed, {keep: k}, {collect: out}]}}`)
	r.give(t, events(1, 2, 3)...)
	k.waitHolds(t, 3)
	r.apply(t, `flows: {f: {nodes: [feed, {keep: k}, {tag: x}, {collect: out}]}}`)
	k.letGo(3)
	want(t, r.wait(t, "out", 3), "1", "2", "3")
	if n := k.forgotten.Load(); n != 0 {
		t.Errorf("it was told to forget %d times", n)
	}
}

func TestWhatAHolderHeldComesAgainWhenItIsGone(t *testing.T) {
	for name, next := range map[string][]string{
		"removed": {`[feed, {collect: out}]`},
		"changed": {`[feed, {keep: other, id: keep}, {collect: out}]`},
		// Nothing may have run by the plan in between.
		"removed by the second reload": {`[feed, {keep: k}, {tag: x}, {collect: out}]`, `[feed, {collect: out}]`},
	} {
		t.Run(name, func(t *testing.T) {
			k, other := newKeeper(100), newKeeper(100)
			r := start(t, `flows: {f: {nodes: [feed, {keep: k}, {collect: out}]}}`, keep(map[string]*keeper{"k": k, "other": other}))
			r.give(t, events(1, 2, 3)...)
			k.waitHolds(t, 3)
			k.letGo(1)
			want(t, r.wait(t, "out", 1), "1")
			until(t, "the cursor is behind it", func() bool { return r.committed() == 1 })
			other.letGo(10)
			for _, nodes := range next {
				r.apply(t, `flows: {f: {nodes: `+nodes+`}}`)
			}
			r.give(t, events(4)...)
			want(t, r.wait(t, "out", 4), "1", "2", "3", "4")
			until(t, "the cursor is at the end", func() bool { return r.committed() == 4 })
		})
	}
}

func TestARequestThatAHolderKeepsGoesOnByWayOfTheLog(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r, k := startKept(t, 100, `
server: {listen: "127.0.0.1:0"}
flows: {f: {nodes: [{web: /a}, {reply: yes}, {keep: k}, {collect: out}]}}
`)
	wantAnswer(t, "http://"+r.Address()+"/a/ask", "a", 200, "A")
	k.waitHolds(t, 1)
	if o, _ := k.Held(); !o.Logged() {
		t.Errorf("it holds an event at %x, which is in no log", o)
	}
	if got := r.ids("yes"); len(got) != 1 {
		t.Errorf("the node that replies got %v, want the event once", got)
	}
	k.letGo(1)
	r.wait(t, "out", 1)
	until(t, "the cursor is at the end", func() bool { return r.committed() == 1 })
}
