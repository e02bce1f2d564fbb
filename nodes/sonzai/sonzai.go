package sonzai

import (
	_ "embed"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed sonzai.go
var declaration string

// Source is the source `sonzai`.
var Source = engine.SourceSpec[Config]{
	About: engine.About{
		Type:    "sonzai",
		Summary: "Takes what sonzai's agents do: by webhook, by polling their notifications, or both.",
		Example: `sonzai: {path: /sonzai, secrets: "${SONZAI_SIGNING_SECRET}"}`,
		Source:  declaration,
	},
	Default: Config{
		Path:    "/sonzai",
		Poll:    PollConfig{Every: flows.Duration(30 * time.Second), Consume: true},
		BaseURL: "https://api.sonz.ai",
		Source:  "sonzai",
	},
	Schema: schema,
	New:    newSource,
}

// Config is the configuration of a sonzai source.
type Config struct {
	// Path is where webhooks arrive, at `PATH/{event type}`: with
	// `/sonzai`, sonzai posts its wakeups to `/sonzai/on_wakeup_ready`. A body
	// that names its own `event_type` may come to the bare path too.
	Path string `flow:"path"`

	// Secrets are the signing secrets (`whsec_…`) of the webhooks: one, a list
	// while one replaces another, or a map from event types to one or a list.
	// A webhook that none of them signed is refused.
	Secrets Secrets `flow:"secrets"`

	// AuthHeader is the `Authorization` header that sonzai was told to send,
	// as a whole: `Bearer abc`. A webhook that comes with another is refused.
	AuthHeader flows.Secret `flow:"auth_header"`

	// Insecure takes webhooks from anybody, where something in front of flowd
	// has checked them already.
	Insecure bool `flow:"insecure"`

	// Poll asks sonzai for notifications, where webhooks can't reach flowd. A
	// webhook's message is a notification too: with both, use `dedupe`.
	Poll PollConfig `flow:"poll"`

	// Register tells sonzai, on start, to send webhooks here, and keeps the
	// signing secrets that it gives.
	Register RegisterConfig `flow:"register"`

	// BaseURL is where sonzai's API is.
	BaseURL string `flow:"base_url"`

	// Source is the `source` of the events.
	Source string `flow:"source"`
}

// PollConfig says whose notifications to ask for.
type PollConfig struct {
	// APIKey is a key of the sonzai project (`sk_…`).
	APIKey flows.Secret `flow:"api_key,required"`

	// Agents are the ids or names of the agents whose notifications to take.
	// The `type` of such an event is its `check_type`.
	Agents []string `flow:"agents"`

	// Project is the id of a project, to take the notifications of all its
	// agents, with their event types and payloads. It stands instead of
	// `agents`.
	Project string `flow:"project"`

	// Every is the time between two looks.
	Every flows.Duration `flow:"every"`

	// Consume tells sonzai which notifications are safely in, so that it does
	// not give them again. Without it, no one else loses sight of them, but a
	// long list may hide its oldest ones.
	Consume bool `flow:"consume"`
}

// RegisterConfig says which webhooks to ask for.
type RegisterConfig struct {
	// APIKey is a key of the sonzai project (`sk_…`).
	APIKey flows.Secret `flow:"api_key,required"`

	// Project is the id of the project. Left out, it is the one that the key
	// belongs to.
	Project string `flow:"project"`

	// URL is how `path` is reached from outside: `https://example.com/sonzai`.
	// The event type is put behind it.
	URL string `flow:"url,required"`

	// Events are the event types to be told of, such as `on_wakeup_ready`,
	// `on_recurring_event_due`, `on_diary_generated`,
	// `on_personality_updated`, `on_mood_updated`, `on_breakthrough_detected`
	// or `agent.message`. sonzai has no fixed list of them.
	Events []string `flow:"events,required"`
}

// on reports whether the document has this part.
func (c *PollConfig) on() bool     { return c.APIKey != "" }
func (c *RegisterConfig) on() bool { return c.APIKey != "" }

// webhooks reports whether the source takes webhooks at all: one that only
// polls opens no path.
func (c *Config) webhooks() bool { return c.signed() || c.AuthHeader != "" || c.Insecure }

// signed reports whether a webhook must bear a signature.
func (c *Config) signed() bool { return !c.Secrets.empty() || c.Register.on() }

// Validate says what is missing or contradicts itself.
func (c *Config) Validate(report flows.Report) {
	if !strings.HasPrefix(c.Path, "/") {
		report("path", "a path begins with a slash, got %q", c.Path)
	}
	if !absolute(c.BaseURL) {
		report("base_url", "want a URL like https://api.sonz.ai, got %q", c.BaseURL)
	}
	switch {
	case !c.webhooks() && !c.Poll.on():
		report("", "nothing tells sonzai's webhooks from forged ones: give secrets, auth_header or register, or poll instead")
	case c.Insecure && (c.signed() || c.AuthHeader != ""):
		report("insecure", "insecure takes every webhook unchecked; leave it out, or secrets, auth_header and register")
	}
	for _, secret := range c.Secrets.of("") {
		if signingKey(secret) == "" {
			report("secrets", "a signing secret is empty")
		}
	}
}

// Validate says what is missing or contradicts itself.
func (c *PollConfig) Validate(report flows.Report) {
	if c.APIKey == "" {
		report("api_key", "api_key is empty")
	}
	switch {
	case len(c.Agents) == 0 && c.Project == "":
		report("", "poll needs agents or project")
	case len(c.Agents) > 0 && c.Project != "":
		report("agents", "poll takes agents or project, not both")
	}
	for i, agent := range c.Agents {
		if agent == "" {
			report(fmt.Sprintf("agents.%d", i), "the name of an agent is empty")
		}
	}
	if time.Duration(c.Every) < time.Second {
		report("every", "want 1s or more, got %s", c.Every)
	}
}

// Validate says what is missing or contradicts itself.
func (c *RegisterConfig) Validate(report flows.Report) {
	if c.APIKey == "" {
		report("api_key", "api_key is empty")
	}
	if !absolute(c.URL) {
		report("url", "want the URL by which sonzai reaches path, like https://example.com/sonzai, got %q", c.URL)
	}
	if len(c.Events) == 0 {
		report("events", "want at least one event type")
	}
	for i, kind := range c.Events {
		if kind == "" {
			report(fmt.Sprintf("events.%d", i), "an event type is empty")
		}
	}
}

func absolute(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == ""
}

var (
	_ flows.Validator = (*Config)(nil)
	_ flows.Validator = (*PollConfig)(nil)
	_ flows.Validator = (*RegisterConfig)(nil)
)
