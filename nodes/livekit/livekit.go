package livekit

import (
	"cmp"
	"context"
	_ "embed"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed livekit.go
var declaration string

// Source is the source `livekit`.
var Source = engine.SourceSpec[Config]{
	About: engine.About{
		Type:    "livekit",
		Summary: "Takes LiveKit's webhooks: rooms, participants, tracks, egress, ingress and agent jobs.",
		Example: `livekit: {path: /livekit, api_key: "${LIVEKIT_API_KEY}", api_secret: "${LIVEKIT_API_SECRET}"}`,
		Source:  declaration,
	},
	Default: Config{Path: "/livekit", Source: "livekit"},
	Schema:  schema,
	New:     newSource,
}

// Config is the configuration of a livekit source.
type Config struct {
	// Path is where LiveKit posts its webhooks: the path of the URL that
	// stands in `webhook.urls` of livekit.yaml, or in the settings of the
	// project in LiveKit Cloud.
	Path string `flow:"path"`

	// APIKey is the key that LiveKit signs its webhooks with:
	// `webhook.api_key` of livekit.yaml, or the signing key chosen for the
	// webhook in LiveKit Cloud.
	APIKey string `flow:"api_key"`

	// APISecret is the secret of that key.
	APISecret flows.Secret `flow:"api_secret"`

	// Keys are the secrets of several keys, by key: while one replaces
	// another, or when several LiveKit projects post here. It may stand beside
	// `api_key`.
	Keys map[string]flows.Secret `flow:"keys"`

	// Events are the names of the events to take, like `room_started`. The
	// others are answered and forgotten. Left out, all are taken, also those
	// that LiveKit has yet to invent.
	Events []string `flow:"events"`

	// IncludeSecrets keeps in `data` what LiveKit declares secret:
	// `room.turnPassword`, `ingressInfo.streamKey` and the storage credentials
	// of an egress. They are left out otherwise.
	IncludeSecrets bool `flow:"include_secrets"`

	// Source is the `source` of the events.
	Source string `flow:"source"`
}

// Validate says what is missing or contradicts itself.
func (c *Config) Validate(report flows.Report) {
	if !strings.HasPrefix(c.Path, "/") {
		report("path", "a path begins with a slash, got %q", c.Path)
	}
	switch {
	case c.APIKey == "" && c.APISecret == "" && len(c.Keys) == 0:
		report("", "livekit needs api_key and api_secret, or keys")
	case c.APIKey == "" && c.APISecret != "":
		report("api_secret", "api_secret needs api_key beside it")
	case c.APIKey != "" && c.APISecret == "":
		report("api_key", "api_key needs api_secret beside it")
	}
	for _, key := range slices.Sorted(maps.Keys(c.Keys)) {
		switch {
		case key == "" || c.Keys[key] == "":
			report("keys."+key, "keys wants a secret for each API key, got an empty one")
		case key == c.APIKey && c.Keys[key] != c.APISecret:
			report("keys."+key, "keys has another secret for %q than api_secret", key)
		}
	}
}

// source takes the webhooks of one path.
type source struct {
	engine.Routed
	config  Config
	keys    keys
	payload payload
	log     *slog.Logger
	refused engine.Quiet
}

func newSource(c Config) (engine.Source, error) {
	s := &source{
		config:  c,
		keys:    keys{},
		payload: payload{secrets: c.IncludeSecrets},
		log:     slog.New(slog.DiscardHandler),
	}
	for key, secret := range c.Keys {
		s.keys[key] = secret
	}
	if c.APIKey != "" {
		s.keys[c.APIKey] = c.APISecret
	}
	return s, nil
}

// Open takes the log, and warns of names in events that are likely mistakes:
// an event that LiveKit never sends is no error, since it may learn to.
func (s *source) Open(_ context.Context, env *engine.Env) error {
	s.log = env.Log
	for _, name := range s.config.Events {
		if !slices.Contains(s.Samples(), name) {
			s.log.Warn("livekit: an event that LiveKit is not known to send",
				"event", name, "hint", flows.DidYouMean(name, s.Samples()))
		}
	}
	return nil
}

// Routes is the one path of the webhooks.
func (s *source) Routes(in engine.Inlet) []engine.Route {
	return []engine.Route{{
		Path: s.config.Path,
		Serve: func(r *http.Request, body []byte) engine.Answer {
			return s.serve(r, body, in)
		},
	}}
}

func (s *source) serve(r *http.Request, body []byte, in engine.Inlet) engine.Answer {
	if err := s.keys.verify(r.Header.Get("Authorization"), body); err != nil && !engine.Vouched(r) {
		s.refused.Warn(s.log, "livekit: a request was refused: "+reason(err), "from", r.RemoteAddr)
		return engine.Text(http.StatusUnauthorized, "this is not signed as LiveKit signs its webhooks")
	}
	e := s.event(r, body)
	if e.Failure == nil && len(s.config.Events) > 0 && !slices.Contains(s.config.Events, e.Type) {
		return engine.Accepted(nil)
	}
	return engine.Accepted(in.Put(r.Context(), e))
}

// event is the event of an authentic body: one that has failed if the body
// can't be read.
func (s *source) event(r *http.Request, body []byte) *engine.Event {
	e := &engine.Event{Source: s.config.Source, Meta: engine.MetaOf(r)}
	data, sent, err := s.payload.read(body)
	if err != nil {
		s.log.Warn("livekit: an authentic body could not be read; it goes to the dead letters")
		e.ID = engine.Digest(body)
		e.Type = "unreadable"
		e.Data = engine.Value(s.payload.masked(string(body)))
		e.Failure = &engine.Failure{Message: err.Error()}
		return e
	}
	if e.ID = sent.id; e.ID == "" {
		e.ID = engine.Digest(body)
	}
	e.Type = sent.event
	e.Subject = sent.subject()
	e.Time = sent.time()
	e.Data = data
	return e
}

// subject is what an event is about: its room, or what stands in for one.
func (a *about) subject() string { return cmp.Or(a.room, a.jobRoom, a.egress, a.ingress, a.job) }

// time is when an event happened, in whole seconds; zero if it does not say or
// says what is no date.
func (a *about) time() time.Time {
	const year10000 = 253402300800
	if a.created <= 0 || a.created >= year10000 {
		return time.Time{}
	}
	return time.Unix(a.created, 0).UTC()
}

var (
	_ engine.Sampler  = (*source)(nil)
	_ engine.Opener   = (*source)(nil)
	_ flows.Validator = (*Config)(nil)
)
