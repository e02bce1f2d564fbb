package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

// TestStore runs the suite that every store must pass. open returns a new,
// empty store. reopen closes a store and opens it again, as the next process
// would find it; it is nil for a store that forgets.
func TestStore(t *testing.T, open func(t *testing.T) engine.Store, reopen func(t *testing.T, s engine.Store) engine.Store) {
	tests := []struct {
		name    string
		durable bool
		run     func(t *testing.T, s *storeTest)
	}{
		{"events come in order and as they were put in", false, testOrder},
		{"every cursor gets every event", false, testTwoCursors},
		{"logs are separate", false, testSeparateLogs},
		{"Next gives what there is and waits for no more", false, testPartialBatch},
		{"Next waits for the next event", false, testNextWaits},
		{"Next ends with its context", false, testCancel},
		{"Seek goes back", false, testSeek},
		{"a second cursor of a name takes over", false, testTakeOver},
		{"concurrent producers keep their own order", false, testProducers},
		{"a big event passes", false, testBigEvent},
		{"a key belongs to its position", false, testKeys},
		{"a key is free again after its time", false, testKeyExpiry},
		{"checkpoints are kept by node and key", false, testCheckpoints},
		{"dead letters are listed until they are removed", false, testDeadLetters},
		{"a closed store takes nothing and lets go of its readers", false, testClose},
		{"a cursor goes on behind its commit after a restart", true, testRestartCursor},
		{"offsets grow over restarts", true, testRestartOffsets},
		{"committed keys outlive a restart, others are won again by their position", true, testRestartKeys},
		{"checkpoints and dead letters outlive a restart", true, testRestartRest},
	}
	for _, test := range tests {
		if test.durable && reopen == nil {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			if test.name == "a key is free again after its time" {
				synctest.Test(t, func(t *testing.T) { runStoreTest(t, open, reopen, test.run) })
				return
			}
			runStoreTest(t, open, reopen, test.run)
		})
	}
}

func runStoreTest(t *testing.T, open func(*testing.T) engine.Store, reopen func(*testing.T, engine.Store) engine.Store, run func(*testing.T, *storeTest)) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s := &storeTest{Store: open(t), ctx: ctx, t: t, reopen: reopen}
	defer func() {
		s.Close()
		s.appends.Wait()
	}()
	run(t, s)
}

// A storeTest is a store under test.
type storeTest struct {
	engine.Store
	ctx     context.Context
	t       *testing.T
	reopen  func(*testing.T, engine.Store) engine.Store
	appends sync.WaitGroup
}

func (s *storeTest) restart() {
	s.t.Helper()
	s.Store = s.reopen(s.t, s.Store)
}

func (s *storeTest) log(flow string) engine.Log {
	s.t.Helper()
	log, err := s.Log(s.ctx, flow)
	s.check(err)
	return log
}

func (s *storeTest) cursor(flow, name string) engine.Cursor {
	s.t.Helper()
	c, err := s.log(flow).Cursor(s.ctx, name)
	s.check(err)
	return c
}

func (s *storeTest) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// put appends a batch: a durable store returns at once, another only when it is
// committed.
func (s *storeTest) put(flow string, ids ...string) {
	s.t.Helper()
	var batch []*engine.Event
	for _, id := range ids {
		batch = append(batch, &engine.Event{ID: id, Data: engine.JSON([]byte(`"` + id + `"`))})
	}
	s.append(flow, batch)
}

func (s *storeTest) append(flow string, batch []*engine.Event) {
	s.t.Helper()
	log := s.log(flow)
	if s.reopen != nil {
		s.check(log.Append(s.ctx, batch))
		return
	}
	// The log shows when they are in.
	end := log.End() + engine.Offset(len(batch))
	s.appends.Go(func() { log.Append(s.ctx, batch) })
	for log.End() < end {
		time.Sleep(time.Millisecond)
	}
}

// take reads n events.
func (s *storeTest) take(c engine.Cursor, n int) (events []*engine.Event) {
	s.t.Helper()
	for len(events) < n {
		batch := make([]*engine.Event, n-len(events))
		got, err := c.Next(s.ctx, batch)
		s.check(err)
		if got < 1 || got > len(batch) {
			s.t.Fatalf("Next of a batch of %d returned %d", len(batch), got)
		}
		events = append(events, batch[:got]...)
	}
	return events
}

// want reads events and compares their ids.
func (s *storeTest) want(c engine.Cursor, ids ...string) []*engine.Event {
	s.t.Helper()
	events := s.take(c, len(ids))
	if diff := cmp.Diff(ids, idsOf(events)); diff != "" {
		s.t.Fatalf("events (-want +got):\n%s", diff)
	}
	return events
}

// wantNone makes sure that there is nothing more to read.
func (s *storeTest) wantNone(c engine.Cursor) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Millisecond)
	defer cancel()
	batch := make([]*engine.Event, 1)
	if n, err := c.Next(ctx, batch); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
		s.t.Fatalf("Next at the end = %d, %v, want it to wait", n, err)
	}
}

func idsOf(events []*engine.Event) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func numbered(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s%d", prefix, i))
	}
	return ids
}

func testOrder(t *testing.T, s *storeTest) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	full := func() *engine.Event {
		return &engine.Event{
			ID: "full", Source: "livekit", Type: "room_started", Subject: "räum", Node: "in", At: "behind", Time: at,
			Data:    engine.JSON([]byte(` {"a": [1, 2.50, "x"],  "n": 9007199254740993} `)),
			Meta:    engine.Meta{"path": "/x", "headers": map[string]any{"a": "b"}, "n": int64(7), "ok": true, "no": nil, "list": []any{1.5, "z"}},
			Failure: &engine.Failure{Message: "broken", Node: "out", Attempts: 3, First: at.UTC(), Last: at.UTC()},
		}
	}
	made := &engine.Event{ID: "made", Data: engine.Value(map[string]any{"k": []any{int64(1), "<&>"}})}
	s.append("f", []*engine.Event{full(), made, {ID: "empty"}})
	s.put("f", numbered("e", 1000)...)
	c := s.cursor("f", "main")
	events := s.take(c, 1003)
	for i, e := range events {
		if !e.Offset.Logged() || i > 0 && e.Offset <= events[i-1].Offset {
			t.Fatalf("event %d has offset %d", i, e.Offset)
		}
	}
	if diff := cmp.Diff(numbered("e", 1000), idsOf(events[3:])); diff != "" {
		t.Fatalf("order (-want +got):\n%s", diff)
	}
	if end := s.log("f").End(); end != events[1002].Offset {
		t.Errorf("End() = %d, want %d", end, events[1002].Offset)
	}
	want := full()
	for _, pair := range [][2]any{
		{want.Fields(), events[0].Fields()}, {made.Fields(), events[1].Fields()}, {(&engine.Event{ID: "empty"}).Fields(), events[2].Fields()},
		{want.Node, events[0].Node}, {want.At, events[0].At}, {want.Failure, events[0].Failure},
	} {
		if diff := cmp.Diff(pair[0], pair[1], cmp.Comparer(sameData)); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
	}
	if !events[2].Time.IsZero() || events[2].Meta != nil || events[2].Failure != nil {
		t.Errorf("an empty event came as %+v", events[2])
	}
	s.check(c.Commit(s.ctx, events[1002].Offset))
	if c.Committed() != events[1002].Offset {
		t.Errorf("Committed() = %d, want %d", c.Committed(), events[1002].Offset)
	}
}

// sameData compares payloads byte for byte.
func sameData(a, b engine.Data) bool {
	x, err := a.Bytes()
	y, err2 := b.Bytes()
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

func testTwoCursors(t *testing.T, s *storeTest) {
	a, b := s.cursor("f", "a"), s.cursor("f", "b")
	s.put("f", "1", "2", "3")
	got := s.want(a, "1", "2", "3")
	s.check(a.Commit(s.ctx, got[2].Offset))
	s.want(b, "1", "2")
	s.put("f", "4")
	s.want(a, "4")
	s.want(b, "3", "4")
	if b.Committed() != 0 {
		t.Errorf("Committed() of a cursor that has not = %d", b.Committed())
	}
}

func testSeparateLogs(t *testing.T, s *storeTest) {
	s.put("f", "1", "2")
	s.put("g", "3")
	s.put("f", "4")
	s.want(s.cursor("g", "main"), "3")
	c := s.cursor("f", "main")
	s.want(c, "1", "2", "4")
	s.wantNone(c)
	if end := s.log("nothing").End(); end != 0 {
		t.Errorf("End() of an empty log = %d", end)
	}
}

func testPartialBatch(t *testing.T, s *storeTest) {
	s.put("f", "1", "2", "3")
	c := s.cursor("f", "main")
	batch := make([]*engine.Event, 10)
	n, err := c.Next(s.ctx, batch)
	s.check(err)
	if diff := cmp.Diff([]string{"1", "2", "3"}, idsOf(batch[:n])); diff != "" {
		t.Error(diff)
	}
	c.Seek(0)
	s.want(c, "1", "2")
	s.want(c, "3")
}

func testNextWaits(t *testing.T, s *storeTest) {
	c := s.cursor("f", "main")
	got := make(chan string)
	go func() {
		batch := make([]*engine.Event, 1)
		if _, err := c.Next(s.ctx, batch); err != nil {
			got <- err.Error()
			return
		}
		got <- batch[0].ID
	}()
	time.Sleep(10 * time.Millisecond)
	s.put("g", "other")
	s.put("f", "1")
	if id := <-got; id != "1" {
		t.Errorf("Next that waited gave %q", id)
	}
}

func testCancel(t *testing.T, s *storeTest) {
	c := s.cursor("f", "main")
	s.wantNone(c)
	s.put("f", "1")
	s.want(c, "1")
	s.wantNone(c)
	ended, cancel := context.WithCancel(s.ctx)
	cancel()
	if err := s.log("f").Append(ended, []*engine.Event{{ID: "2"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with an ended context = %v", err)
	}
}

func testSeek(t *testing.T, s *storeTest) {
	s.put("f", numbered("", 600)...)
	c := s.cursor("f", "main")
	events := s.take(c, 600)
	c.Seek(events[299].Offset)
	s.want(c, numbered("", 600)[300:]...)
	c.Seek(0)
	s.want(c, "0", "1")
	s.check(c.Commit(s.ctx, events[1].Offset))
	c.Seek(events[598].Offset)
	s.want(c, "599")
	s.wantNone(c)
	c.Seek(c.Committed())
	s.want(c, "2")
}

func testTakeOver(t *testing.T, s *storeTest) {
	first := s.cursor("f", "main")
	s.put("f", "1", "2", "3")
	events := s.want(first, "1", "2", "3")
	s.check(first.Commit(s.ctx, events[0].Offset))
	waits := make(chan error)
	go func() {
		_, err := first.Next(s.ctx, make([]*engine.Event, 1))
		waits <- err
	}()
	time.Sleep(10 * time.Millisecond)
	second := s.cursor("f", "main")
	if err := <-waits; err == nil {
		t.Error("Next of a cursor that was taken over gave an event")
	}
	if err := first.Commit(s.ctx, events[2].Offset); err == nil {
		t.Error("a cursor that was taken over could commit")
	}
	s.want(second, "2", "3")
}

func testProducers(t *testing.T, s *storeTest) {
	const producers, each = 8, 50
	c := s.cursor("f", "main")
	log := s.log("f")
	for p := range producers {
		s.appends.Go(func() {
			for i := range each {
				if err := log.Append(s.ctx, []*engine.Event{{ID: fmt.Sprint(i), Source: fmt.Sprint(p)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := map[string]int{}
	for seen := 0; seen < producers*each; {
		batch := make([]*engine.Event, 7)
		n, err := c.Next(s.ctx, batch)
		s.check(err)
		for _, e := range batch[:n] {
			if e.ID != fmt.Sprint(next[e.Source]) {
				t.Fatalf("of producer %s came %s, want %d", e.Source, e.ID, next[e.Source])
			}
			next[e.Source]++
		}
		s.check(c.Commit(s.ctx, batch[n-1].Offset))
		seen += n
	}
	s.appends.Wait()
}

func testBigEvent(t *testing.T, s *storeTest) {
	body := []byte(`"` + strings.Repeat("0123456789", 1<<20) + `"`)
	s.put("f", "before")
	s.append("f", []*engine.Event{{ID: "big", Data: engine.JSON(body)}})
	s.put("f", "after")
	events := s.want(s.cursor("f", "main"), "before", "big", "after")
	if got, err := events[1].Data.Bytes(); err != nil || !bytes.Equal(got, body) {
		t.Errorf("a payload of %d bytes came with %d, %v", len(body), len(got), err)
	}
}

func (s *storeTest) keys(flow, node string) func(wanted ...engine.Claim) []bool {
	s.t.Helper()
	keys, err := s.Keys(s.ctx, flow, node)
	s.check(err)
	return func(wanted ...engine.Claim) []bool {
		s.t.Helper()
		won, err := keys.Claim(s.ctx, wanted, time.Hour)
		s.check(err)
		return won
	}
}

func (s *storeTest) wantWon(got []bool, want ...bool) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Fatalf("won %v, want %v", got, want)
	}
}

const asked = engine.Offset(1<<63 + 7) // the offset of an event beside the log

func testKeys(t *testing.T, s *storeTest) {
	s.put("f", "1", "2", "3")
	c := s.cursor("f", "main")
	events := s.take(c, 3)
	one, two, three := events[0].Offset, events[1].Offset, events[2].Offset
	claim := s.keys("f", "dedupe")
	s.wantWon(claim(engine.Claim{Key: "a", Owner: one}, engine.Claim{Key: "a", Owner: two}, engine.Claim{Key: "b", Owner: two}), true, false, true)
	s.wantWon(claim(engine.Claim{Key: "a", Owner: one}, engine.Claim{Key: "a", Owner: three}), true, false)
	s.check(c.Commit(s.ctx, two))
	s.wantWon(claim(engine.Claim{Key: "a", Owner: one}, engine.Claim{Key: "b", Owner: one}), true, false)
	s.wantWon(s.keys("f", "other")(engine.Claim{Key: "a", Owner: three}), true)
	s.wantWon(s.keys("g", "dedupe")(engine.Claim{Key: "a", Owner: three}), true)
	s.wantWon(claim(engine.Claim{Key: "c", Owner: asked}, engine.Claim{Key: "c", Owner: three}), true, false)
	s.wantWon(s.keys("f", "dedupe")(engine.Claim{Key: "a", Owner: three}), false)
	s.wantWon(claim())
}

func testKeyExpiry(t *testing.T, s *storeTest) {
	keys, err := s.Keys(s.ctx, "f", "dedupe")
	s.check(err)
	claim := func(owner engine.Offset, ttl time.Duration) bool {
		won, err := keys.Claim(context.Background(), []engine.Claim{{Key: "a", Owner: owner}}, ttl)
		s.check(err)
		return won[0]
	}
	if !claim(asked, time.Minute) {
		t.Error("a new key was not won")
	}
	time.Sleep(59 * time.Second)
	if claim(asked+1, time.Minute) {
		t.Error("another position won a key before its time")
	}
	if !claim(asked, time.Minute) {
		t.Error("a position lost its own key")
	}
	time.Sleep(2 * time.Second)
	if !claim(asked+1, time.Minute) {
		t.Error("a key was not free after its time")
	}
	if claim(asked, time.Minute) {
		t.Error("the first position won a key that is another's now")
	}
}

func (s *storeTest) checkpoints(flow, node string) engine.Checkpoints {
	s.t.Helper()
	c, err := s.Checkpoints(s.ctx, flow, node)
	s.check(err)
	return c
}

func (s *storeTest) wantCheckpoints(c engine.Checkpoints, want map[string]string) {
	s.t.Helper()
	got := map[string]string{}
	s.check(c.Range(s.ctx, func(key string, value []byte) bool {
		got[key] = string(value)
		return true
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Fatalf("checkpoints (-want +got):\n%s", diff)
	}
	for key, value := range want {
		b, err := c.Load(s.ctx, key)
		s.check(err)
		if b == nil || string(b) != value {
			s.t.Fatalf("checkpoint %q = %q, want %q", key, b, value)
		}
	}
}

func testCheckpoints(t *testing.T, s *storeTest) {
	c := s.checkpoints("f", "tail")
	if b, err := c.Load(s.ctx, "none"); b != nil || err != nil {
		t.Errorf("Load of nothing = %q, %v", b, err)
	}
	value := []byte("10")
	s.check(c.Save(s.ctx, "a", value))
	value[0] = '9' // the store has its own
	s.check(c.Save(s.ctx, "b", []byte("20")))
	s.check(c.Save(s.ctx, "b", []byte("21")))
	s.check(c.Save(s.ctx, "empty", []byte{}))
	s.check(s.checkpoints("f", "other").Save(s.ctx, "a", []byte("x")))
	s.wantCheckpoints(s.checkpoints("f", "tail"), map[string]string{"a": "10", "b": "21", "empty": ""})
	s.check(c.Save(s.ctx, "a", nil))
	s.check(c.Save(s.ctx, "none", nil))
	s.wantCheckpoints(c, map[string]string{"b": "21", "empty": ""})
	calls := 0
	s.check(c.Range(s.ctx, func(string, []byte) bool { calls++; return false }))
	if calls != 1 {
		t.Errorf("Range went on %d times after false", calls-1)
	}
}

func (s *storeTest) wantLetters(ids ...string) []engine.DeadLetter {
	s.t.Helper()
	letters, err := s.DeadLetters().List(s.ctx)
	s.check(err)
	var got []string
	seen := map[string]bool{}
	for _, l := range letters {
		got = append(got, l.Event.ID)
		if l.ID == "" || seen[l.ID] {
			s.t.Fatalf("letter id %q is empty or there twice", l.ID)
		}
		seen[l.ID] = true
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		s.t.Fatalf("dead letters (-want +got):\n%s", diff)
	}
	return letters
}

func letter(id string) engine.DeadLetter {
	at := time.Date(2026, 7, 1, 12, 0, 0, 5, time.UTC)
	return engine.DeadLetter{
		Flow:    "f",
		Event:   &engine.Event{ID: id, Type: "t", Time: at, Data: engine.JSON([]byte(`{"x":1}`)), Meta: engine.Meta{"path": "/"}, Offset: 12},
		Failure: engine.Failure{Message: "no", Node: "out", Attempts: 8, First: at, Last: at.Add(time.Hour)},
	}
}

func testDeadLetters(t *testing.T, s *storeTest) {
	s.wantLetters()
	s.check(s.DeadLetters().Add(s.ctx, letter("1"), letter("2"), letter("3")))
	s.check(s.DeadLetters().Add(s.ctx, letter("4")))
	got := s.wantLetters("1", "2", "3", "4")
	want := letter("2")
	want.ID = got[1].ID
	if diff := cmp.Diff(want, got[1], cmp.Comparer(sameData), cmp.Transformer("event", func(e engine.Event) any {
		return []any{e.Fields(), e.Offset, e.Node}
	})); diff != "" {
		t.Errorf("letter (-want +got):\n%s", diff)
	}
	s.check(s.DeadLetters().Remove(s.ctx, got[0].ID, got[2].ID, "unknown"))
	s.check(s.DeadLetters().Remove(s.ctx, got[0].ID))
	s.wantLetters("2", "4")
}

func testClose(t *testing.T, s *storeTest) {
	log, c := s.log("f"), s.cursor("f", "main")
	waits := make(chan error)
	go func() {
		_, err := c.Next(s.ctx, make([]*engine.Event, 1))
		waits <- err
	}()
	time.Sleep(10 * time.Millisecond)
	s.check(s.Close())
	if err := <-waits; err == nil {
		t.Error("Next of a closed store gave an event")
	}
	if err := log.Append(s.ctx, []*engine.Event{{ID: "1"}}); err == nil {
		t.Error("a closed store took an event")
	}
	s.check(s.Close())
}

func testRestartCursor(t *testing.T, s *storeTest) {
	s.put("f", "1", "2", "3", "4")
	a, b := s.cursor("f", "a"), s.cursor("f", "b")
	events := s.take(a, 3)
	s.check(a.Commit(s.ctx, events[1].Offset))
	s.want(b, "1")
	s.restart()
	a, b = s.cursor("f", "a"), s.cursor("f", "b")
	if a.Committed() != events[1].Offset {
		t.Errorf("Committed() = %d after a restart, want %d", a.Committed(), events[1].Offset)
	}
	again := s.want(a, "3", "4")
	if again[0].Offset != events[2].Offset {
		t.Errorf("an event of offset %d came again with %d", events[2].Offset, again[0].Offset)
	}
	s.want(b, "1", "2", "3", "4")
	s.put("f", "5")
	s.want(a, "5")
	s.want(s.cursor("f", "c"), "1", "2", "3", "4", "5")
}

func testRestartOffsets(t *testing.T, s *storeTest) {
	var last engine.Offset
	for range 3 {
		s.put("f", "x", "y")
		end := s.log("f").End()
		if end <= last {
			t.Fatalf("the log ends at %d, behind %d", end, last)
		}
		last = end
		c := s.cursor("f", "main")
		events := s.take(c, 2)
		s.check(c.Commit(s.ctx, events[1].Offset))
		s.restart()
		if s.log("f").End() != last {
			t.Fatalf("the log ends at %d after a restart, want %d", s.log("f").End(), last)
		}
		s.wantNone(s.cursor("f", "main"))
	}
}

func testRestartKeys(t *testing.T, s *storeTest) {
	s.put("f", "1", "2", "3")
	c := s.cursor("f", "main")
	events := s.take(c, 3)
	one, two, three := events[0].Offset, events[1].Offset, events[2].Offset
	s.wantWon(s.keys("f", "dedupe")(
		engine.Claim{Key: "a", Owner: one}, engine.Claim{Key: "b", Owner: three}, engine.Claim{Key: "c", Owner: asked}), true, true, true)
	s.check(c.Commit(s.ctx, two))
	s.restart()
	claim := s.keys("f", "dedupe")
	s.wantWon(claim(
		engine.Claim{Key: "a", Owner: three}, engine.Claim{Key: "a", Owner: one}, engine.Claim{Key: "c", Owner: three}), false, true, false)
	s.wantWon(claim(engine.Claim{Key: "b", Owner: three}), true)
}

func testRestartRest(t *testing.T, s *storeTest) {
	c := s.checkpoints("f", "tail")
	s.check(c.Save(s.ctx, "a", []byte("1")))
	s.check(c.Save(s.ctx, "b", []byte("2")))
	s.check(c.Save(s.ctx, "b", nil))
	s.check(s.DeadLetters().Add(s.ctx, letter("1"), letter("2")))
	gone := s.wantLetters("1", "2")[1].ID
	s.check(s.DeadLetters().Remove(s.ctx, gone))
	s.restart()
	s.wantCheckpoints(s.checkpoints("f", "tail"), map[string]string{"a": "1"})
	s.wantLetters("1")
	s.check(s.DeadLetters().Add(s.ctx, letter("3")))
	if l := s.wantLetters("1", "3"); l[1].ID == gone {
		t.Errorf("the id %q was given again", gone)
	}
}
