package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A receiver is where http sinks deliver to: a server that fails as it is told
// to, and that can be down.
type receiver struct {
	t       *testing.T
	address string
	took    func(path string, p parcel) // called for each post that it takes

	// Status, if set, decides what a post is answered instead of 200.
	status atomic.Pointer[func(path string) int]
	slow   atomic.Int64 // nanoseconds that each post takes

	mu     sync.Mutex
	server *http.Server // nil while it is down

	taking sync.RWMutex
	away   bool // it takes nothing more
}

// A parcel is the body of an event of these tests: the serial number of its
// sender, and which attempt of it this is.
type parcel struct {
	ID     string `json:"id"`
	Sender int    `json:"sender"`
	N      int    `json:"n"`
	Try    int    `json:"try"`
}

// newReceiver starts a receiver.
func newReceiver(t *testing.T, took func(path string, p parcel)) *receiver {
	r := &receiver{t: t, address: freeAddress(t), took: took}
	r.up()
	t.Cleanup(r.down)
	return r
}

func (r *receiver) up() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		return
	}
	var l net.Listener
	var err error
	for range 1000 { // the port may still be closing
		if l, err = net.Listen("tcp", r.address); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		r.t.Error(err)
		return
	}
	r.turnAway(false)
	r.server = &http.Server{Handler: r}
	go func(s *http.Server) { _ = s.Serve(l) }(r.server) // ends with ErrServerClosed
}

// down refuses connections from now on. What it has taken, it answers first.
func (r *receiver) down() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		r.turnAway(true)
		_ = r.server.Shutdown(context.Background())
		r.server = nil
	}
}

// answer has it answer with a status from now on, or properly with 0.
func (r *receiver) answer(status int) {
	r.answerBy(func(string) int { return status })
}

func (r *receiver) answerBy(status func(path string) int) { r.status.Store(&status) }

// turnAway has it take nothing more, or take again. A server that shuts down
// may close a connection on which a request is just coming in, and handle that
// all the same: what nobody can be answered must not count as delivered.
func (r *receiver) turnAway(away bool) {
	r.taking.Lock()
	defer r.taking.Unlock()
	r.away = away
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var p parcel
	if err := json.NewDecoder(req.Body).Decode(&p); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(time.Duration(r.slow.Load())):
	case <-req.Context().Done(): // nobody waits for the answer any more
		return
	}
	if status := r.status.Load(); status != nil {
		if code := (*status)(req.URL.Path); code != 0 {
			w.WriteHeader(code)
			return
		}
	}
	r.taking.RLock()
	defer r.taking.RUnlock()
	if r.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.took(req.URL.Path, p)
}

// weather lets a receiver fail 2 % of its posts, and be down or slow at times,
// until ctx is done. Then all is well again.
func (r *receiver) weather(ctx context.Context) {
	r.answerBy(func(string) int {
		if rand.IntN(50) == 0 {
			return http.StatusInternalServerError
		}
		return 0
	})
	wait := func(least, most time.Duration) bool {
		select {
		case <-time.After(least + rand.N(most-least)):
			return true
		case <-ctx.Done():
			return false
		}
	}
	for wait(200*time.Millisecond, 800*time.Millisecond) {
		if rand.IntN(3) == 0 {
			r.slow.Store(int64(20 * time.Millisecond))
		} else {
			r.down()
		}
		wait(20*time.Millisecond, 300*time.Millisecond)
		r.slow.Store(0)
		r.up()
	}
	r.answer(0)
}
