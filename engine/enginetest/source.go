package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
)

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
	return engine.Answer{}, fmt.Errorf("%s has no path %s, only %s", s.env.Node, path, strings.Join(pathsOf(router), " and "))
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
	return "", nil, fmt.Errorf("which path of %s is it posted to? say path: %s, or its type", s.env.Node, strings.Join(pathsOf(router), " or "))
}

func pathsOf(router engine.Router) []string {
	var paths []string
	for _, route := range router.Routes(nil) {
		paths = append(paths, route.Path)
	}
	return paths
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
