package web

import (
	"context"
	_ "embed" // for the source
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed webhook.go
var webhookSource string

// Webhook takes HTTP requests from whoever can send one.
var Webhook = engine.SourceSpec[WebhookConfig]{
	About: engine.About{
		Type:    "webhook",
		Summary: "Takes HTTP requests with JSON, forms, text or CloudEvents, verified by signature or password.",
		Example: `webhook: {path: /orders, verify: {bearer: "${ORDERS_TOKEN:-change-me}"}, type: body.event}`,
		Source:  webhookSource,
	},
	Default: WebhookConfig{
		Method:  http.MethodPost,
		Timeout: flows.Duration(30 * time.Second),
	},
	Schema: webhookSchema,
	Check:  checkWebhook,
	New:    newWebhook,
}

// WebhookConfig is the configuration of a webhook.
type WebhookConfig struct {
	// Path is where requests arrive: /orders. With a slash at its end,
	// /orders/, it takes everything below too.
	Path string `flow:"path,main,required"`
	// Method is the HTTP method of the requests. With GET, the payload of a
	// request without body is its query.
	Method string `flow:"method"`
	// Verify says how a request proves who sent it. Left out, everyone who
	// can reach the path is believed.
	Verify Verify `flow:"verify"`
	// Source is the source of the events. Left out, it is webhook, or what a
	// CloudEvents request says.
	Source string `flow:"source"`
	// Type gives the type of the event from body, headers (with names in
	// lower case), query and path: headers["x-event"]. Left out, or where it
	// gives null, it is what a CloudEvents request says, else what senders of
	// the kind verified write (X-GitHub-Event, or the field type of the body
	// for standard-webhooks, stripe and slack), else webhook.
	Type expr.Request `flow:"type"`
	// ID gives the id of the event in the same way. Left out, or where it
	// gives null, it is what a CloudEvents request says, else the sender's id
	// of the delivery (webhook-id, X-GitHub-Delivery, the id of a Stripe
	// event, the event_id of Slack), else a hash of the body.
	ID expr.Request `flow:"id"`
	// Subject gives what the event is about.
	Subject expr.Request `flow:"subject"`
	// Time gives when it happened, as text (2026-09-01T07:30:05Z) or as
	// seconds or milliseconds since 1970. Left out, it is what a CloudEvents
	// request or the body of a known sender says, else when it arrived.
	Time expr.Request `flow:"time"`
	// Reply makes the request wait for a respond node of the flow. What was
	// answered by none gets 204, what failed 500, and what took longer than
	// timeout 504.
	Reply bool `flow:"reply"`
	// Timeout is how long a request waits for its reply.
	Timeout flows.Duration `flow:"timeout"`
	// Schema is the path of a JSON Schema of the payloads, or of bodies as they
	// come, from which their fields are learned; or a list of such paths. With
	// it, the expressions here and behind this node are checked against what is
	// there; and where type is learned from the body, by type of event.
	Schema engine.SchemaFiles `flow:"schema"`
}

// Verify is how a request proves who sent it: `verify: none`, or a map with
// one of the other keys.
type Verify struct {
	// Mode none believes everyone.
	Mode string `flow:"mode,main"`
	// Bearer is the token expected in Authorization: Bearer. A list is any of
	// them.
	Bearer *Secrets `flow:"bearer"`
	// Basic is the user and password of HTTP Basic authentication.
	Basic *BasicSecrets `flow:"basic"`
	// StandardWebhooks is the secret, whsec_…, of a sender that signs as
	// www.standardwebhooks.com says.
	StandardWebhooks *Secrets `flow:"standard-webhooks"`
	// GitHub is the secret of a GitHub webhook.
	GitHub *Secrets `flow:"github"`
	// Stripe is the signing secret, whsec_…, of a Stripe endpoint.
	Stripe *Secrets `flow:"stripe"`
	// Slack is the signing secret of a Slack app. The challenge with which
	// Slack tries the address out is answered.
	Slack *Secrets `flow:"slack"`
	// HMAC describes any other signature made with a shared secret.
	HMAC *HMAC `flow:"hmac"`
}

// repeats reports whether senders of the kind verified are known to send a
// delivery again that got no answer.
func (v Verify) repeats() bool {
	return v.StandardWebhooks != nil || v.Stripe != nil || v.Slack != nil
}

// Secrets are the secrets of one sender.
type Secrets struct {
	// Secret is what you and the sender share. With a list any of them will
	// do, so that one can be exchanged without losing a request.
	Secret []flows.Secret `flow:"secret,main,required"`
}

// BasicSecrets are a user and the passwords that are taken.
type BasicSecrets struct {
	// User is the name.
	User string `flow:"user,required"`
	// Password is the password, or a list of those that will do.
	Password []flows.Secret `flow:"password,required"`
}

// HMAC describes a signature made with a shared secret.
type HMAC struct {
	// Secret is what you and the sender share, or a list of those that will
	// do.
	Secret []flows.Secret `flow:"secret,required"`
	// Header is the header with the signature: X-Signature.
	Header string `flow:"header,required"`
	// Prefix is what stands before the signature in the header: "sha256=".
	Prefix string `flow:"prefix"`
	// Encoding is how the signature is written, hex or base64. Left out, hex.
	Encoding string `flow:"encoding"`
	// Algorithm is the hash: sha256, sha512 or sha1. Left out, sha256.
	Algorithm string `flow:"algorithm"`
	// Content is what is signed, where that is more than the body:
	// '{{ headers["x-timestamp"] }}.{{ body }}'. Here body is the body's text
	// exactly as it came.
	Content expr.Request `flow:"content"`
	// Timestamp is the header with the time of sending, in seconds since
	// 1970. With it, a request that is more than five minutes off is refused.
	// It only helps if content has it too.
	Timestamp string `flow:"timestamp"`
}

var methods = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet}

// Validate refuses what can't be a path, and settings that don't go together.
func (c *WebhookConfig) Validate(report flows.Report) {
	if !strings.HasPrefix(c.Path, "/") || strings.ContainsAny(c.Path, "?# \t\r\n") {
		report("path", "want a path like /orders, got %q", c.Path)
	}
	if !slices.Contains(methods, c.Method) {
		report("method", "want one of %s, got %q", strings.Join(methods, ", "), c.Method)
	}
	v := c.Verify
	if c.Method == http.MethodGet && (v.StandardWebhooks != nil || v.GitHub != nil || v.Stripe != nil || v.Slack != nil) {
		report("verify", "a GET has no body that could be signed: use bearer, basic, or hmac with content")
	}
	if c.Timeout <= 0 {
		report("timeout", "want more than 0")
	}
}

type webhook struct {
	engine.Routed
	WebhookConfig
	scheme  scheme
	log     *slog.Logger
	refused engine.Quiet
}

func newWebhook(c WebhookConfig) (engine.Source, error) {
	s, err := c.Verify.scheme()
	if err != nil {
		return nil, err
	}
	return &webhook{WebhookConfig: c, scheme: s, log: slog.New(slog.DiscardHandler)}, nil
}

// Open takes the log.
func (w *webhook) Open(_ context.Context, env *engine.Env) error {
	w.log = env.Log
	return nil
}

// Routes is the one route of the path.
func (w *webhook) Routes(in engine.Inlet) []engine.Route {
	return []engine.Route{{
		Path:   w.Path,
		Method: w.Method,
		Alone:  w.Reply,
		Serve:  func(r *http.Request, body []byte) engine.Answer { return w.serve(in, r, body) },
	}}
}

func (w *webhook) serve(in engine.Inlet, r *http.Request, body []byte) engine.Answer {
	if err := w.scheme.verify(r, body); err != nil && !engine.Vouched(r) {
		w.refused.Warn(w.log, "webhook: a request was refused: "+err.Error(), "from", r.RemoteAddr)
		return unauthorized(w.scheme, err)
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		a := engine.Text(http.StatusUnsupportedMediaType, "the body is encoded, please send it as it is")
		a.Header.Set("Accept-Encoding", "identity")
		return a
	}
	events, err := w.events(r, body)
	if err != nil {
		return engine.Text(http.StatusBadRequest, err.Error())
	}
	if w.Verify.Slack != nil && len(events) == 1 && field(events[0].Data, "type") == "url_verification" {
		return engine.Answer{
			Header: http.Header{"Content-Type": {"text/plain"}},
			Body:   []byte(field(events[0].Data, "challenge")),
		}
	}
	if len(events) == 0 { // an empty CloudEvents batch
		return engine.Answer{}
	}
	if w.Reply {
		return w.ask(in, r, events)
	}
	return engine.Accepted(in.Put(r.Context(), events...))
}

// ask puts an event in and waits for its answer.
func (w *webhook) ask(in engine.Inlet, r *http.Request, events []*engine.Event) engine.Answer {
	if len(events) > 1 {
		return engine.Text(http.StatusBadRequest, "a batch can't be replied to: send one event a request")
	}
	if events[0].Failure != nil {
		if err := in.Put(r.Context(), events[0]); err != nil {
			return engine.Accepted(err)
		}
		return engine.Text(http.StatusUnprocessableEntity, "the request could not be read as an event")
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(w.Timeout))
	defer cancel()
	answer, err := in.Ask(ctx, events[0])
	switch {
	case err == nil:
		return answer
	case errors.Is(err, engine.ErrNoAnswer):
		return engine.Answer{Status: http.StatusNoContent}
	case errors.Is(err, engine.ErrNotStored), errors.Is(err, engine.ErrFull):
		return engine.Accepted(err)
	case errors.Is(err, context.DeadlineExceeded):
		return engine.Text(http.StatusGatewayTimeout, "no answer within "+w.Timeout.String())
	}
	return engine.Text(http.StatusInternalServerError, "the event could not be handled")
}

// events makes events of a request: one, but for CloudEvents batches. An error
// is the sender's mistake.
func (w *webhook) events(r *http.Request, body []byte) ([]*engine.Event, error) {
	meta := engine.MetaOf(r)
	query := object(r.URL.Query())
	if len(query) > 0 {
		meta["query"] = query
	}
	events, err := cloudEvents(r.Header, body)
	if err != nil {
		return nil, err
	}
	if events == nil {
		e := &engine.Event{ID: engine.Digest(body)}
		if len(body) == 0 && r.Method == http.MethodGet && len(query) > 0 {
			e.Data, e.ID = engine.Value(query), engine.Digest([]byte(r.URL.RawQuery))
		} else if e.Data, err = payload(r.Header.Get("Content-Type"), body); err != nil {
			return nil, err
		}
		if w.Verify.GitHub != nil || w.Verify.Slack != nil {
			if e.Data, err = formPayload(e.Data); err != nil {
				return nil, err
			}
		}
		w.Verify.attributes(r.Header, e)
		events = []*engine.Event{e}
	}
	for _, e := range events {
		w.finish(e, meta)
	}
	return events, nil
}

var (
	_ engine.Sampler = (*webhook)(nil)
	_ engine.Opener  = (*webhook)(nil)
)
