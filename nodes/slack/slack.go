package slack

import (
	_ "embed"
	"net/url"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed slack.go
var declaration string

// Sink is the sink `slack`.
var Sink = engine.SinkSpec[Config]{
	About: engine.About{
		Type:    "slack",
		Summary: "Posts a message to a Slack channel, one a second for each channel.",
		Example: `slack: {webhook_url: "${SLACK_WEBHOOK_URL}", text: "{{ type }} in {{ subject }}"}`,
		Source:  declaration,
	},
	Default: Config{MaxText: 4000, APIURL: "https://slack.com/api"},
	Remote:  true,
	New:     newSink,
}

// Config is the configuration of a slack sink.
type Config struct {
	// WebhookURL is an incoming webhook (`https://hooks.slack.com/services/…`),
	// which posts to the channel it was made for. Who has it can post there.
	WebhookURL flows.Secret `flow:"webhook_url"`

	// Token is the token of a bot (`xoxb-…`) with the scope `chat:write`, to
	// post to any `channel` that the bot is a member of. It stands instead of
	// `webhook_url`.
	Token flows.Secret `flow:"token"`

	// Channel is the channel to post to, by id (`C…`) rather than by name. It
	// needs `token`.
	Channel expr.Text `flow:"channel"`

	// Text is the message, in Slack's mrkdwn: `*bold*`, `_italic_`,
	// `<https://example.com|a link>`. What expressions put in is escaped, so
	// that an event can't mention people or make links. With `blocks` it is
	// what notifications show.
	Text expr.Text `flow:"text"`

	// Blocks are the message in Block Kit: a list whose texts may have
	// `{{ }}` in them, or an expression that gives such a list. Texts that
	// are longer than Slack takes are cut.
	Blocks Blocks `flow:"blocks"`

	// Thread is an expression; events of equal value share a thread, which the
	// first of them begins. It needs `token`, since a webhook does not tell
	// what it posted.
	Thread expr.Expr `flow:"thread"`

	// Unfurl shows previews of the links in a message.
	Unfurl bool `flow:"unfurl"`

	// MaxText is how long `text` may be before it is cut. Slack advises 4000
	// and takes up to 40000.
	MaxText int `flow:"max_text"`

	// APIURL is where Slack's Web API is.
	APIURL string `flow:"api_url"`
}

// Validate says what is missing or contradicts itself.
func (c *Config) Validate(report flows.Report) {
	webhook, token := c.WebhookURL != "", c.Token != ""
	switch {
	case !webhook && !token:
		report("", "slack needs webhook_url, or token and channel")
	case webhook && token:
		report("token", "slack takes webhook_url or token, not both")
	case webhook && !absolute(c.WebhookURL.Reveal()):
		report("webhook_url", "webhook_url is not a URL like https://hooks.slack.com/services/…")
	case webhook && c.Channel.IsSet():
		report("channel", "a webhook posts to the channel it was made for: leave channel out, or use token")
	case webhook && c.Thread.IsSet():
		report("thread", "a webhook can't begin threads: use token and channel")
	case token && !c.Channel.IsSet():
		report("", "slack needs channel beside token")
	}
	if !c.Text.IsSet() && !c.Blocks.IsSet() {
		report("", "slack needs text or blocks")
	}
	if c.MaxText < minText || c.MaxText > maxText {
		report("max_text", "want a length from %d to %d, got %d", minText, maxText, c.MaxText)
	}
	if !absolute(c.APIURL) {
		report("api_url", "want a URL like https://slack.com/api, got %q", c.APIURL)
	}
}

func absolute(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// endpoint is where messages are posted.
func (c *Config) endpoint() string {
	if c.WebhookURL != "" {
		return c.WebhookURL.Reveal()
	}
	return strings.TrimRight(c.APIURL, "/") + "/chat.postMessage"
}

const (
	minText = 100
	maxText = 40000

	postTimeout = 30 * time.Second
	// spacing is Slack's limit of one message a second for each channel.
	spacing = time.Second
)

var _ flows.Validator = (*Config)(nil)
