package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What other engines get wrong when a sink or the process is in trouble: each
// test here is a case in which one of them lost, repeated or told something.

// tally counts what a receiver took.
type tally struct {
	mu    sync.Mutex
	count map[string]int // by id
}

func (c *tally) took(_ string, p parcel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.count[p.ID]++
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.count)
}

// answer posts a parcel and returns all of the answer as text, or the error.
func (d *daemon) answer(path, id string) (status int, answer string) {
	body, err := json.Marshal(parcel{ID: id})
	if err != nil {
		d.t.Error(err)
	}
	resp, err := http.Post("http://"+d.address+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := httputil.DumpResponse(resp, true)
	if err != nil {
		d.t.Error(err)
	}
	return resp.StatusCode, string(text)
}

// document fills in a document: NAME, value, and so on.
func document(text string, pairs ...string) string {
	return "admin: {listen: \"\"}\nstore: {dir: store}\n" + strings.NewReplacer(pairs...).Replace(text)
}

func TestWhatASenderIsToldHasNothingOfTheSinkInIt(t *testing.T) {
	sink := freeAddress(t) // nobody listens there
	d := newDaemon(t, document(`
flows:
  f: {nodes: [webhook: /in, http: "http://user:password@SINK/secret-path?key=secret-key"]}
  g:
    nodes:
      - webhook: {path: /ask, reply: true, timeout: 1m}
      - http: {url: "http://user:password@SINK/secret-path", result: reply}
        retry: {attempts: 1}
      - respond: {body: data.reply}
`, "SINK", sink), "--drain", "500ms")
	told := func(answer string) {
		t.Helper()
		for _, secret := range []string{sink, "user", "password", "secret", "refused", "dial", "connect"} {
			if strings.Contains(answer, secret) {
				t.Errorf("the answer has %q in it:\n%s", secret, answer)
			}
		}
	}
	d.up()
	status, answer := d.answer("/in", "1")
	if told(answer); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	status, answer = d.answer("/ask", "2")
	if told(answer); status != http.StatusInternalServerError {
		t.Errorf("a request whose flow failed is answered %d", status)
	}
	d.stop()

	// With a store in memory an event is safe when it is delivered, and a
	// sender that waits for that is told to come again.
	d.args = append(d.args, "--store", "memory")
	d.up()
	answers := make(chan string)
	go func() {
		status, answer := d.answer("/in", "3")
		answers <- fmt.Sprint(status, " ", answer)
	}()
	const again = "trying again"
	before := bytes.Count(d.log(), []byte(again))
	d.until("the event is on its way", func() bool { return bytes.Count(d.log(), []byte(again)) > before })
	d.stop()
	answer = <-answers
	if told(answer); !strings.HasPrefix(answer, "503") || !strings.Contains(answer, "Retry-After: ") {
		t.Errorf("a sender that waits when flowd ends is told:\n%s", answer)
	}
}

func TestASinkThatTakesSixSecondsGetsEachEventOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes six seconds")
	}
	t.Parallel()
	for _, store := range []string{"store", "memory"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var got tally
			r := newReceiver(t, got.took)
			r.slow.Store(int64(6 * time.Second))
			d := newDaemon(t, document(`flows: {f: {nodes: [webhook: {path: /in, id: body.id}, http: "http://SINK"]}}`, "SINK", r.address), "--store", store)
			d.up()
			over := time.After(8 * time.Second)
			if status, answer := d.answer("/in", "1"); status != http.StatusOK {
				t.Error(answer)
			}
			d.until("it is delivered", func() bool { return got.String() != "map[]" })
			<-over
			if got.String() != "map[1:1]" {
				t.Errorf("it got %s", &got)
			}
			if status := d.stop(); status != fine {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

func TestARefusalIsNotTriedAgain(t *testing.T) {
	r := newReceiver(t, func(string, parcel) {})
	var posts atomic.Int64
	r.answerBy(func(string) int {
		posts.Add(1)
		return http.StatusBadRequest
	})
	d := newDaemon(t, document(`flows: {f: {nodes: [webhook: {path: /in}, {http: "http://SINK", retry: {first: 10ms}}]}}`, "SINK", r.address))
	d.up()
	d.answer("/in", "1")
	d.until("it is given up", func() bool { return bytes.Contains(d.log(), []byte("gave up an event")) })
	time.Sleep(300 * time.Millisecond)
	if n := posts.Load(); n != 1 {
		t.Errorf("posted %d times", n)
	}
}

func TestSIGTERMLetsWorkInHandFinish(t *testing.T) {
	var got tally
	r := newReceiver(t, got.took)
	r.slow.Store(int64(300 * time.Millisecond))
	d := newDaemon(t, document(`flows: {f: {nodes: [webhook: {path: /in, id: body.id}, http: {url: "http://SINK", concurrency: 1}]}}`, "SINK", r.address))
	d.up()
	for i := range 4 {
		if status, answer := d.answer("/in", fmt.Sprint(i)); status != http.StatusOK {
			t.Fatal(answer)
		}
	}
	if status := d.stop(); status != fine {
		t.Errorf("exit status %d", status)
	}
	d.up()
	d.until("all is delivered", func() bool { return got.String() == "map[0:1 1:1 2:1 3:1]" })
}

// hammer posts without a pause until end is called, which tells how often each
// status came. Answered tells whether any has.
func hammer(d *daemon, path string) (answered func() bool, end func() map[int]int) {
	var stop, any atomic.Bool
	var all sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 4 {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for !stop.Load() {
				status := 0
				if resp, err := client.Post("http://"+d.address+path, "application/json", strings.NewReader("{}")); err == nil {
					status = resp.StatusCode
					any.Store(true)
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	return any.Load, func() map[int]int {
		stop.Store(true)
		all.Wait()
		return statuses
	}
}

func TestFlowdListensOnlyWhenItsFlowsRun(t *testing.T) {
	text := "flows:\n"
	for i := range 50 {
		text += fmt.Sprintf("  f%d: {nodes: [webhook: /in%d, transform: {set: {n: 1}}, file: out.jsonl]}\n", i, i)
	}
	d := newDaemon(t, document(text))
	for range 5 {
		answered, end := hammer(d, "/in49")
		d.up()
		d.until("requests are answered", answered)
		time.Sleep(100 * time.Millisecond)
		statuses := end()
		d.kill()
		delete(statuses, 0) // nobody listened yet
		if statuses[http.StatusOK] == 0 || len(statuses) > 1 {
			t.Fatalf("answered %v", statuses)
		}
	}
}

func TestNoRequestIsRefusedOverReloads(t *testing.T) {
	r := newReceiver(t, func(string, parcel) {})
	r.slow.Store(int64(50 * time.Millisecond))
	text := `flows: {f: {nodes: [webhook: {path: /in, source: "VERSION"}, transform: {set: {version: VERSION}}, http: "http://SINK"]}}`
	d := newDaemon(t, document(text, "SINK", r.address, "VERSION", "0"))
	d.up()
	_, end := hammer(d, "/in")
	for version := 1; version <= 20; version++ {
		d.write(document(text, "SINK", r.address, "VERSION", fmt.Sprint(version)))
		d.signal(syscall.SIGHUP)
		time.Sleep(50 * time.Millisecond)
		d.until("it is reloaded", func() bool { return bytes.Count(d.log(), []byte(`"reloaded"`)) >= version })
	}
	if statuses := end(); statuses[http.StatusOK] == 0 || len(statuses) > 1 {
		t.Errorf("answered %v", statuses)
	}
}

func TestASinkThatHangsHoldsUpNobodyElse(t *testing.T) {
	var got tally
	r := newReceiver(t, got.took)
	hung := newReceiver(t, got.took)
	hung.slow.Store(int64(time.Hour))
	d := newDaemon(t, document(`
flows:
  hung:
    nodes:
      - webhook: {path: /hung, id: body.id}
      - http: "http://HUNG"
        timeout: 300ms
        retry: {first: 10ms, max: 50ms}
  well: {nodes: [webhook: {path: /well, id: body.id}, http: "http://SINK"]}
`, "HUNG", hung.address, "SINK", r.address))
	d.up()
	for i := range 50 {
		if status, answer := d.answer("/hung", fmt.Sprint("h", i)); status != http.StatusOK {
			t.Fatal(answer)
		}
	}
	for i := range 20 {
		d.answer("/well", fmt.Sprint(i))
		d.until("the other flow delivers", func() bool {
			return strings.Contains(got.String(), fmt.Sprintf(" %d:1", i)) || strings.Contains(got.String(), fmt.Sprintf("[%d:1", i))
		})
	}
	hung.slow.Store(0)
	d.until("what waited is delivered", func() bool { return strings.Count(got.String(), "h") == 50 })
}
