package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// stage puts a node on stage: a source that does not run, and a sink of which
// nothing leaves the machine. Processors work as they are.
func (r *rehearsal) stage(spec *engine.Spec, node any) any {
	switch spec.Kind {
	case engine.SourceKind:
		return &stagedSource{r: r, inner: node.(engine.Source), ready: make(chan struct{})}
	case engine.SinkKind:
		s := &stagedSink{r: r, inner: node.(engine.Sink), attempts: map[*engine.Event]int{}, read: map[string]seenFile{}}
		if _, ok := node.(engine.Relay); ok {
			return &stagedRelay{s}
		}
		if _, ok := node.(engine.Replier); ok {
			return &stagedReplier{s}
		}
		return s
	}
	return node
}

// A stagedSource puts in what the test sends. The source itself is asked to
// read bodies, and does nothing by itself.
type stagedSource struct {
	r      *rehearsal
	inner  engine.Source
	env    *engine.Env
	inlet  engine.Inlet
	ready  chan struct{}
	opened bool
}

func (s *stagedSource) Open(_ context.Context, env *engine.Env) error {
	s.env = env
	s.r.sources[env.Node] = s
	return nil
}

func (s *stagedSource) Run(ctx context.Context, in engine.Inlet) error {
	s.inlet = in
	close(s.ready)
	<-ctx.Done()
	return nil
}

func (s *stagedSource) Close() error {
	if c, ok := s.inner.(io.Closer); ok && s.opened {
		return c.Close()
	}
	return nil
}

// put puts in the event that a test gives by its fields.
func (s *stagedSource) put(ctx context.Context, send *Send, in engine.Inlet) error {
	e := &engine.Event{
		ID: send.ID, Type: send.Type, Subject: send.Subject, Time: send.Time,
		Source: s.r.nodes[s.env.Node].Type, Data: engine.Value(send.Data), Meta: send.Meta,
	}
	if given := s.r.nodes[s.env.Node].Config.Get("source"); given != nil {
		e.Source = given.Text
	}
	if e.ID == "" {
		text, err := json.Marshal(send.at.Any())
		if err != nil {
			return err
		}
		e.ID = engine.Digest(text)
	}
	if !s.asks(send.Type) {
		return in.Put(ctx, e)
	}
	_, err := in.Ask(ctx, e)
	if errors.Is(err, engine.ErrNoAnswer) {
		return nil
	}
	return err
}

// asks reports whether the sender of an event of a type acts on the answer.
func (s *stagedSource) asks(eventType string) bool {
	router, ok := s.inner.(engine.Router)
	if !ok {
		return false
	}
	path := ""
	if sampler, ok := s.inner.(engine.Sampler); ok {
		path, _, _, _ = sampler.Sample(eventType)
	}
	routes := router.Routes(nil)
	return slices.ContainsFunc(routes, func(route engine.Route) bool {
		return route.Alone && (len(routes) == 1 || route.Path == path)
	})
}

// post has the source read a body, as if its sender had posted it.
func (s *stagedSource) post(ctx context.Context, send *Send, in engine.Inlet) (engine.Answer, error) {
	router, ok := s.inner.(engine.Router)
	if !ok || len(router.Routes(nil)) == 0 {
		return engine.Answer{}, fmt.Errorf("%s takes no bodies: give the fields of the event", s.env.Node)
	}
	if o, ok := s.inner.(engine.Opener); ok && !s.opened {
		s.opened = true
		if err := o.Open(ctx, s.env); err != nil {
			return engine.Answer{}, fmt.Errorf("opening %s: %w", s.env.Node, err)
		}
	}
	path, header, err := s.address(router, send)
	if err != nil {
		return engine.Answer{}, err
	}
	target, err := url.ParseRequestURI(path)
	if err != nil {
		return engine.Answer{}, err
	}
	for _, route := range router.Routes(in) {
		if route.Path != target.Path && !(strings.HasSuffix(route.Path, "/") && strings.HasPrefix(target.Path, route.Path)) {
			continue
		}
		r, err := http.NewRequestWithContext(engine.Vouch(ctx), cmp.Or(send.Method, route.Method, http.MethodPost), path, bytes.NewReader(send.body))
		if err != nil {
			return engine.Answer{}, err
		}
		r.RemoteAddr, r.Header = "192.0.2.1:1", header
		for name, value := range send.Headers {
			r.Header.Set(name, value)
		}
		return route.Serve(r, send.body), nil
	}
	return engine.Answer{}, fmt.Errorf("%s has no path %s", s.env.Node, path)
}

// address is the path that a body is posted to, and the headers it has there:
// the one that the test names, or the only one, or that of the event's type.
func (s *stagedSource) address(router engine.Router, send *Send) (path string, header http.Header, err error) {
	header = http.Header{}
	if json.Valid(send.body) {
		header.Set("Content-Type", "application/json")
	}
	if send.Path != "" {
		return send.Path, header, nil
	}
	routes := router.Routes(nil)
	if sampler, ok := s.inner.(engine.Sampler); ok && len(routes) > 1 {
		if path, _, _, err := sampler.Sample(cmp.Or(send.Type, typeIn(send.body))); err == nil {
			return path, header, nil
		}
	}
	if len(routes) == 1 {
		return routes[0].Path, header, nil
	}
	var paths []string
	for _, route := range routes {
		paths = append(paths, route.Path)
	}
	return "", nil, fmt.Errorf("which path of %s is it posted to? say path: %s, or its type", s.env.Node, strings.Join(paths, " or "))
}

// typeIn is the type that a body names, if it does so where most do.
func typeIn(body []byte) string {
	var named struct {
		Type      string `json:"type"`
		EventType string `json:"event_type"`
	}
	if json.Unmarshal(body, &named) != nil {
		return ""
	}
	return cmp.Or(named.EventType, named.Type)
}

// An inletOf remembers what one entry of a test became.
type inletOf struct {
	engine.Inlet
	r    *rehearsal
	sent *sent
}

func (in *inletOf) Put(ctx context.Context, batch ...*engine.Event) error {
	in.r.came(in.sent, batch)
	return in.Inlet.Put(ctx, batch...)
}

func (in *inletOf) Ask(ctx context.Context, e *engine.Event) (engine.Answer, error) {
	in.r.came(in.sent, []*engine.Event{e})
	answer, err := in.Inlet.Ask(ctx, e)
	if err == nil {
		in.r.answered(e, answer)
	}
	return answer, err
}

// A stagedSink has the real sink deliver one event at a time, and sees what it
// sends.
type stagedSink struct {
	r        *rehearsal
	inner    engine.Sink
	id       string
	attempts map[*engine.Event]int
	requests int                 // so far, for the script of replies
	read     map[string]seenFile // files below its folder
}

func (s *stagedSink) Open(ctx context.Context, env *engine.Env) error {
	s.id = env.Node
	s.r.sinks[s.id] = true
	o, ok := s.inner.(engine.Opener)
	if !ok {
		return nil
	}
	staged := *env
	staged.Outside = &engine.Outside{HTTP: s, File: s.file, Stdout: io.Discard}
	return o.Open(ctx, &staged)
}

func (s *stagedSink) Close() error {
	if c, ok := s.inner.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// A take is one attempt to deliver one event, and what was sent for it.
type take struct {
	event *engine.Event
	shown []any
}

type takeKey struct{}

func (s *stagedSink) Write(ctx context.Context, batch []*engine.Event) error {
	return s.each(ctx, batch, s.inner.Write)
}

// each delivers a batch one by one.
func (s *stagedSink) each(ctx context.Context, batch []*engine.Event, write func(context.Context, []*engine.Event) error) error {
	var failures engine.Failures
	for i, e := range batch {
		t := &take{event: e}
		s.r.mu.Lock()
		s.attempts[e]++
		s.r.mu.Unlock()
		err := write(context.WithValue(ctx, takeKey{}, t), batch[i:i+1:i+1])
		if one := (engine.Failures)(nil); errors.As(err, &one) && len(one) == 1 {
			err = one[0].Err
		}
		if err == nil {
			s.delivered(t)
			continue
		}
		failures = append(failures, engine.Failed{Event: e, Err: err})
		if _, down := engine.IsUnavailable(err); down {
			for _, behind := range batch[i+1:] {
				failures = append(failures, engine.Failed{Event: behind, Err: engine.ErrNotTried})
			}
			break
		}
	}
	if len(failures) > 0 {
		return failures
	}
	return nil
}

// delivered records what a sink got: the last of its requests, the lines it has
// written, or the event itself.
func (s *stagedSink) delivered(t *take) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	if len(t.shown) > 0 {
		shown := t.shown[len(t.shown)-1].(map[string]any)
		shown["attempts"] = s.attempts[t.event]
		s.r.record(s.id, shown)
		return
	}
	lines, err := s.lines()
	if err != nil {
		s.r.fail(s.r.scenario.at.Errorf("reading what %s wrote: %v", s.id, err))
	}
	for _, line := range lines {
		s.r.record(s.id, line)
	}
	if len(lines) == 0 {
		s.r.record(s.id, t.event.Fields())
	}
}

// A stagedRelay is a sink that passes on events of its own making.
type stagedRelay struct{ *stagedSink }

func (s *stagedRelay) WriteOut(ctx context.Context, batch []*engine.Event, out *engine.Outlet) error {
	return s.each(ctx, batch, func(ctx context.Context, one []*engine.Event) error {
		var made engine.Outlet
		err := s.inner.(engine.Relay).WriteOut(ctx, one, &made)
		if err == nil {
			for _, e := range made.Emitted(0) {
				out.Emit(e)
			}
		}
		return err
	})
}

// A stagedReplier is a sink that answers requests. What it answered is known
// when the request has its answer.
type stagedReplier struct{ *stagedSink }

func (s *stagedReplier) Replies() {}

func (s *stagedReplier) Write(ctx context.Context, batch []*engine.Event) error {
	s.r.mu.Lock()
	for _, e := range batch {
		if s.r.repliers[e.Offset] == "" && !e.Offset.Logged() {
			s.r.repliers[e.Offset] = s.id
		}
	}
	s.r.mu.Unlock()
	return s.inner.Write(ctx, batch)
}

// errDown is the error of a connection that is refused.
var errDown = errors.New("connection refused (reply: down)")

// RoundTrip takes a request of the sink and answers it as the test says.
func (s *stagedSink) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	shown, answer := show(r, body), engine.Answer{}
	if rehearser, ok := s.inner.(engine.Rehearser); ok {
		shown, answer = rehearser.Rehearse(r, body)
	}
	var down bool
	if script := s.r.scenario.Reply[s.id]; len(script) > 0 {
		s.r.mu.Lock()
		reply := script[min(s.requests, len(script)-1)]
		s.requests++
		s.r.mu.Unlock()
		down = reply.Down
		if err := reply.onto(&answer); err != nil {
			return nil, err
		}
		select {
		case <-time.After(time.Duration(reply.After)):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if t, ok := r.Context().Value(takeKey{}).(*take); ok {
		s.r.mu.Lock()
		t.shown = append(t.shown, shown)
		s.r.mu.Unlock()
	}
	if down {
		return nil, errDown
	}
	return response(r, answer), nil
}

// onto changes what a sink's service answers by itself into what a test has it
// answer.
func (reply *Reply) onto(a *engine.Answer) error {
	a.Status = reply.Status
	if reply.Status >= 300 {
		a.Body = nil
	}
	if reply.Body.Value != nil {
		var err error
		if a.Body, err = reply.Body.text(); err != nil {
			return err
		}
		a.Header = http.Header{}
		if reply.Body.Kind != flows.String {
			a.Header.Set("Content-Type", "application/json")
		}
	}
	for name, value := range reply.Headers {
		if a.Header == nil {
			a.Header = http.Header{}
		}
		a.Header.Set(name, value)
	}
	return nil
}

func response(r *http.Request, a engine.Answer) *http.Response {
	status := cmp.Or(a.Status, http.StatusOK)
	header := a.Header
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: r,
	}
}

// A headers is the headers of a request, by names in lower case.
type headers map[string]any

// credentials are the headers that are shown without their values.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie"}

// show is what there is to see in a request.
func show(r *http.Request, body []byte) map[string]any {
	named := headers{}
	for name, values := range r.Header {
		named[strings.ToLower(name)] = strings.Join(values, ", ")
		if slices.Contains(credentials, name) {
			named[strings.ToLower(name)] = "***"
		}
	}
	return map[string]any{"method": r.Method, "url": r.URL.String(), "headers": named, "body": bodyValue(body)}
}

// bodyValue is JSON as its value and anything else as text.
func bodyValue(body []byte) any {
	if len(body) == 0 {
		return nil
	}
	if v, err := engine.JSON(body).Value(); err == nil {
		return v
	}
	return string(body)
}

// A seenFile is a file as it was when it was read last.
type seenFile struct {
	info fs.FileInfo
	size int64
}

// Where the files of relative and absolute paths are below a sink's folder.
const (
	relative = "relative"
	absolute = "absolute"
)

// file keeps a path below the sink's own folder.
func (s *stagedSink) file(path string) string {
	kind := relative
	if filepath.IsAbs(path) {
		kind = absolute
	}
	clean := filepath.Join(string(filepath.Separator), path)
	return filepath.Join(s.r.dir, s.id, kind, clean[len(filepath.VolumeName(clean)):])
}

// lines are those that were written since the last call, with the paths that
// the document gives them.
func (s *stagedSink) lines() ([]any, error) {
	root := filepath.Join(s.r.dir, s.id)
	var all []any
	now := map[string]seenFile{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".gz") { // put aside: it was read before
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		from := int64(0)
		for _, before := range s.read { // by another name perhaps
			if os.SameFile(before.info, info) {
				from = before.size
			}
		}
		now[path] = seenFile{info, info.Size()}
		if from >= info.Size() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kind, name, _ := strings.Cut(strings.TrimPrefix(path, root+string(filepath.Separator)), string(filepath.Separator))
		if kind == absolute {
			name = string(filepath.Separator) + name
		}
		for line := range strings.Lines(string(text[from:])) {
			line = strings.TrimSuffix(line, "\n")
			all = append(all, map[string]any{"path": filepath.ToSlash(name), "line": bodyValue([]byte(line))})
		}
		return nil
	})
	maps.Copy(s.read, now)
	return all, err
}
