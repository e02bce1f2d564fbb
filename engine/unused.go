package engine

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// unusedGrace is how long a listener that closes waits for a first byte.
const unusedGrace = 500 * time.Millisecond

// unused are the connections over which nothing has come yet: those that a client
// has in hand for later. [http.Server.Shutdown] waits for them for five seconds.
type unused struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// note is told of every change of a connection.
func (f *unused) note(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(f.conns, c)
	case f.closed:
		c.Close()
	default:
		if f.conns == nil {
			f.conns = map[net.Conn]struct{}{}
		}
		f.conns[c] = struct{}{}
	}
}

// close closes those there are, and those that come.
func (f *unused) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for c := range f.conns {
		c.Close()
	}
}
