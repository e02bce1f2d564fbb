package sonzai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// register asks sonzai for the webhooks of each event type, again and again
// until it has all of them.
func (s *source) register(ctx context.Context) {
	missing := s.config.Register.Events
	var pause pause
	for {
		var failed []string
		var err error
		for _, kind := range missing {
			if e := s.registerOne(ctx, kind); e != nil {
				failed, err = append(failed, kind), e
			}
		}
		if len(failed) == 0 {
			s.log.Info("sonzai: registered webhooks", "url", s.config.Register.URL, "events", s.config.Register.Events)
			return
		}
		missing = failed
		wait := pause.after(err)
		if ctx.Err() == nil {
			s.log.Error("sonzai: registering webhooks, will try again", "events", missing, "in", wait, "error", err)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// signingSecret is sonzai's answer to a registration, with the secret only
// the first time, and to a rotation.
type signingSecret struct {
	Success bool         `json:"success"`
	Secret  flows.Secret `json:"signing_secret"`
}

// registerOne registers the webhook of one event type. Every type has a URL of
// its own, so that the type of a body that does not name it is known.
func (s *source) registerOne(ctx context.Context, kind string) error {
	c := s.config.Register
	api := s.client(c.APIKey)
	hook := c.hooks() + "/" + url.PathEscape(kind)
	body := map[string]string{"webhook_url": strings.TrimRight(c.URL, "/") + "/" + url.PathEscape(kind)}
	if header := s.config.AuthHeader.Reveal(); header != "" {
		body["auth_header"] = header
	}
	var got signingSecret
	if err := api.call(ctx, http.MethodPut, hook, body, &got); err != nil {
		return fmt.Errorf("registering %q: %w", kind, err)
	}
	if !got.Success {
		return fmt.Errorf("registering %q: sonzai did not do it, and does not say why", kind)
	}
	if got.Secret == "" && !s.given.knows(kind) {
		s.log.Warn("sonzai: the signing secret of an earlier registration is not known here; a new one replaces it", "event_type", kind)
		if err := api.call(ctx, http.MethodPost, hook+"/rotate-secret", nil, &got); err != nil {
			return fmt.Errorf("rotating the signing secret of %q: %w", kind, err)
		}
		if signingKey(got.Secret) == "" {
			return fmt.Errorf("rotating the signing secret of %q: sonzai gave none", kind)
		}
	}
	if err := s.given.keep(ctx, s.checkpoints, s.config.scope(), kind, got.Secret); err != nil {
		return fmt.Errorf("keeping the signing secret of %q: %w", kind, err)
	}
	return nil
}

// hooks is the path of the API for webhooks. Without a project it is that of
// the key.
func (c *RegisterConfig) hooks() string {
	if c.Project == "" {
		return "/webhooks"
	}
	return "/projects/" + url.PathEscape(c.Project) + "/webhooks"
}

// scope names what signing secrets belong to: a project of a sonzai. The
// project that belongs to a key is known by a hash of the key.
func (c *Config) scope() string {
	project := c.Register.Project
	if project == "" {
		project = "\x00" + c.Register.APIKey.Reveal()
	}
	sum := sha256.Sum256([]byte(strings.TrimRight(c.BaseURL, "/") + "\x00" + project))
	return hex.EncodeToString(sum[:8])
}

// given are the signing secrets that sonzai gave, by event type. It gives each
// only once, so they are kept among the checkpoints. It is safe for concurrent
// use.
type given struct {
	mu      sync.RWMutex
	secrets map[string]flows.Secret
	unsaved map[string]bool // belongs to the goroutine that registers
}

func checkpointOf(scope, kind string) string { return "secret/" + scope + "/" + kind }

func (g *given) load(ctx context.Context, from engine.Checkpoints, scope string, kinds []string) error {
	for _, kind := range kinds {
		value, err := from.Load(ctx, checkpointOf(scope, kind))
		if err != nil {
			return fmt.Errorf("reading the signing secret of %q: %w", kind, err)
		}
		if len(value) > 0 {
			g.put(kind, flows.Secret(value))
		}
	}
	return nil
}

func (g *given) put(kind string, secret flows.Secret) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.secrets == nil {
		g.secrets, g.unsaved = map[string]flows.Secret{}, map[string]bool{}
	}
	g.secrets[kind] = secret
}

// keep takes a new secret, if there is one, into use at once and saves it. One
// that could not be saved is saved the next time.
func (g *given) keep(ctx context.Context, to engine.Checkpoints, scope, kind string, secret flows.Secret) error {
	if secret != "" {
		g.put(kind, secret)
		g.unsaved[kind] = true
	}
	if !g.unsaved[kind] {
		return nil
	}
	if err := to.Save(ctx, checkpointOf(scope, kind), []byte(g.secrets[kind].Reveal())); err != nil {
		return err
	}
	delete(g.unsaved, kind)
	return nil
}

func (g *given) knows(kind string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.secrets[kind] != ""
}

// of returns the secrets for an event type, or all of them where it is not
// known, and whether none of those wanted is still missing.
func (g *given) of(kind string, wanted []string) (secrets []flows.Secret, all bool) {
	if kind != "" {
		if !slices.Contains(wanted, kind) {
			return nil, true
		}
		wanted = []string{kind}
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	all = true
	for _, kind := range wanted {
		if secret := g.secrets[kind]; secret != "" {
			secrets = append(secrets, secret)
		} else {
			all = false
		}
	}
	return secrets, all
}
