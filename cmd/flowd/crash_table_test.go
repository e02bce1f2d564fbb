package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var load = flag.Duration("load", 2*time.Second, "`TIME` under load for each row of the table that compares flowd with Node-RED; its figures are of 10s")

const compared = `
store: {dir: store}
admin: {listen: "ADMIN"}
flows:
  f:
    nodes:
      - webhook: {path: /in, id: body.id}
      - dedupe: id
      - http: "http://SINK/f"
        retry: {first: 10ms, max: 200ms}
`

// A comparison is flowd with a ledger and a receiver, to be mistreated as
// Node-RED was when it lost events.
type comparison struct {
	*daemon
	*receiver
	ledger *ledger
	admin  string
}

func compare(t *testing.T) *comparison {
	c := &comparison{ledger: newLedger(), admin: freeAddress(t)}
	c.receiver = newReceiver(t, func(_ string, p parcel) { c.ledger.took("f", p) })
	c.daemon = newDaemon(t, strings.NewReplacer("SINK", c.receiver.address, "ADMIN", c.admin).Replace(compared))
	c.daemon.up()
	return c
}

// under has eight senders at work for a time, as fast as they can, and returns
// how many events were acknowledged.
func (c *comparison) under(load time.Duration, meanwhile func()) int {
	s := send(c.daemon.t, 8, c.daemon.address, c.ledger, func() bool { return false })
	defer s.end()
	end := time.Now().Add(load)
	meanwhile()
	time.Sleep(time.Until(end))
	s.end()
	return len(c.ledger.acked)
}

// lost waits until all is delivered, or nothing more has come for a while, and
// returns how many events were lost.
func (c *comparison) lost() int { return c.ledger.drained(time.Minute, "f", everything) }

// TestTheEventsThatNodeREDLoses mistreats flowd as Node-RED 5.0.7 was, and
// prints what became of the events as a table. Measured column of the README:
// go test ./cmd/flowd -run NodeRED -v -load 10s
func TestTheEventsThatNodeREDLoses(t *testing.T) {
	table := []string{"| | Node-RED 5.0.7 | flowd |", "|---|---|---|"}
	row := func(what, nodeRED, format string, args ...any) {
		table = append(table, fmt.Sprintf("| %s | %s | %s |", what, nodeRED, fmt.Sprintf(format, args...)))
	}
	t.Run("while the receiver is down", func(t *testing.T) {
		c := compare(t)
		c.receiver.down()
		n := c.under(*load, func() {})
		c.receiver.up()
		lost := c.lost()
		row("accepted while the receiver was down", "1,002 of 1,002 lost", "%d of %d lost", lost, n)
		if lost > 0 || n == 0 {
			t.Errorf("%d of %d lost", lost, n)
		}
	})
	t.Run("while the receiver answers 500", func(t *testing.T) {
		c := compare(t)
		c.receiver.answer(http.StatusInternalServerError)
		n := c.under(*load, func() {})
		c.receiver.answer(0)
		letters := 0
		c.daemon.until("all but dead letters is delivered", func() bool {
			letters = bytes.Count(c.daemon.log(), []byte("gave up an event"))
			return c.ledger.waiting("f", everything) <= letters
		})
		out, err := c.flowd("dead", "retry", "--all")
		if letters > 0 && err != nil {
			t.Errorf("flowd dead retry: %v %s", err, out)
		}
		lost := c.lost()
		row("accepted while it answered 500", "199 of 199 lost", "%d of %d lost; %d of them became dead letters, and were tried again", lost, n, letters)
		if lost > 0 || letters > 16 || n == 0 {
			t.Errorf("%d of %d lost, %d dead letters", lost, n, letters)
		}
	})
	t.Run("before kill -9", func(t *testing.T) {
		c := compare(t)
		n := c.under(*load, func() {
			time.Sleep(*load / 2)
			c.daemon.kill()
			c.ledger.begin(false)
			c.daemon.start()
		})
		lost := c.lost()
		f := c.ledger.judge("f", inHand, false, everything)
		row("accepted before a kill -9 under load", "2,705 of about 5,000 lost", "%d of %d lost, %d delivered twice", lost, n, f.duplicated)
		if lost > 0 || f.beyond > 0 || f.redeemed > 0 || n == 0 {
			t.Errorf("of %d: %s", n, f)
		}
	})
	t.Run("duplicates after a restart", func(t *testing.T) {
		c := compare(t)
		n := c.under(min(*load, time.Second), func() {})
		if lost := c.lost(); lost > 0 {
			t.Errorf("%d of %d lost", lost, n)
		}
		c.daemon.kill()
		c.ledger.begin(false)
		c.daemon.up()
		again := send(t, 0, c.daemon.address, c.ledger, nil)
		for _, p := range c.ledger.sample(500) {
			p.Try = -1
			if status := again.post(p); status != http.StatusOK {
				t.Errorf("sent again: %d", status)
			}
		}
		last := parcel{ID: "last"}
		again.post(last)
		c.ledger.ack(last)
		lost := c.lost()
		f := c.ledger.judge("f", inHand, false, everything)
		row("the same ids sent again after a restart", "all delivered twice", "%d of 500", f.redeemed)
		if lost+f.redeemed+f.beyond > 0 {
			t.Errorf("%s", f)
		}
	})
	t.Run("memory", func(t *testing.T) {
		c := compare(t)
		idle := c.daemon.memory()
		c.receiver.down() // so that all of it waits
		n := c.under(*load, func() {})
		most := c.daemon.memory()
		row(fmt.Sprintf("memory before and after %s of load", *load), "127 to 771 MB", "%d to %d MB, %d events waiting", idle>>20, most>>20, n)
		if most > 256<<20 {
			t.Errorf("%d MB of memory", most>>20)
		}
	})
	t.Log("\n" + strings.Join(table, "\n"))
}

// flowd runs another command in the folder of the daemon.
func (d *daemon) flowd(args ...string) (string, error) {
	cmd := exec.Command("flowd", args...)
	cmd.Dir = d.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
