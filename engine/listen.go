package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flowd/flowd/flows"
)

// ServerConfig is the server section of a document: where webhooks arrive.
type ServerConfig struct {
	// Listen is the address that webhooks arrive at, host:port.
	Listen string `flow:"listen"`
	// TLS is the certificate to serve https with.
	TLS *TLSConfig `flow:"tls"`
	// MaxBody is the largest body that is taken.
	MaxBody flows.Size `flow:"max_body"`
}

// TLSConfig names a certificate and its key, as PEM files.
type TLSConfig struct {
	// Cert is the file of the certificate, with its chain.
	Cert flows.Path `flow:"cert,required"`
	// Key is the file of its private key.
	Key flows.Path `flow:"key,required"`
}

var defaultServer = ServerConfig{Listen: "127.0.0.1:8080", MaxBody: 1 << 20}

// Validate refuses an address that can't be listened at.
func (c *ServerConfig) Validate(report flows.Report) {
	_, port, err := net.SplitHostPort(c.Listen)
	if n, errPort := strconv.ParseUint(port, 10, 16); err == nil && errPort != nil || n > 65535 {
		report("listen", "want a port from 0 to 65535, got %q", port)
	}
	if err != nil {
		report("listen", "want an address like 127.0.0.1:8080, got %q", c.Listen)
	}
	if c.MaxBody < 1 {
		report("max_body", "max_body must be at least 1 byte")
	}
}

// The times a slow client is given.
const (
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	answerTime = 75 * time.Second
	idleTime   = 2 * time.Minute
)

// A listener serves the routes of all sources at one address. Its table of
// routes is swapped as a whole.
type listener struct {
	address string         // as it was asked for
	bound   string         // as it is: with its port
	beside  bool           // it overlaps with the one before
	sockets []net.Listener // at its address, and at narrower ones that others listened at before
	server  *http.Server
	conns   conns
	closing atomic.Bool // it accepts no more, and each connection has its last request
	table   atomic.Pointer[routes]
	manner  atomic.Pointer[manner]
	served  chan struct{} // closed when the server has stopped
}

// A manner is what may change while a listener serves.
type manner struct {
	cert    *tls.Certificate // nil: no TLS
	maxBody int64
}

// manner reads the certificate that c names.
func (c *ServerConfig) manner() (*manner, error) {
	m := &manner{maxBody: int64(c.MaxBody)}
	if c.TLS == nil {
		return m, nil
	}
	cert, err := tls.LoadX509KeyPair(string(c.TLS.Cert), string(c.TLS.Key))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	m.cert = &cert
	return m, nil
}

// same reports whether nobody would see a change from m to n.
func (m *manner) same(n *manner) bool {
	if m.cert == nil || n.cert == nil {
		return m.cert == n.cert && m.maxBody == n.maxBody
	}
	return slices.EqualFunc(m.cert.Certificate, n.cert.Certificate, bytes.Equal) && m.maxBody == n.maxBody
}

// routes are the handlers by path. A source that takes everything below its
// path is under the path with its trailing slash.
type routes map[string][]*binding

// A binding is a route of one source.
type binding struct {
	Route
	owner *part
}

// listen binds an address, which may overlap with that of the listener before,
// if there is one. Who connects waits for [listener.serve].
func listen(address string, before *listener, log *slog.Logger) (*listener, error) {
	socket, err := net.Listen("tcp", address)
	beside := before != nil && errors.Is(err, syscall.EADDRINUSE) && portOf(address) == portOf(before.bound)
	if beside {
		socket, err = before.overlap(address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening for webhooks, as server.listen or --listen says: %w", err)
	}
	l := &listener{address: address, sockets: []net.Listener{socket}, bound: socket.Addr().String(), beside: beside, served: make(chan struct{})}
	if beside {
		if err := l.inherit(before); err != nil {
			l.release()
			return nil, fmt.Errorf("listening on where webhooks arrive already: %w", err)
		}
	}
	l.server = &http.Server{
		Handler:           l,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       bodyTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ConnState:         l.conns.note,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	l.server.TLSConfig = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.manner.Load().cert, nil },
		ClientAuth:     tls.RequestClientCert, // a source that wants one checks it
	}
	return l, nil
}

// overlap listens at an address that overlaps with those of l.
func (l *listener) overlap(address string) (net.Listener, error) {
	if want, err := net.ResolveTCPAddr("tcp", address); err == nil {
		for _, s := range l.sockets {
			if s.Addr().String() == want.String() {
				return share(s)
			}
		}
	}
	return listenBeside(l.sockets[0], address)
}

// inherit has l listen on at the narrower addresses of the listener before: who
// connects there comes to their sockets as long as they are open, and would be
// cut off with the socket if nobody had accepted him yet.
func (l *listener) inherit(before *listener) error {
	for _, s := range before.sockets {
		if !covers(l.sockets[0].Addr(), s.Addr()) {
			continue
		}
		shared, err := share(s)
		if err != nil {
			return err
		}
		l.sockets = append(l.sockets, shared)
	}
	return nil
}

// covers reports whether all who connect to narrow, an address of the same port,
// would come to wide without it.
func covers(wide, narrow net.Addr) bool {
	w, n := wide.(*net.TCPAddr), narrow.(*net.TCPAddr)
	return w.IP.IsUnspecified() && !w.IP.Equal(n.IP) && (w.IP.To4() == nil || n.IP.To4() != nil)
}

// share returns another listener at one socket: who connects comes to either,
// and the socket is closed with the last of them.
func share(l net.Listener) (net.Listener, error) {
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileListener(f)
}

// release closes the sockets of a listener, which may not serve yet.
func (l *listener) release() {
	for _, s := range l.sockets {
		_ = s.Close()
	}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// A doorway accepts connections: with TLS as long as its listener has a
// certificate, so that a reload can turn it on and off.
type doorway struct {
	net.Listener
	l *listener
}

func (d doorway) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err == nil && d.l.manner.Load().cert != nil {
		c = tls.Server(c, d.l.server.TLSConfig)
	}
	return c, err
}

// serve begins to serve the listener's routes, which are set by now.
func (l *listener) serve(log *slog.Logger) {
	defer close(l.served)
	var doors sync.WaitGroup
	for _, s := range l.sockets {
		doors.Go(func() {
			if err := l.server.Serve(doorway{s, l}); !l.closing.Load() {
				log.Error("serving webhooks", "address", s.Addr(), "error", err)
			}
		})
	}
	doors.Wait()
}

// handover is how long a listener goes on beside the next one: who came to it
// last must not find it gone. Whoever has a connection that he uses again and
// again is told with an answer that it was the last one over it.
const handover = 100 * time.Millisecond

// answerGrace is the time for answers to those who waited for too long.
const answerGrace = time.Second

// stop stops accepting. Its address is free when it returns. Requests that come
// over connections it has accepted are answered, the last of each.
func (l *listener) stop() {
	l.closing.Store(true)
	l.release()
}

// close stops accepting and waits for the requests in hand until ctx ends. Then
// it calls giveUp, which ends what they wait for, so that they are told to come
// again, and cuts off those that are left.
func (l *listener) close(ctx context.Context, giveUp func()) {
	l.stop()
	<-l.served // all that was accepted is known
	defer time.AfterFunc(unusedGrace, l.conns.closeUnused).Stop()
	l.conns.wait(ctx)
	if l.server.Shutdown(ctx) != nil {
		giveUp()
		grace, cancel := context.WithTimeout(context.Background(), answerGrace)
		defer cancel()
		if l.server.Shutdown(grace) != nil {
			l.server.Close()
		}
	}
}

func (t routes) find(path string) []*binding {
	if found := t[path]; found != nil {
		return found
	}
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			if found := t[path[:i+1]]; found != nil {
				return found
			}
		}
	}
	return nil
}

// ServeHTTP finds the sources of a path, reads the body once and answers what
// they say: where several take the same path, the worst of it.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.closing.Load() {
		w.Header().Set("Connection", "close")
	}
	found := l.hold(r.URL.Path)
	defer release(found)
	if len(found) == 0 {
		write(w, Text(http.StatusNotFound, "no source takes this path"))
		return
	}
	if !slices.ContainsFunc(found, func(b *binding) bool { return b.Method == r.Method }) {
		write(w, notAllowed(found))
		return
	}
	body, refusal := l.read(w, r)
	if refusal != nil {
		write(w, *refusal)
		return
	}
	var worst Answer
	for _, b := range found {
		if b.Method != r.Method {
			continue
		}
		if answer := b.serve(r, body); answer.Status > worst.Status {
			worst = answer
		}
	}
	write(w, worst)
}

// notAllowed answers a request with a method that none of the bindings takes.
func notAllowed(found []*binding) Answer {
	var methods []string
	for _, b := range found {
		methods = append(methods, b.Method)
	}
	slices.Sort(methods)
	a := Text(http.StatusMethodNotAllowed, "this method is not taken here")
	a.Header.Set("Allow", strings.Join(slices.Compact(methods), ", "))
	return a
}

// hold returns the bindings of a path, whose owners are not closed until they
// are released: it holds them first, and then makes sure that their table is
// still the one in force.
func (l *listener) hold(path string) []*binding {
	for {
		table := l.table.Load()
		found := table.find(path)
		held := 0
		for held < len(found) && found[held].owner.requests.TryRLock() {
			held++
		}
		if held == len(found) && l.table.Load() == table {
			return found
		}
		release(found[:held])
	}
}

func release(held []*binding) {
	for _, b := range held {
		b.owner.requests.RUnlock()
	}
}

// maxAhead is the largest body that room is made for before it is there: a
// sender may promise more than it sends.
const maxAhead = 64 << 10

// read returns the body in memory of its own, so that who is given it can keep
// it.
func (l *listener) read(w http.ResponseWriter, r *http.Request) ([]byte, *Answer) {
	limit := l.manner.Load().maxBody
	var body []byte
	var err error
	switch n := r.ContentLength; {
	case n > limit: // not a byte of it is waited for
		err = &http.MaxBytesError{Limit: limit}
	case 0 <= n && n <= maxAhead:
		body = make([]byte, n)
		_, err = io.ReadFull(r.Body, body)
	default:
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	}
	var tooLarge *http.MaxBytesError
	var refusal Answer
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &tooLarge):
		refusal = Text(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %s", flows.Size(limit)))
	case errors.Is(err, os.ErrDeadlineExceeded):
		refusal = Text(http.StatusRequestTimeout, "the body took too long")
	default:
		refusal = Text(http.StatusBadRequest, "the body could not be read")
	}
	return nil, &refusal
}

func (b *binding) serve(r *http.Request, body []byte) (answer Answer) {
	err := contain(func() error {
		answer = b.Serve(r, body)
		return nil
	})
	if err != nil {
		b.owner.failedWith(err)
		return Text(http.StatusInternalServerError, "the source failed")
	}
	if answer.Status == 0 {
		answer.Status = http.StatusOK
	}
	return answer
}

func write(w http.ResponseWriter, a Answer) {
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the sender may be gone: nothing to be done
}

// routesOf gathers the routes of all sources of the live plans.
func routesOf(flows []*flow) *routes {
	table := routes{}
	for _, f := range flows {
		if f.draining {
			continue
		}
		for _, n := range f.live.nodes {
			router, ok := n.impl.(Router)
			if !ok {
				continue
			}
			for _, route := range router.Routes(f.inlet(n.id)) {
				route.Method = cmp.Or(route.Method, http.MethodPost)
				table[route.Path] = append(table[route.Path], &binding{route, n.part})
			}
		}
	}
	return &table
}
