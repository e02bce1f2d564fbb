package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowd/flowd/engine/journal"
)

var kills = flag.Int("kills", 20, "`NUMBER` of times that the crash test kills flowd: go test ./cmd/flowd -run Crash -v -kills 200")

// crashing is the document of the crash test. A store of 16 MiB has segments
// of 2 MiB, so that the log rolls, and trims, and uses files again, while it
// is killed.
const crashing = `
admin: {listen: ""}
store: {dir: store, keep: {size: 16MiB}}
flows:
  orders:
    nodes:
      - webhook: {path: /in, id: body.id}
      - filter: data.n % 10 != 9
      - dedupe: id
      - transform: {set: {version: VERSION}}
      - http: {url: "http://SINK/orders", concurrency: 1}
        retry: {first: 2ms, max: 50ms}
      - file: orders.jsonl
  rooms:
    lanes: 3
    order_by: data.sender
    nodes:
      - webhook: {path: /in, id: body.id}
      - dedupe: id
      - file: rooms.jsonl
      - queue:
      - transform: {set: {version: VERSION}}
      - http: {url: "http://SINK/rooms", concurrency: 1}
        retry: {first: 2ms, max: 50ms}
`

// What is in hand at the most, in events: of a flow with one lane the batch
// that it walks, of a flow with several three batches a lane.
const (
	inHand      = 256
	inHandLanes = 3 * 3 * 256
)

// TestCrash kills flowd at random times under load from eight clients, with a
// sink that fails 2 % of the posts and is down or slow at times, with reloads
// at random, and starts it again each time.
func TestCrash(t *testing.T) {
	rounds := *kills
	if testing.Short() {
		rounds = min(rounds, 5)
	}
	l := newLedger()
	r := newReceiver(t, func(path string, p parcel) { l.took(path, p) })
	document := func(version int) string {
		return strings.NewReplacer("SINK", r.address, "VERSION", fmt.Sprint(version)).Replace(crashing)
	}
	d := newDaemon(t, document(0), "--drain", "2s")
	weather, clear := context.WithCancel(t.Context())
	var around sync.WaitGroup
	around.Go(func() { r.weather(weather) })

	clients := send(t, 8, d.address, l, func() bool { return max(l.backlog("/orders", 0.9), l.backlog("/rooms", 1)) > 4000 })
	var restarts []time.Duration
	marks := map[string][]int64{"orders.jsonl": nil, "rooms.jsonl": nil}
	life := func(end func()) {
		d.start()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			for d.running() && l.answered() == 0 {
				time.Sleep(time.Millisecond)
			}
			if l.answered() > 0 {
				restarts = append(restarts, time.Since(d.started))
			}
		}()
		end()
		<-answered
		for name := range marks {
			size := int64(0)
			if info, err := os.Stat(d.path(name)); err == nil {
				size = info.Size()
			}
			marks[name] = append(marks[name], size)
		}
		l.begin()
	}
	version, stops := 0, 0
	reload := func() {
		version++
		d.write(document(version))
		d.signal(syscall.SIGHUP)
		l.reloaded()
	}
	for killed := 0; killed < rounds; {
		life(func() {
			time.Sleep(lifetime())
			for l.answered() > 0 && rand.IntN(2) == 0 { // it knows by now what the signals are for
				reload()
				time.Sleep(rand.N(30 * time.Millisecond))
			}
			if l.answered() > 0 && rand.IntN(10) == 0 {
				stops++
				if status := d.stop(); status != fine && status != broken {
					t.Errorf("SIGTERM: exit status %d", status)
				}
				return
			}
			if !d.running() {
				t.Fatalf("flowd ended by itself: %s", d.cmd.ProcessState)
			}
			d.kill()
			killed++
		})
	}
	calm := time.Now()
	clear()
	around.Wait()
	everything := func(parcel) bool { return true }
	kept := func(p parcel) bool { return p.N%10 != 9 }
	life(func() {
		d.until("it answers", func() bool { return l.answered() > 100 })
		clients.end()
		for _, p := range l.sample(200) { // long delivered, and sent once more
			p.Try = -1
			if status := clients.post(p); status != 200 {
				t.Errorf("an event that is sent again is answered %d", status)
			}
		}
		l.drained(10*time.Second, "/orders", kept)
		l.drained(10*time.Second, "/rooms", everything)
		if status := d.stop(); status != fine {
			t.Errorf("SIGTERM: exit status %d", status)
		}
	})

	t.Logf("%d kills and %d stops under load, %d reloads, %d events acknowledged; drained in %v",
		rounds, stops, version, len(l.acked), time.Since(calm).Round(time.Millisecond))
	slices.Sort(restarts)
	t.Logf("from start to first acknowledgement: median %v, longest %v", restarts[len(restarts)/2], restarts[len(restarts)-1])
	torn := l.readFile(t, "orders.jsonl", d.path("orders.jsonl"), marks["orders.jsonl"])
	torn += l.readFile(t, "rooms.jsonl", d.path("rooms.jsonl"), marks["rooms.jsonl"])
	if torn > 2*rounds {
		t.Errorf("%d torn lines after %d kills", torn, rounds)
	}
	for _, sink := range []struct {
		name   string
		inHand int
		wanted func(parcel) bool
	}{
		{"/orders", inHand, kept}, {"orders.jsonl", inHand, kept},
		{"rooms.jsonl", inHandLanes, everything}, {"/rooms", 2 * inHandLanes, everything}, // before the queue and behind it
	} {
		f := l.judge(sink.name, sink.inHand, sink.wanted)
		t.Logf("%-12s %s", sink.name, f)
		if f.wrong() {
			t.Errorf("%s: a promise is broken", sink.name)
		}
	}
	d.noLetters()
	for _, word := range []string{"is lost", "panick", "damaged", "DATA RACE"} {
		if bytes.Contains(d.log(), []byte(word)) {
			t.Errorf("the log says %q", word)
		}
	}
}

// lifetime is how long a life is: some end while they are still reading the
// store.
func lifetime() time.Duration {
	if rand.IntN(4) == 0 {
		return rand.N(80 * time.Millisecond)
	}
	return 100*time.Millisecond + rand.N(600*time.Millisecond)
}

// noLetters looks into the store of a daemon that has ended: there is no dead
// letter, and nothing is damaged.
func (d *daemon) noLetters() {
	d.t.Helper()
	j, err := journal.Open(filepath.Join(d.dir, "store"), journal.Options{KeepSize: 16 << 20})
	if err != nil {
		d.t.Fatal(err)
	}
	defer j.Close()
	letters, err := j.DeadLetters().List(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, letter := range letters {
		d.t.Errorf("event %s is a dead letter of %s: %s", letter.Event.ID, letter.Failure.Node, letter.Failure.Message)
	}
	if damage, lost := j.Losses(); len(damage)+len(lost) > 0 {
		d.t.Errorf("the store is damaged: %v, and has lost %v", damage, lost)
	}
}
