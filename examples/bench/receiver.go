package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A receiver is where results are posted to. It can be down.
type receiver struct {
	address string
	server  *http.Server
	count   atomic.Int64

	mu     sync.Mutex
	bodies [][]byte
}

func newReceiver() (*receiver, error) {
	address, err := freeAddress()
	r := &receiver{address: address}
	if err != nil {
		return nil, err
	}
	return r, r.up()
}

// up has it take what is posted, and keep it for later.
func (r *receiver) up() error {
	socket, err := net.Listen("tcp", r.address)
	if err != nil {
		return err
	}
	r.server = &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // it comes again
		}
		r.mu.Lock()
		r.bodies = append(r.bodies, body)
		r.mu.Unlock()
		r.count.Add(1)
	})}
	go func() { _ = r.server.Serve(socket) }() // until it is closed
	return nil
}

// down has it refuse connections, once it has answered what it has.
func (r *receiver) down() error { return r.server.Shutdown(context.Background()) }

// wait waits until as many results have come as there must, and gives up when
// none has come for too long.
func (r *receiver) wait(ctx context.Context, want map[string]result, patience time.Duration) error {
	last, since := r.count.Load(), time.Now()
	for ; r.count.Load() < int64(len(want)); time.Sleep(time.Millisecond) {
		if n := r.count.Load(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > patience || ctx.Err() != nil {
			return fmt.Errorf("%d of %d results came", last, len(want))
		}
	}
	return nil
}

// check compares what came with what must have come: each result once, whole.
func (r *receiver) check(want map[string]result) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := make(map[string]bool, len(want))
	for _, body := range r.bodies {
		var got result
		if err := json.Unmarshal(body, &got); err != nil {
			return fmt.Errorf("%w: %s", err, body)
		}
		switch {
		case seen[got.ID]:
			return fmt.Errorf("%s came twice", got.ID)
		case got != want[got.ID]:
			return fmt.Errorf("got %v, want %v", got, want[got.ID])
		}
		seen[got.ID] = true
	}
	if len(seen) != len(want) {
		return fmt.Errorf("%d of %d results came", len(seen), len(want))
	}
	return nil
}
