package sora

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed sora.go
var declaration string

// Source is the source `sora`.
var Source = engine.SourceSpec[Config]{
	About: engine.About{
		Type:    "sora",
		Summary: "Takes the webhooks of Shiguredo's Sora, and lets the flow answer those that wait: auth and session.created.",
		Example: `sora: {path: /sora, basic_auth: {user: sora, password: "${SORA_WEBHOOK_PASSWORD}"}}`,
		Source:  declaration,
	},
	Default: Config{Path: "/sora", Timeout: flows.Duration(4 * time.Second), Source: "sora"},
	Schema:  schema,
	New:     newSource,
}

// Config is the configuration of a sora source.
type Config struct {
	// Path is what the paths of the four webhooks begin with: `PATH/auth` is
	// for auth_webhook_url of sora.conf, `PATH/session` for
	// session_webhook_url, `PATH/event` for event_webhook_url and `PATH/stats`
	// for stats_webhook_url.
	Path string `flow:"path"`

	// BasicAuth is the user and password that Sora must send:
	// webhook_basic_authn_user_id and webhook_basic_authn_password of
	// sora.conf.
	BasicAuth *BasicAuth `flow:"basic_auth"`

	// TLSClientCA is a PEM file of certificate authorities; Sora must present
	// a client certificate of one of them. The server needs `tls` for it.
	TLSClientCA flows.Path `flow:"tls_client_ca"`

	// Allow are the addresses that may post, like `10.0.0.0/8` or
	// `192.0.2.10`; all if left out. It is the address of the connection that
	// counts: behind a proxy, that is the proxy's.
	Allow []Network `flow:"allow"`

	// Timeout is how long the flow may take to answer an auth request or
	// session.created. Sora gives up by itself after some time, 10 s in Sora
	// Cloud.
	Timeout flows.Duration `flow:"timeout"`

	// Default are the answers where no `respond` node gave one in time.
	Default Defaults `flow:"default"`

	// Source is the `source` of the events.
	Source string `flow:"source"`
}

// Defaults are answers, as the JSON that Sora is to get.
type Defaults struct {
	// Auth answers an auth request; `{allowed: false, reason: rejected}` if
	// left out. With `{allowed: true}` everybody gets in while the flow can't
	// answer.
	Auth map[string]any `flow:"auth"`

	// Session answers session.created; `{}` if left out.
	Session map[string]any `flow:"session"`
}

// BasicAuth are credentials of HTTP's basic authentication.
type BasicAuth struct {
	// User is the name of the user.
	User string `flow:"user,required"`
	// Password is the user's password.
	Password flows.Secret `flow:"password,required"`
}

// Validate says what can't work.
func (c *Config) Validate(report flows.Report) {
	if !strings.HasPrefix(c.Path, "/") {
		report("path", "a path begins with a slash, got %q", c.Path)
	}
	if c.BasicAuth != nil && (c.BasicAuth.User == "" || c.BasicAuth.Password == "") {
		report("basic_auth", "basic_auth needs a user and a password, got an empty one")
	}
	if c.Timeout <= 0 {
		report("timeout", "timeout must be longer than nothing")
	}
	auth, err := configured(c.Default.Auth, rejection)
	var o object
	if err == nil {
		err = json.Unmarshal(auth.Body, &o)
	}
	if err != nil {
		report("default.auth", "%v", err)
	} else if err := o.verdict(); err != nil {
		report("default.auth", "Sora does not understand this answer: %v", err)
	}
	if _, err := configured(c.Default.Session, accepted); err != nil {
		report("default.session", "%v", err)
	}
}

// source takes the webhooks of one Sora, or of one cluster.
type source struct {
	engine.Routed
	config  Config
	senders senders
	log     *slog.Logger
	quiet   engine.Quiet

	// What is answered where the flow does not answer.
	authDefault, sessionDefault engine.Answer
}

func newSource(c Config) (engine.Source, error) {
	c.Path = strings.TrimSuffix(c.Path, "/")
	s := &source{
		config:  c,
		senders: senders{allow: c.Allow, basic: c.BasicAuth, wantsCert: c.TLSClientCA != ""},
		log:     slog.New(slog.DiscardHandler),
	}
	var err error
	if s.authDefault, err = configured(c.Default.Auth, rejection); err != nil {
		return nil, err
	}
	if s.sessionDefault, err = configured(c.Default.Session, accepted); err != nil {
		return nil, err
	}
	return s, nil
}

// Open reads the certificate authorities.
func (s *source) Open(_ context.Context, env *engine.Env) error {
	s.log = env.Log
	if s.config.TLSClientCA == "" {
		return nil
	}
	return s.senders.load(s.config.TLSClientCA)
}

// Routes are the paths of the four webhooks.
func (s *source) Routes(in engine.Inlet) []engine.Route {
	var routes []engine.Route
	for _, kind := range kinds {
		routes = append(routes, engine.Route{
			Path:  s.config.Path + "/" + string(kind),
			Alone: kind == auth || kind == session,
			Serve: func(r *http.Request, body []byte) engine.Answer {
				return s.serve(kind, r, body, in)
			},
		})
	}
	return routes
}

// A kind is one of the four webhooks.
type kind string

const (
	auth    kind = "auth"
	session kind = "session"
	event   kind = "event"
	stats   kind = "stats"
)

var kinds = []kind{auth, session, event, stats}

func (s *source) serve(k kind, r *http.Request, body []byte, in engine.Inlet) engine.Answer {
	if refusal := s.senders.check(r); refusal != nil && !engine.Vouched(r) {
		s.quiet.Warn(s.log, "sora: a request was refused: "+refusal.reason, "from", r.RemoteAddr)
		return refusal.answer
	}
	e, err := s.event(k, r, body)
	switch {
	case err != nil && k == auth:
		s.quiet.Warn(s.log, "sora: an auth request is rejected: "+err.Error(), "from", r.RemoteAddr)
		return rejection
	case err != nil:
		s.quiet.Warn(s.log, "sora: a request is no webhook of Sora: "+err.Error(), "webhook", k, "from", r.RemoteAddr)
		return engine.Text(http.StatusBadRequest, "this is no webhook of Sora: "+err.Error())
	case k == auth:
		return s.ask(r, e, in, s.authDefault, authAnswer)
	case k == session && e.Type == "session.created":
		return s.ask(r, e, in, s.sessionDefault, func(given engine.Answer) (engine.Answer, error) {
			return sessionAnswer(given, s.sessionDefault)
		})
	}
	if err := in.Put(r.Context(), e); err != nil {
		return engine.Accepted(err)
	}
	return accepted
}

// ask gives the flow its time to answer. read makes of its answer what Sora
// gets; otherwise is for where there is none.
func (s *source) ask(
	r *http.Request, e *engine.Event, in engine.Inlet,
	otherwise engine.Answer, read func(engine.Answer) (engine.Answer, error),
) engine.Answer {
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(s.config.Timeout))
	defer cancel()
	given, err := in.Ask(ctx, e)
	if err == nil {
		answer, err := read(given)
		if err != nil {
			s.quiet.Warn(s.log, "sora: the flow's answer can't be used: "+err.Error(), "type", e.Type)
		}
		return answer
	}
	isAuth := e.Type == string(auth)
	switch {
	case errors.Is(err, engine.ErrNotStored) && !isAuth:
		return engine.Accepted(err) // not in: no 2xx
	case !errors.Is(err, engine.ErrNoAnswer):
		s.quiet.Warn(s.log, "sora: the flow failed to answer, or took too long", "type", e.Type, "error", err)
	case isAuth: // session.created needs no answer
		s.quiet.Warn(s.log, "sora: no respond node answered an auth request")
	}
	return otherwise
}

var (
	_ engine.Sampler  = (*source)(nil)
	_ engine.Opener   = (*source)(nil)
	_ flows.Validator = (*Config)(nil)
)
