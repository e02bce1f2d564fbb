package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
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

// What is in hand at the most, in events: three batches a lane, of which it walks
// one, and others wait for it or for their commit.
const (
	inHand      = 3 * 512
	inHandLanes = 3 * inHand
)

// A crash is a flowd that dies again and again.
type crash struct {
	*daemon
	*ledger
	receiver *receiver
	clients  *senders

	kills, stops, version int
	restarts              []time.Duration    // from a start to the first acknowledgement
	files                 map[string][]int64 // sinks that are files, with their sizes at the end of each life
}

func everything(parcel) bool { return true }

// kept is what the filter of the flow orders lets pass.
func kept(p parcel) bool { return p.N%10 != 9 }

// TestCrash kills flowd at random times under load from eight clients, with a
// sink that fails 2 % of the posts and is down or slow at times, with reloads
// at random, and starts it again each time.
func TestCrash(t *testing.T) {
	rounds := *kills
	if testing.Short() {
		rounds = min(rounds, 5)
	}
	l := newLedger()
	r := newReceiver(t, l.took)
	c := &crash{ledger: l, receiver: r, files: map[string][]int64{"orders.jsonl": nil, "rooms.jsonl": nil}}
	c.daemon = newDaemon(t, c.document(), "--drain", "2s")
	weather, clear := context.WithCancel(t.Context())
	var around sync.WaitGroup
	around.Go(func() { r.weather(weather) })
	c.clients = send(t, 8, c.address, l, func() bool { return max(l.backlog("/orders", 0.9), l.backlog("/rooms", 1)) > 4000 })
	for c.kills < rounds {
		c.life(c.die)
	}
	calm := time.Now()
	clear()
	around.Wait()
	c.life(c.drain)
	t.Logf("%d kills and %d stops under load, %d reloads, %d events acknowledged; drained in %v",
		c.kills, c.stops, c.version, len(l.acked), time.Since(calm).Round(time.Millisecond))
	c.judge()
}

func (c *crash) document() string {
	return strings.NewReplacer("SINK", c.receiver.address, "VERSION", fmt.Sprint(c.version)).Replace(crashing)
}

// life runs flowd from a start to what end does.
func (c *crash) life(end func() (clean bool)) {
	c.start()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for c.running() && c.answered() == 0 {
			time.Sleep(time.Millisecond)
		}
		if c.answered() > 0 {
			c.restarts = append(c.restarts, time.Since(c.started))
		}
	}()
	clean := end()
	<-answered
	for name, sizes := range c.files {
		size := int64(0)
		if info, err := os.Stat(c.path(name)); err == nil {
			size = info.Size()
		}
		c.files[name] = append(sizes, size)
	}
	c.begin(clean)
}

// die is an end at a random time: a kill, at times in the midst of a reload, or
// a SIGTERM.
func (c *crash) die() (clean bool) {
	time.Sleep(lifetime())
	for c.answered() > 0 && rand.IntN(2) == 0 { // it knows by now what the signals are for
		c.version++
		c.write(c.document())
		c.signal(syscall.SIGHUP)
		c.reloaded()
		time.Sleep(rand.N(30 * time.Millisecond))
	}
	if c.answered() > 0 && rand.IntN(10) == 0 {
		c.stops++
		status := c.stop()
		if status != fine && status != broken { // work in hand may take longer than the drain
			c.t.Errorf("SIGTERM: exit status %d", status)
		}
		return status == fine
	}
	if !c.running() {
		c.t.Fatalf("flowd ended by itself: %s", c.cmd.ProcessState)
	}
	c.kill()
	c.kills++
	return false
}

// drain is the last life: it goes on until all is delivered.
func (c *crash) drain() (clean bool) {
	c.until("it answers", func() bool { return c.answered() > 100 })
	c.clients.end()
	for _, p := range c.sample(200) { // long delivered, and sent once more
		p.Try = -1
		if status := c.clients.post(p); status != http.StatusOK {
			c.t.Errorf("an event that is sent again is answered %d", status)
		}
	}
	c.drained(time.Minute, "/orders", kept)
	c.drained(time.Minute, "/rooms", everything)
	if status := c.stop(); status != fine {
		c.t.Errorf("SIGTERM: exit status %d", status)
	}
	return true
}

// judge compares what came with what was promised.
func (c *crash) judge() {
	slices.Sort(c.restarts)
	c.t.Logf("from start to first acknowledgement: median %v, longest %v", c.restarts[len(c.restarts)/2], c.restarts[len(c.restarts)-1])
	torn := 0
	for name, sizes := range c.files {
		torn += c.readFile(c.t, name, c.path(name), sizes)
	}
	if torn > 2*c.kills {
		c.t.Errorf("%d torn lines after %d kills", torn, c.kills)
	}
	for _, sink := range []struct {
		name   string
		inHand int
		lanes  bool
		wanted func(parcel) bool
	}{
		{"/orders", inHand, false, kept}, {"orders.jsonl", inHand, false, kept},
		{"rooms.jsonl", inHandLanes, true, everything}, {"/rooms", 2 * inHandLanes, true, everything}, // before the queue and behind it
	} {
		f := c.ledger.judge(sink.name, sink.inHand, sink.lanes, sink.wanted)
		c.t.Logf("%-12s %s", sink.name, f)
		if f.wrong() {
			c.t.Errorf("%s: a promise is broken", sink.name)
		}
	}
	c.noLetters()
	for _, word := range []string{"is lost", "panick", "damaged", "DATA RACE"} {
		if bytes.Contains(c.log(), []byte(word)) {
			c.t.Errorf("the log says %q", word)
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
