package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
	"github.com/flowd/flowd/flows"
)

// TestEventsArriveAtLeastOnceAndInOrderWhateverHappens has documents, events,
// reloads, crashes, stops, and failures of nodes and of the disk come in any
// order, and compares what came out with a model that knows only the
// documents. More of it: -rapid.checks 5000.
func TestEventsArriveAtLeastOnceAndInOrderWhateverHappens(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		tb := struct{ testing.TB }{t} // whose deadline is of another time
		rapid.Check(tb, func(t *rapid.T) {
			m := newModel(t, dir)
			t.Repeat(map[string]func(*rapid.T){
				"":        m.look,
				"put":     m.put,
				"wait":    m.wait,
				"reload":  m.reload,
				"crash":   m.crash,
				"stop":    m.restart,
				"trouble": m.trouble,
				"disk":    m.breakDisk,
			})
			m.finish(t)
		})
	})
}

// Each producer has keys of its own, so that the order of a key is the order
// in which its producer puts.
var modelKeys = []string{"a", "b", "c", "d"}

const producers = 2

// A model drives an engine and knows what must come of it.
type model struct {
	dir     string
	durable bool
	fs      *memfs.FS
	life    *life
	jobs    [producers]chan job
	work    sync.WaitGroup

	mu       sync.Mutex
	docs     []*modelDoc // since all was settled; the last one runs
	applied  int         // index of the one that surely runs
	sent     []*sentEvent
	waiting  int // events not yet put in
	serial   int
	got      map[string][]arrival // by sink
	letters  []engine.DeadLetter  // of stores in memory that are gone
	troubles map[string]*trouble  // by node
	gaveUp   map[string]bool      // nodes that may have given up any event
	repeats  bool                 // events may come twice since all was settled
	failing  bool                 // something failed since then
	changed  bool                 // there was a reload or a stop since then
	diskBad  time.Time            // until then
}

// A life is an engine with its store, from start to end.
type life struct {
	*engine.Engine
	store  engine.Store
	inlets map[string]engine.Inlet // by flow
	dead   bool                    // what it does from now on does not count
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan error
}

type sentEvent struct {
	id, flow, key string
	serial        int
	poison        string // the node that refuses it
	since         int    // index in docs of the one that ran when it was put in
	acked         bool
	lost          []string // queues and flows that no document had at a restart
	moved         []string // sinks that had moved across a queue at a restart
	hurt          bool     // a node in trouble may have given it up
}

type arrival struct {
	*sentEvent
	failed string // node that gave it up before
}

type job struct {
	flow   string
	events []*sentEvent
}

type trouble struct {
	kind  string
	times int       // that it is left
	until time.Time // of kind down
}

func newModel(t *rapid.T, dir string) *model {
	m := &model{
		dir: dir, durable: rapid.IntRange(0, 3).Draw(t, "durable") > 0, fs: memfs.New(),
		got: map[string][]arrival{}, troubles: map[string]*trouble{}, gaveUp: map[string]bool{},
	}
	m.docs = []*modelDoc{drawDoc(t)}
	m.begin(t)
	for i := range m.jobs {
		jobs := make(chan job, 1000)
		m.jobs[i] = jobs
		m.work.Go(func() {
			for j := range jobs {
				m.putIn(j)
			}
		})
	}
	t.Cleanup(func() {
		m.end(true)
		for _, jobs := range m.jobs {
			close(jobs)
		}
		m.work.Wait()
	})
	return m
}

func (m *model) doc() *modelDoc { return m.docs[len(m.docs)-1] }

// begin starts an engine with the document that runs.
func (m *model) begin(t *rapid.T) {
	l := &life{inlets: map[string]engine.Inlet{}, ended: make(chan error, 1)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.store = engine.MemoryStore()
	if m.durable {
		j, err := journal.Open("", journal.Options{FS: m.fs, SegmentSize: 16 << 10, KeepSize: 1 << 20, Cache: 4 << 10})
		if err != nil {
			t.Fatalf("opening the store: %v", err)
		}
		if damage, lost := j.Losses(); len(damage)+len(lost) > 0 {
			t.Fatalf("damage %v, lost %v", damage, lost)
		}
		l.store = j
	}
	l.Engine = engine.New(m.registry(l), engine.Options{Store: l.store, Log: slog.New(slog.DiscardHandler), Drain: 2 * time.Second})
	m.mu.Lock()
	m.life = l
	m.mu.Unlock()
	if _, err := l.Apply(l.ctx, m.parse(t, m.doc())); err != nil {
		t.Fatalf("Apply: %v\n%s", err, m.doc().yaml())
	}
	go func() { l.ended <- l.Run(l.ctx) }()
}

func (m *model) parse(t *rapid.T, d *modelDoc) *flows.Document {
	path := filepath.Join(m.dir, "flows.yaml")
	if err := os.WriteFile(path, []byte(d.yaml()), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		t.Fatalf("%v\n%s", diags, d.yaml())
	}
	return doc
}

// end ends the engine; if at once, what it does now does not count.
func (m *model) end(atOnce bool) error {
	m.mu.Lock()
	l := m.life
	l.dead = l.dead || atOnce
	m.mu.Unlock()
	l.cancel()
	err := <-l.ended
	l.ended <- err
	if !m.durable { // it forgets them
		letters, _ := l.store.DeadLetters().List(context.Background())
		m.letters = append(m.letters, letters...)
	}
	l.store.Close()
	return err
}

// put gives events to a producer.
func (m *model) put(t *rapid.T) {
	p := rapid.IntRange(0, producers-1).Draw(t, "producer")
	j := job{flow: m.doc().flows[rapid.IntRange(0, len(m.doc().flows)-1).Draw(t, "flow")].name}
	for range rapid.IntRange(1, 5).Draw(t, "events") {
		m.serial++
		e := &sentEvent{id: fmt.Sprint(m.serial), serial: m.serial, flow: j.flow, key: rapid.SampledFrom(modelKeys[2*p:2*p+2]).Draw(t, "key")}
		if rapid.IntRange(0, 5).Draw(t, "poisoned") == 0 {
			e.poison = rapid.SampledFrom([]string{"step0", "step1", "out0", "out1"}).Draw(t, "poison")
		}
		j.events = append(j.events, e)
	}
	m.mu.Lock()
	m.waiting += len(j.events)
	m.mu.Unlock()
	m.jobs[p] <- j
}

// putIn puts events in, once.
func (m *model) putIn(j job) {
	defer func() {
		m.mu.Lock()
		m.waiting -= len(j.events)
		m.mu.Unlock()
	}()
	m.mu.Lock()
	l := m.life
	in := l.inlets[j.flow]
	if in == nil { // the flow is gone, or not there yet
		m.mu.Unlock()
		return
	}
	var batch []*engine.Event
	for _, e := range j.events {
		e.since = m.applied
		batch = append(batch, &engine.Event{ID: e.id, Type: e.key})
	}
	m.sent = append(m.sent, j.events...)
	m.mu.Unlock()
	err := in.Put(l.ctx, batch...)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range j.events {
		e.acked = err == nil && !l.dead
	}
}

func (m *model) wait(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{time.Millisecond, 7 * time.Millisecond, 60 * time.Millisecond, time.Second, 10 * time.Second}).Draw(t, "time"))
}

// reload applies other documents, in the midst of whatever happens.
func (m *model) reload(t *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(t, "documents") {
		switch rapid.SampledFrom([]string{"drawn", "edited", "edited", "former"}).Draw(t, "document") {
		case "drawn":
			m.apply(t, drawDoc(t))
		case "edited":
			m.apply(t, m.doc().edit(t))
		case "former":
			m.apply(t, m.docs[rapid.IntRange(0, len(m.docs)-1).Draw(t, "which")])
		}
	}
}

func (m *model) apply(t *rapid.T, next *modelDoc) {
	m.mu.Lock()
	m.changed = true
	m.repeats = m.repeats || m.doc().holds()
	m.docs = append(m.docs, next)
	m.mu.Unlock()
	if _, err := m.life.Apply(m.life.ctx, m.parse(t, next)); err != nil {
		t.Fatalf("Apply: %v\n%s", err, next.yaml())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied = len(m.docs) - 1
}

// crash ends the process, or the machine, between two moments.
func (m *model) crash(t *rapid.T) {
	if !m.durable {
		t.Skip("a store in memory")
	}
	how := rapid.SampledFrom([]string{"kill", "power cut", "hard power cut"}).Draw(t, "how")
	seed := rapid.Uint64().Draw(t, "seed")
	m.mu.Lock()
	before := m.fs
	switch how {
	case "kill":
		m.fs = before.Kill()
	case "power cut":
		m.fs = before.Crash(rand.New(rand.NewPCG(seed, 0)))
	default:
		m.fs = before.Crash(nil)
	}
	m.life.dead = true
	m.repeats = true
	m.diskBad = time.Time{}
	m.mu.Unlock()
	before.CutAfter(1)
	m.end(true)
	m.orphan()
	m.begin(t)
}

// restart stops the engine in good order, and starts it again.
func (m *model) restart(t *rapid.T) {
	m.mu.Lock()
	m.changed = true
	m.repeats = m.repeats || m.doc().holds()
	m.mu.Unlock()
	if err := m.end(false); err != nil {
		m.repeats = true
	}
	m.fs.Fault(nil)
	m.mu.Lock()
	m.diskBad = time.Time{}
	m.mu.Unlock()
	m.orphan()
	m.begin(t)
}

// orphan notes which events wait in logs that the document does not read any
// more: they wait until one does. Queues in memory are gone. What waits in a
// queue is delivered as the document says now, wherever sinks stood before.
func (m *model) orphan() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.sent {
		f := m.doc().flow(e.flow)
		if f == nil {
			e.lost = append(e.lost, e.flow)
			continue
		}
		for i := range 3 {
			if id := fmt.Sprint("queue", i); f.node(id) == nil || !m.durable {
				e.lost = append(e.lost, id)
			}
		}
		for i := range 3 {
			if id := fmt.Sprint("out", i); m.moved(e, id) {
				e.moved = append(e.moved, id)
			}
		}
	}
}

// moved reports whether a sink has moved across a queue since an event was put
// in.
func (m *model) moved(e *sentEvent, sink string) bool {
	return len(m.stands(m.docs[e.since:], e.flow, sink, (*modelNode).queues)) > 1
}

// stands lists in how many ways a sink stands in documents, and absent if it
// does not.
func (m *model) stands(docs []*modelDoc, flow, sink string, how func(*modelNode) string) map[string]bool {
	ways := map[string]bool{}
	for _, d := range docs {
		way := "absent"
		if f := d.flow(flow); f != nil && f.node(sink) != nil {
			way = how(f.node(sink))
		}
		ways[way] = true
	}
	return ways
}

// trouble has a node fail for a while.
func (m *model) trouble(t *rapid.T) {
	id := rapid.SampledFrom([]string{"step0", "step1", "out0", "out1", "out2"}).Draw(t, "node")
	tr := &trouble{kind: rapid.SampledFrom([]string{"error", "down", "panic"}).Draw(t, "kind")}
	tr.times = rapid.IntRange(1, 6).Draw(t, "times")
	tr.until = time.Now().Add(time.Duration(tr.times*tr.times*tr.times) * 10 * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.troubles[id] = tr
	m.gaveUp[id] = true
}

func (m *model) breakDisk(t *rapid.T) {
	if !m.durable {
		t.Skip("a store in memory")
	}
	until := time.Now().Add(rapid.SampledFrom([]time.Duration{time.Millisecond, 100 * time.Millisecond, 5 * time.Second}).Draw(t, "time"))
	kinds := rapid.SampledFrom([]string{"write", "sync", "write allocate"}).Draw(t, "operation")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.diskBad, m.repeats = until, true
	m.fs.Fault(func(op memfs.Op) error {
		if time.Now().Before(until) && strings.Contains(kinds, op.Kind) {
			return syscall.ENOSPC
		}
		return nil
	})
}

// finish mends everything, and waits until all is settled.
func (m *model) finish(t *rapid.T) {
	m.mu.Lock()
	clear(m.troubles)
	m.mu.Unlock()
	for tries := 0; !m.idle() && tries < 600; tries++ {
		time.Sleep(time.Second)
	}
	m.look(t)
	if !m.idle() {
		t.Fatalf("not settled after ten minutes: %+v\n%s", m.life.Flows(), m.doc().yaml())
	}
	if err := m.end(false); err != nil {
		t.Fatalf("stopping: %v", err)
	}
}

// idle reports whether nothing is on its way.
func (m *model) idle() bool {
	synctest.Wait()
	m.mu.Lock()
	waiting := m.waiting > 0 || time.Now().Before(m.diskBad)
	m.mu.Unlock()
	return !waiting && !slices.ContainsFunc(m.life.Flows(), func(f engine.FlowStatus) bool { return f.Lag() > 0 || f.Draining })
}

// look compares, once all is settled, what came with what should have come.
func (m *model) look(t *rapid.T) {
	if !m.idle() {
		return
	}
	letters, err := m.life.store.DeadLetters().List(m.life.ctx)
	if err != nil {
		t.Fatalf("listing dead letters: %v", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.judge(t, append(m.letters, letters...))
	var ids []string
	for _, l := range letters {
		ids = append(ids, l.ID)
	}
	if err := m.life.store.DeadLetters().Remove(m.life.ctx, ids...); err != nil {
		t.Fatalf("removing dead letters: %v", err)
	}
	m.docs, m.applied = m.docs[len(m.docs)-1:], 0
	m.sent, m.letters = nil, nil
	clear(m.got)
	m.repeats, m.failing, m.changed = false, false, false
	for id := range m.gaveUp {
		if tr := m.troubles[id]; tr == nil || tr.times == 0 && tr.kind != "down" || tr.kind == "down" && !time.Now().Before(tr.until) {
			delete(m.gaveUp, id)
		}
	}
}

func (m *model) judge(t *rapid.T, letters []engine.DeadLetter) {
	type at struct{ node, id string }
	came, lettered := map[at]int{}, map[at]int{}
	astray := map[at]int{}           // of those that came, through an error port in trouble
	stopped := map[string][]string{} // by event: the nodes that gave it up in trouble
	for node, list := range m.got {
		for _, a := range list {
			if a.failed != "" && m.gaveUp[a.failed] {
				stopped[a.id] = append(stopped[a.id], a.failed)
				astray[at{node, a.id}]++
			}
			came[at{node, a.id}]++
		}
	}
	for _, l := range letters {
		lettered[at{l.Failure.Node, l.Event.ID}]++
		if m.gaveUp[l.Failure.Node] {
			stopped[l.Event.ID] = append(stopped[l.Event.ID], l.Failure.Node)
		}
	}
	repeats := m.mayRepeat()
	fail := func(e *sentEvent, format string, args ...any) {
		t.Helper()
		var docs []string
		for _, d := range m.docs[e.since:] {
			docs = append(docs, d.yaml())
		}
		t.Fatalf("event %s of flow %s, key %s, refused by %q: %s\nletters %v, given up in trouble by %v\n%s", e.id, e.flow, e.key, e.poison,
			fmt.Sprintf(format, args...), lettered, stopped[e.id], strings.Join(docs, "\n"))
	}
	for _, e := range m.sent {
		all, most := m.wanted(e)
		for p, docs := range all {
			n := came[at{p.node, e.id}]
			if p.letter {
				n = lettered[at{p.node, e.id}]
			}
			sides := m.stands(m.docs, e.flow, p.node, func(n *modelNode) string { return n.side })
			gone := slices.ContainsFunc(e.lost, func(log string) bool {
				return log == e.flow || slices.ContainsFunc(slices.Collect(maps.Keys(sides)), func(side string) bool { return strings.Contains(side, log) })
			})
			must := e.acked && docs == len(m.docs)-e.since && !gone && !slices.Contains(e.moved, p.node)
			if must && n == 0 && !m.excused(e, p.node, stopped[e.id]) {
				fail(e, "never came to %+v", p)
			}
		}
		for node, n := range most {
			if got := came[at{node, e.id}] - astray[at{node, e.id}]; got > n && !repeats && len(e.lost) == 0 && !slices.Contains(e.moved, node) {
				fail(e, "came %d times to %s, want %d", got, node, n)
			}
		}
	}
	for node, list := range m.got {
		for _, a := range list {
			if _, leads := m.reach(a.sentEvent)[node]; !leads && len(a.lost) == 0 {
				fail(a.sentEvent, "came to %s, where no document leads it", node)
			}
		}
		m.inOrder(t, node, list)
	}
}

// wanted returns the places that the documents lead an event to, each with the
// number of documents that do, and how often at the most it comes to each sink:
// once more for each document that has it again.
func (m *model) wanted(e *sentEvent) (places map[place]int, most map[string]int) {
	places, most = map[place]int{}, map[string]int{}
	before := map[string]bool{} // sinks
	for _, d := range m.docs[e.since:] {
		f := d.flow(e.flow)
		if f == nil { // the one before delivers what it has taken
			for p := range places {
				places[p]++
			}
			continue
		}
		for p, n := range f.places(e) {
			places[p]++
			if p.letter {
				continue
			}
			if before[p.node] {
				most[p.node] = max(most[p.node], n)
			} else {
				most[p.node] += n
			}
		}
		clear(before)
		for _, n := range f.nodes {
			before[n.id] = true
		}
	}
	return places, most
}

// reach returns the sinks that some document leads an event to, or may have
// led it to, whatever failed on the way.
func (m *model) reach(e *sentEvent) map[string]bool {
	sinks := map[string]bool{}
	for _, d := range m.docs {
		if f := d.flow(e.flow); f != nil {
			for _, n := range f.nodes {
				if n.kind == "out" {
					sinks[n.id] = true
				}
			}
		}
	}
	return sinks
}

// excused reports whether a node on the way to another gave the event up, or
// may have, to an error port that leads to no sink.
func (m *model) excused(e *sentEvent, node string, stopped []string) bool {
	for _, d := range m.docs[e.since:] {
		f := d.flow(e.flow)
		if f == nil || f.node(node) == nil {
			continue
		}
		for _, id := range f.node(node).before {
			if slices.Contains(stopped, id) || m.gaveUp[id] && f.taken(id+".error") {
				return true
			}
		}
	}
	return false
}

// mayRepeat reports whether events may have come twice.
func (m *model) mayRepeat() bool { return m.repeats || m.failing && m.changed }

// limited reports whether a document of an event limits the attempts of a node.
func (m *model) limited(e *sentEvent, id string) bool {
	return m.stands(m.docs, e.flow, id, func(n *modelNode) string { return fmt.Sprint(n.limited) })["true"]
}

// inOrder checks the order of what came first to a sink. A sink that is another
// one behind other queues need not wait for what they hold. What a node has given
// up may come again, late, and where a newer document leads it to.
func (m *model) inOrder(t *rapid.T, node string, list []arrival) {
	for _, flow := range []string{"f", "g"} {
		names := m.stands(m.docs, flow, node, func(n *modelNode) string { return n.name })
		delete(names, "absent")
		if len(names) > 1 && len(m.stands(m.docs, flow, node, (*modelNode).queues)) > 1 {
			continue
		}
		last, seen := map[string]int{}, map[string]bool{}
		for _, a := range list {
			if a.flow != flow || seen[a.id] || len(a.lost) > 0 || (a.hurt || a.poison != "") && m.mayRepeat() {
				continue
			}
			seen[a.id] = true
			if a.serial < last[a.key] {
				var docs []string
				for _, d := range m.docs {
					docs = append(docs, d.yaml())
				}
				t.Fatalf("at %s of flow %s, event %s came behind %d of the same key\n%s", node, flow, a.id, last[a.key], strings.Join(docs, "\n"))
			}
			last[a.key] = a.serial
		}
	}
}
