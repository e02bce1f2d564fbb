package sonzai

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// source takes webhooks, polls, and registers, each as configured.
type source struct {
	config      Config
	log         *slog.Logger
	checkpoints engine.Checkpoints
	http        *http.Client
	given       given // signing secrets by registration
	refused     engine.Quiet
}

func newSource(c Config) (engine.Source, error) {
	c.Path = strings.TrimRight(c.Path, "/")
	return &source{config: c, log: slog.New(slog.DiscardHandler), http: newHTTPClient()}, nil
}

// Open reads the signing secrets of earlier registrations, so that webhooks
// are taken from the start, also while sonzai's API can't be reached.
func (s *source) Open(ctx context.Context, env *engine.Env) error {
	s.log, s.checkpoints = env.Log, env.Checkpoints
	if s.config.webhooks() && s.config.Poll.on() {
		s.log.Info("sonzai: a webhook's message is among the notifications too, so it may come twice: dedupe by the wakeup_id in data, or use one way only")
	}
	if !s.config.Register.on() {
		return nil
	}
	return s.given.load(ctx, s.checkpoints, s.config.scope(), s.config.Register.Events)
}

// Run polls and registers until ctx ends. Neither keeps webhooks from being
// taken.
func (s *source) Run(ctx context.Context, in engine.Inlet) error {
	var work sync.WaitGroup
	if s.config.Register.on() {
		work.Go(func() { s.register(ctx) })
	}
	if s.config.Poll.on() {
		work.Go(func() { s.poll(ctx, in) })
	}
	<-ctx.Done()
	work.Wait()
	return nil
}

// Close gives the connections to sonzai back.
func (s *source) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// Routes is the path of the webhooks and all below it, or nothing for a source
// that only polls.
func (s *source) Routes(in engine.Inlet) []engine.Route {
	if !s.config.webhooks() {
		return nil
	}
	serve := func(r *http.Request, body []byte) engine.Answer { return s.serve(r, body, in) }
	routes := []engine.Route{{Path: s.config.Path + "/", Serve: serve}}
	if s.config.Path != "" {
		routes = append(routes, engine.Route{Path: s.config.Path, Serve: serve})
	}
	return routes
}

func (s *source) serve(r *http.Request, body []byte, in engine.Inlet) engine.Answer {
	kind, err := s.kind(r.URL)
	if err != nil {
		return engine.Text(http.StatusNotFound, err.Error())
	}
	if err := s.check(r.Header, kind, body); err != nil && !engine.Vouched(r) {
		if errors.Is(err, errNoSecretYet) {
			a := engine.Text(http.StatusServiceUnavailable, err.Error())
			a.Header.Set("Retry-After", "5")
			return a
		}
		s.refused.Warn(s.log, "sonzai: a webhook was refused", "reason", err, "event_type", kind, "from", r.RemoteAddr)
		return engine.Text(http.StatusUnauthorized, err.Error())
	}
	return engine.Accepted(in.Put(r.Context(), s.event(r, kind, body)))
}

// kind is the event type that the path of a webhook names, or "" for the bare
// path. The type is one segment, however much of it is escaped.
func (s *source) kind(u *url.URL) (string, error) {
	base := (&url.URL{Path: s.config.Path}).EscapedPath()
	rest := strings.TrimPrefix(strings.TrimPrefix(u.EscapedPath(), base), "/")
	kind, err := url.PathUnescape(rest)
	if err != nil || strings.Contains(rest, "/") {
		return "", fmt.Errorf("webhooks arrive at %s/{event type}", s.config.Path)
	}
	return kind, nil
}

// Why a webhook is refused before its signature is looked at.
var (
	errAuthorization = errors.New("the Authorization header is not the one agreed on")
	errNoSecret      = errors.New("there is no signing secret for this event type")
	errNoSecretYet   = errors.New("the signing secret is not known yet, please send it again")
)

// check returns nil for a webhook that is sonzai's.
func (s *source) check(h http.Header, kind string, body []byte) error {
	want := s.config.AuthHeader.Reveal()
	if want != "" && subtle.ConstantTimeCompare([]byte(h.Get("Authorization")), []byte(want)) != 1 {
		return errAuthorization
	}
	if !s.config.signed() {
		return nil
	}
	secrets, all := s.secrets(kind)
	err := errNoSecret
	if len(secrets) > 0 {
		err = verifyAny(secrets, h.Get(signatureHeader), body, time.Now())
	}
	if err != nil && !all {
		return errNoSecretYet
	}
	return err
}

// secrets are those that may have signed a webhook of an event type, and
// whether that is all that there will be.
func (s *source) secrets(kind string) (secrets []flows.Secret, all bool) {
	given, all := s.given.of(kind, s.config.Register.Events)
	return append(s.config.Secrets.of(kind), given...), all
}

// event is the event of an authentic webhook: one that has failed, so that it
// is kept among the dead letters, if it can't be read or has no type.
func (s *source) event(r *http.Request, kind string, body []byte) *engine.Event {
	var e *engine.Event
	if json.Valid(body) {
		e = eventOf(body, kind, "data")
	} else {
		e = &engine.Event{ID: digest(kind, body), Type: kind, Data: engine.Value(string(body)), Meta: engine.Meta{}}
		e.Failure = &engine.Failure{Message: "the body is not JSON"}
	}
	if e.Type == "" {
		e.Type = "unknown"
		e.Failure = &engine.Failure{Message: fmt.Sprintf("the body names no event_type, and it did not come to %s/{event type}", s.config.Path)}
	}
	if e.Failure != nil {
		s.log.Warn("sonzai: an authentic webhook can't be handled; it goes to the dead letters", "reason", e.Failure.Message)
	}
	e.Source = s.config.Source
	maps.Copy(e.Meta, engine.MetaOf(r))
	return e
}

var (
	_ engine.Sampler = (*source)(nil)
	_ engine.Opener  = (*source)(nil)
	_ engine.Closer  = (*source)(nil)
)
