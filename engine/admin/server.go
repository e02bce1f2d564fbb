package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The times a slow client is given.
const (
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	answerTime = 30 * time.Second
	idleTime   = 2 * time.Minute
)

// A Server serves an [Admin] at an address.
type Server struct {
	// Address is where it listens, with its port.
	Address string

	guard  *guard
	server *http.Server
	served chan struct{}
}

// Serve listens at c.Listen and lets in those whom c lets in. It refuses an
// address that others can reach if there is no token.
func (a *Admin) Serve(c Config) (*Server, error) {
	if err := c.guarded(); err != nil {
		return nil, err
	}
	socket, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s := &Server{Address: socket.Addr().String(), guard: newGuard(c, a), served: make(chan struct{})}
	s.server = &http.Server{
		Handler:           s.guard,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       bodyTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	closing := make(chan struct{})
	s.server.BaseContext = func(net.Listener) context.Context {
		return context.WithValue(context.Background(), closingKey{}, closing)
	}
	s.server.RegisterOnShutdown(sync.OnceFunc(func() { close(closing) }))
	go func() {
		defer close(s.served)
		if err := s.server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("serving the admin section", "address", s.Address, "error", err)
		}
	}()
	return s, nil
}

// Configure changes who is let in. c.Listen must be what it was.
func (s *Server) Configure(c Config) { s.guard.config.Store(&c) }

// Shutdown stops accepting, ends the taps, waits for the requests in hand until
// ctx ends, and cuts off those that are left.
func (s *Server) Shutdown(ctx context.Context) {
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	<-s.served
}

type closingKey struct{}

// closing is closed when the server that took a request shuts down. It is nil
// where the program has a server of its own.
func closing(r *http.Request) <-chan struct{} {
	c, _ := r.Context().Value(closingKey{}).(chan struct{})
	return c
}

// patient gives an answer until deadline, or all the time there is if that is
// zero. A writer that knows no deadlines has none.
func patient(w http.ResponseWriter, deadline time.Time) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(deadline)
	_ = rc.SetWriteDeadline(deadline)
}
