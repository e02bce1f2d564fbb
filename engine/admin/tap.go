package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
)

const (
	maxTaps   = 64               // at a time
	tapHolds  = 256              // events that wait for a client; more are dropped
	heartbeat = 15 * time.Second // so that a client that is gone is noticed
	tapTime   = 30 * time.Second // for a client to take what is written
)

// A Tapped is an event that a node has passed on, as a tap shows it.
type Tapped struct {
	Flow string `json:"flow"`
	Node string `json:"node"`
	// Dropped is how many events of the node were not shown since the message
	// before, as the client was too slow for them.
	Dropped uint64 `json:"dropped,omitempty"`
	Event
}

// tap shows the events that a node passes on, or all nodes of a flow, as
// server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)
// until the client or the server goes. Every event is one message: a [Tapped].
// Those of one node are in order.
func (a *Admin) tap(w http.ResponseWriter, r *http.Request) {
	if a.taps.Add(1) > maxTaps {
		a.taps.Add(-1)
		refuse(w, http.StatusServiceUnavailable, "too many taps are open")
		return
	}
	defer a.taps.Add(-1)
	ctx, cancel := context.WithCancel(r.Context())
	var nodes sync.WaitGroup
	defer nodes.Wait()
	defer cancel()
	events := make(chan Tapped, tapHolds)
	if !a.follow(ctx, &nodes, r.PathValue("flow"), r.PathValue("node"), events) {
		refuse(w, http.StatusNotFound, "no such node runs")
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
	s := &stream{w: w}
	s.beat()
	beats := time.NewTicker(heartbeat)
	defer beats.Stop()
	for s.flush() == nil {
		select {
		case e := <-events:
			s.send(e)
			for range len(events) {
				s.send(<-events)
			}
		case <-beats.C:
			s.beat()
		case <-closing(r):
			return
		case <-ctx.Done():
			return
		}
	}
}

// follow taps the node, or all nodes of the flow if it is empty, until ctx is
// done.
func (a *Admin) follow(ctx context.Context, group *sync.WaitGroup, flow, node string, into chan<- Tapped) (found bool) {
	for _, n := range a.engine.Nodes() {
		if n.Flow != flow || node != "" && n.Node != node {
			continue
		}
		tap, ok := a.engine.Tap(flow, n.Node, tapHolds)
		if !ok { // removed just now
			continue
		}
		found = true
		group.Go(func() {
			defer tap.Stop()
			told := uint64(0)
			pass(ctx, tap.Events(), into, func(e *engine.Event) Tapped {
				dropped := tap.Dropped() - told
				told += dropped
				a.metrics.tapDropped.Add(float64(dropped))
				return Tapped{flow, n.Node, dropped, whole(e)}
			})
		})
	}
	return found
}

func pass[T, U any](ctx context.Context, from <-chan T, into chan<- U, turn func(T) U) {
	for {
		select {
		case v := <-from:
			select {
			case into <- turn(v):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// A stream writes server-sent events.
type stream struct {
	w    http.ResponseWriter
	text bytes.Buffer
}

func (s *stream) send(e Tapped) {
	s.text.WriteString("data: ")
	enc := json.NewEncoder(&s.text) // writes one line
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // all of it is JSON already
	s.text.WriteByte('\n')
}

func (s *stream) beat() { s.text.WriteString(":\n\n") }

func (s *stream) flush() error {
	rc := http.NewResponseController(s.w)
	patient(s.w, time.Now().Add(tapTime))
	if _, err := s.w.Write(s.text.Bytes()); err != nil {
		return err
	}
	s.text.Reset()
	return rc.Flush()
}
