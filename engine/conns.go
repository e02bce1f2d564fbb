package engine

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// unusedGrace is how long a listener that closes waits for a first byte.
const unusedGrace = 500 * time.Millisecond

// conns are the connections of a listener that are not idle: a request is in
// hand, or the first is still to come. [http.Server.Shutdown] drops what comes
// over them from then on, and waits five seconds for those that a client has in
// hand for later.
type conns struct {
	mu   sync.Mutex
	used map[net.Conn]bool // whether anything has come over them
}

// note is told of every change of a connection.
func (c *conns) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != http.StateNew && state != http.StateActive {
		delete(c.used, conn)
		return
	}
	if c.used == nil {
		c.used = map[net.Conn]bool{}
	}
	c.used[conn] = state == http.StateActive
}

// closeUnused closes those that nothing has come over.
func (c *conns) closeUnused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, used := range c.used {
		if !used {
			conn.Close()
		}
	}
}

// wait waits until there is none, or ctx ends.
func (c *conns) wait(ctx context.Context) {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for c.any() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *conns) any() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.used) > 0
}
