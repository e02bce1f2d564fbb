package journal_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
)

// A world is a journal that is used and mistreated, and what its users know:
// what they were promised is what must hold.
type world struct {
	t    failer
	pick func(what string, n int) int // a number below n
	fs   *memfs.FS
	opt  journal.Options
	j    *journal.Journal

	flows       []*lane
	checkpoints map[string]*known
	letters     map[string]*known // "" is gone
	letterIDs   map[string]string
	serial      int
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// known is what a value may be: one, if the last change was acknowledged.
type known struct{ may []string }

// changed notes a change from what there was, done if err is nil, else perhaps.
func (k *known) changed(value string, err error) {
	if err == nil {
		k.may = nil
	}
	k.may = append(k.may, value)
}

// A lane is a flow: its producer and its reader, which dedupes.
type lane struct {
	name   string
	log    engine.Log
	cursor engine.Cursor
	keys   engine.Keys
	sent   []sent
	index  map[string]int // of an id in sent

	read      []*engine.Event // by the lane, in order, without gaps
	committed engine.Offset   // that was acknowledged
	tried     engine.Offset   // that may be committed
	pos       engine.Offset
	owner     map[string]engine.Offset // of a key: the first event that has it
}

type sent struct {
	id    string
	acked bool
}

func newWorld(t failer, pick func(string, int) int) *world {
	w := &world{
		t: t, pick: pick, fs: memfs.New(), checkpoints: map[string]*known{}, letters: map[string]*known{}, letterIDs: map[string]string{},
		opt: journal.Options{SegmentSize: 8 << 10, KeepSize: 96 << 10, Cache: 2 << 10},
	}
	for i := range 3 {
		w.flows = append(w.flows, &lane{name: fmt.Sprint("f", i), index: map[string]int{}, owner: map[string]engine.Offset{}})
	}
	return w
}

var bg = context.Background()

// open opens the journal and compares what it knows. It fails only if the
// folder does.
func (w *world) open() error {
	w.t.Helper()
	j, err := journal.Open("", w.options())
	if err != nil {
		return err
	}
	w.j = j
	if damage, lost := j.Losses(); len(damage)+len(lost) > 0 {
		w.t.Fatalf("damage %v, lost %v", damage, lost)
	}
	for _, l := range w.flows {
		l.log = must(j.Log(bg, l.name))(w.t)
		l.keys = must(j.Keys(bg, l.name, "dedupe"))(w.t)
		cursor, err := l.log.Cursor(bg, "main")
		if err != nil {
			return err
		}
		l.cursor = cursor
		at := cursor.Committed()
		if at < l.committed || at > l.tried {
			w.t.Fatalf("%s: committed %d and perhaps %d, found %d", l.name, l.committed, l.tried, at)
		}
		l.committed, l.tried, l.pos = at, at, at
	}
	w.compare(true)
	return nil
}

func must[T any](v T, err error) func(t failer) T {
	return func(t failer) T {
		if err != nil {
			t.Fatalf("%v", err)
		}
		return v
	}
}

// compare compares checkpoints and letters. After a restart what they may be
// is settled.
func (w *world) compare(restarted bool) {
	w.t.Helper()
	cp := must(w.j.Checkpoints(bg, "f", "tail"))(w.t)
	for key, k := range w.checkpoints {
		b, err := cp.Load(bg, key)
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		k.found(w.t, "checkpoint "+key, string(b), restarted)
	}
	letters, err := w.j.DeadLetters().List(bg)
	if injected(err) {
		return
	}
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	found := map[string]bool{}
	for _, l := range letters {
		found[l.Event.ID] = true
		w.letterIDs[l.Event.ID] = l.ID
		w.intact(l.Event)
	}
	for id, k := range w.letters {
		value := ""
		if found[id] {
			value = id
		}
		k.found(w.t, "letter "+id, value, restarted)
		delete(found, id)
	}
	if len(found) > 0 {
		w.t.Fatalf("letters from nowhere: %v", found)
	}
}

func (k *known) found(t failer, what, value string, restarted bool) {
	t.Helper()
	if !slices.Contains(k.may, value) {
		t.Fatalf("%s is %q, want one of %q", what, value, k.may)
	}
	if restarted {
		k.may = []string{value}
	}
}

// injected reports whether an error is one of those that tests make.
func injected(err error) bool {
	for _, e := range []error{memfs.ErrCut, syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// make makes an event whose bytes tell whether they are its own.
func (w *world) make(size int) *engine.Event {
	w.serial++
	id := fmt.Sprintf("%d-%d", w.serial, size)
	return &engine.Event{ID: id, Type: fmt.Sprint("k", w.serial%17), Data: engine.JSON([]byte(payload(id, size)))}
}

func payload(id string, size int) string { return `"` + strings.Repeat(id+".", size) + `"` }

func (w *world) intact(e *engine.Event) {
	w.t.Helper()
	var serial, size int
	fmt.Sscanf(e.ID, "%d-%d", &serial, &size)
	if b, err := e.Data.Bytes(); err != nil || string(b) != payload(e.ID, size) || e.Type != fmt.Sprint("k", serial%17) {
		w.t.Fatalf("event %q has a wrong body", e.ID)
	}
}

// step does one thing. It returns an error only when the store is unusable.
func (w *world) step(action string) {
	w.t.Helper()
	l := w.flows[w.pick("flow", len(w.flows))]
	switch action {
	case "append":
		var batch []*engine.Event
		for range 1 + w.pick("events", 4) {
			e := w.make(w.pick("size", 200))
			l.index[e.ID] = len(l.sent)
			l.sent = append(l.sent, sent{id: e.ID})
			batch = append(batch, e)
		}
		if err := l.log.Append(bg, batch); err == nil {
			for i := range batch {
				l.sent[len(l.sent)-1-i].acked = true
			}
		}
	case "lane":
		w.walk(l, 1+w.pick("batch", 20), true)
	case "walk back":
		l.cursor.Seek(l.cursor.Committed())
		l.pos = l.cursor.Committed()
	case "checkpoint":
		key := fmt.Sprint(w.pick("key", 3))
		k := w.checkpoints[key]
		if k == nil {
			k = &known{may: []string{""}}
			w.checkpoints[key] = k
		}
		w.serial++
		value := fmt.Sprint(w.serial)
		cp := must(w.j.Checkpoints(bg, "f", "tail"))(w.t)
		if w.pick("remove", 4) == 0 {
			k.changed("", cp.Save(bg, key, nil))
		} else {
			k.changed(value, cp.Save(bg, key, []byte(value)))
		}
	case "letter":
		e := w.make(w.pick("size", 30))
		k := &known{may: []string{""}}
		w.letters[e.ID] = k
		k.changed(e.ID, w.j.DeadLetters().Add(bg, engine.DeadLetter{Flow: l.name, Event: e, Failure: engine.Failure{Message: "no"}}))
		w.compare(false)
	case "remove letter":
		ids := slices.Sorted(maps.Keys(w.letterIDs))
		if len(ids) > 0 {
			id := ids[w.pick("letter", len(ids))]
			w.letters[id].changed("", w.j.DeadLetters().Remove(bg, w.letterIDs[id]))
		}
	case "compare":
		w.compare(false)
	}
}

// walk reads a batch, claims its keys and commits some of it.
func (w *world) walk(l *lane, size int, partly bool) {
	w.t.Helper()
	if l.log.End() <= l.pos {
		return
	}
	batch := make([]*engine.Event, size)
	n, err := l.cursor.Next(bg, batch)
	if err != nil {
		if !injected(err) {
			w.t.Fatalf("Next: %v", err)
		}
		return
	}
	batch = batch[:n]
	var wanted []engine.Claim
	for _, e := range batch {
		w.came(l, e)
		wanted = append(wanted, engine.Claim{Key: e.Type, Owner: e.Offset})
	}
	won, err := l.keys.Claim(bg, wanted, time.Hour)
	if err != nil {
		w.t.Fatalf("Claim: %v", err)
	}
	for i, e := range batch {
		if first := l.owner[e.Type]; won[i] != (first == e.Offset) {
			w.t.Fatalf("%s: key %q: offset %d won: %v; the first event that has it is %d", l.name, e.Type, e.Offset, won[i], first)
		}
	}
	if partly {
		n = w.pick("settled", n+1)
	}
	if n == 0 {
		return
	}
	o := batch[n-1].Offset
	l.tried = max(l.tried, o)
	if l.cursor.Commit(bg, o) == nil {
		l.committed = max(l.committed, o)
	}
}

// came checks an event that the lane was given.
func (w *world) came(l *lane, e *engine.Event) {
	w.t.Helper()
	w.intact(e)
	if e.Offset != l.pos+1 {
		w.t.Fatalf("%s: offset %d after %d", l.name, e.Offset, l.pos)
	}
	l.pos = e.Offset
	if int(e.Offset) <= len(l.read) { // again
		if before := l.read[e.Offset-1]; before.ID != e.ID {
			w.t.Fatalf("%s: offset %d was %q and is %q", l.name, e.Offset, before.ID, e.ID)
		}
		return
	}
	from := 0
	if len(l.read) > 0 {
		from = l.index[l.read[len(l.read)-1].ID] + 1
	}
	at, ok := l.index[e.ID]
	if !ok || at < from {
		w.t.Fatalf("%s: event %q is not one that was to come", l.name, e.ID)
	}
	w.notLost(l, from, at)
	l.read = append(l.read, e)
	if l.owner[e.Type] == 0 {
		l.owner[e.Type] = e.Offset
	}
}

func (w *world) notLost(l *lane, from, to int) {
	w.t.Helper()
	for _, s := range l.sent[from:to] {
		if s.acked {
			w.t.Fatalf("%s: event %q was acknowledged and is lost", l.name, s.id)
		}
	}
}

// restart has the process end in some way and begin again.
func (w *world) restart(how string) {
	w.t.Helper()
	chance := rand.New(rand.NewPCG(uint64(w.pick("chance", 1<<30)), 0))
	switch how {
	case "kill":
		w.fs = w.fs.Kill()
	case "power cut":
		w.fs = w.fs.Crash(chance)
	case "hard power cut":
		w.fs = w.fs.Crash(nil)
	}
	if w.j != nil {
		w.j.Close() // of what is gone, mostly
	}
	if how == "stop" {
		w.fs.Fault(nil)
	}
	if err := w.open(); err != nil {
		w.t.Fatalf("opening after %s: %v", how, err)
	}
}

// finish drains everything: nothing that was promised is lost, nothing is
// stuck, and a store that had no room has some again.
func (w *world) finish() {
	w.t.Helper()
	w.fs.Fault(nil)
	w.fs.Room(1 << 40)
	w.drain()
	// The first operation may meet what a fault left behind; the next may not.
	for try := 0; ; try++ {
		err := w.flows[0].log.Append(bg, []*engine.Event{w.last(w.flows[0])})
		if err == nil {
			break
		}
		if try == 2 {
			w.t.Fatalf("the store does not recover: %v", err)
		}
	}
	l := w.flows[0]
	l.sent[len(l.sent)-1].acked = true
	w.drain()
	w.restart("stop")
	w.drain()
	w.restart("hard power cut")
	w.compare(false)
	if err := w.j.Close(); err != nil {
		w.t.Fatalf("Close: %v", err)
	}
}

// last makes an event that is sent next.
func (w *world) last(l *lane) *engine.Event {
	e := w.make(5)
	l.index[e.ID] = len(l.sent)
	l.sent = append(l.sent, sent{id: e.ID})
	return e
}

func (w *world) drain() {
	w.t.Helper()
	for _, l := range w.flows {
		// What was read and not committed comes again.
		l.cursor.Seek(l.cursor.Committed())
		l.pos = l.cursor.Committed()
		for l.log.End() > l.pos {
			w.walk(l, 50, false)
		}
		from := 0
		if len(l.read) > 0 {
			from = l.index[l.read[len(l.read)-1].ID] + 1
		}
		w.notLost(l, from, len(l.sent))
		if l.cursor.Commit(bg, l.pos) == nil {
			l.committed, l.tried = l.pos, l.pos
		}
	}
}

var actions = []string{"append", "append", "append", "lane", "lane", "walk back", "checkpoint", "letter", "remove letter", "compare"}

// live has n things done, by chance.
func (w *world) live(n int) {
	for range n {
		w.step(actions[w.pick("action", len(actions))])
	}
}

func dice(seed uint64) func(string, int) int {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(_ string, n int) int { return r.IntN(n) }
}

func (w *world) options() journal.Options {
	opt := w.opt
	opt.FS = w.fs
	return opt
}

// ended is a context for a read that should not wait: it ends soon after
// somebody begins to wait for it, however long what is before that takes.
func ended() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(bg)
	return waited{ctx, cancel}, cancel
}

type waited struct {
	context.Context
	cancel context.CancelFunc
}

func (w waited) Done() <-chan struct{} {
	time.AfterFunc(50*time.Millisecond, w.cancel)
	return w.Context.Done()
}
