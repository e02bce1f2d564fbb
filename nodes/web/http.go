package web

import (
	"context"
	_ "embed" // for the source
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-resty/resty/v2"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed http.go
var httpSource string

// HTTP sends events as HTTP requests.
var HTTP = engine.SinkSpec[HTTPConfig]{
	About: engine.About{
		Type:    "http",
		Summary: "Sends each event as an HTTP request, signed if you like, and tries again what may pass.",
		Example: `http: {url: "https://example.com/rooms/{{ subject }}", body: {what: type, when: time}}`,
		Source:  httpSource,
	},
	Default: HTTPConfig{
		Method:      http.MethodPost,
		Format:      "json",
		Success:     []StatusRange{{200, 299}},
		Concurrency: 8,
	},
	Remote: true,
	Gives: func(c HTTPConfig, in engine.Schema) []engine.Schema {
		return []engine.Schema{in.Each(func(v engine.Variant) engine.Variant {
			if c.Result != "" {
				v.Data = v.Data.With(strings.Split(c.Result, "."), engine.Shape{})
			}
			return v
		})}
	},
	New: newHTTP,
}

// HTTPConfig is the configuration of an http sink.
type HTTPConfig struct {
	// URL is where the request goes. What {{ }} puts in is escaped, and can't
	// change the host or reach out of its part of the path.
	URL expr.Text `flow:"url,main,required"`
	// Method is the HTTP method. A GET has a body only if body is set.
	Method string `flow:"method"`
	// Headers are headers of the request: {X-Room: "{{ subject }}"}. They
	// take the place of those that format and auth set.
	Headers map[string]expr.Text `flow:"headers"`
	// Body is what is sent. Left out, the data of the event.
	Body expr.Expr `flow:"body"`
	// Format is how it is sent: json, form (a map, as a web form), text,
	// cloudevents (all of the event in one JSON object), or
	// cloudevents-binary (the payload in the body, the rest in headers).
	Format string `flow:"format"`
	// Auth is the user or token that the receiver asks for.
	Auth Auth `flow:"auth"`
	// Sign signs requests as www.standardwebhooks.com says: webhook-id is the
	// id of the event, for every attempt.
	Sign *Sign `flow:"sign"`
	// Success are the statuses that mean delivered: 2xx, 200-204, 404, or a
	// list of such.
	Success []StatusRange `flow:"success"`
	// Concurrency is how many requests are under way at a time, each for at
	// most 30s or the node's timeout. With 1, events arrive in order, and one
	// that is tried again holds up those behind it.
	Concurrency int `flow:"concurrency"`
	// Result is the field of data, such as reply or order.reply, that the
	// reply is put into for the nodes that follow. A reply may have up to
	// 1MiB.
	Result string `flow:"result"`
	// TLS says whom to trust, and with which certificate to show up.
	TLS *TLS `flow:"tls"`
}

// Auth is what the receiver asks for: one of the two.
type Auth struct {
	// Bearer is a token for Authorization: Bearer.
	Bearer flows.Secret `flow:"bearer"`
	// Basic is a user with a password.
	Basic *Basic `flow:"basic"`
}

// Basic is a user with a password.
type Basic struct {
	// User is the name.
	User string `flow:"user,required"`
	// Password is the password.
	Password flows.Secret `flow:"password,required"`
}

// Sign is what requests are signed with.
type Sign struct {
	// Secret is whsec_ and base64. With a list, requests carry a signature by
	// each, so that the receiver can change from one to the next.
	Secret []flows.Secret `flow:"secret,main,required"`
}

// TLS says whom to trust, and with which certificate to show up.
type TLS struct {
	// CA is a PEM file of the authorities to trust instead of the system's.
	CA flows.Path `flow:"ca"`
	// Cert is a PEM file with a client certificate.
	Cert flows.Path `flow:"cert"`
	// Key is the PEM file of its key.
	Key flows.Path `flow:"key"`
	// ServerName is the name in the server's certificate, where it is not
	// that of the URL.
	ServerName string `flow:"server_name"`
	// Insecure believes any certificate. For tests.
	Insecure bool `flow:"insecure"`
}

// A StatusRange is a range of HTTP statuses, written 204, 2xx or 200-299.
type StatusRange struct{ First, Last int }

// UnmarshalText reads a range.
func (s *StatusRange) UnmarshalText(text []byte) error {
	first, last, isRange := strings.Cut(string(text), "-")
	if class, ok := strings.CutSuffix(strings.ToLower(first), "xx"); ok && !isRange {
		first, last = class+"00", class+"99"
	} else if !isRange {
		last = first
	}
	var err1, err2 error
	s.First, err1 = strconv.Atoi(first)
	s.Last, err2 = strconv.Atoi(last)
	if err1 != nil || err2 != nil || s.First < 100 || s.Last > 599 || s.First > s.Last {
		return fmt.Errorf("want a status like 204, 2xx or 200-299, got %q", text)
	}
	return nil
}

func (s StatusRange) String() string {
	switch {
	case s.First == s.Last:
		return strconv.Itoa(s.First)
	case s.First%100 == 0 && s.Last == s.First+99:
		return strconv.Itoa(s.First/100) + "xx"
	}
	return fmt.Sprintf("%d-%d", s.First, s.Last)
}

// MarshalText writes s as it is read.
func (s StatusRange) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Validate refuses what can't be sent.
func (c *HTTPConfig) Validate(report flows.Report) {
	if _, err := parseTarget(c.URL); err != nil {
		report("url", "%v", err)
	}
	if !slices.Contains(methods, c.Method) {
		report("method", "want one of %s, got %q", strings.Join(methods, ", "), c.Method)
	}
	checkHeaders(report, c.Headers)
	if !slices.Contains(formats, c.Format) {
		report("format", "want one of %s, got %q", strings.Join(formats, ", "), c.Format)
	}
	if c.Concurrency < 1 || c.Concurrency > 1024 {
		report("concurrency", "want 1 to 1024, got %d", c.Concurrency)
	}
	if slices.Contains(strings.Split("."+c.Result, ".")[1:], "") && c.Result != "" {
		report("result", "want a field like reply or order.reply, got %q", c.Result)
	}
}

// Validate refuses what can't sign.
func (s *Sign) Validate(report flows.Report) {
	refuseEmpty(report, "secret", s.Secret)
	if _, err := standardKeys(s.Secret); err != nil {
		report("secret", "%v", err)
	}
}

// Validate refuses two ways at a time.
func (a *Auth) Validate(report flows.Report) {
	if (a.Bearer != "") == (a.Basic != nil) {
		report("", "want a bearer token or basic, one of the two")
	}
	if !printable(a.Bearer.Reveal()) {
		report("bearer", "the token has characters that a header can't hold")
	}
}

// Validate refuses half a certificate.
func (t *TLS) Validate(report flows.Report) {
	if (t.Cert == "") != (t.Key == "") {
		report("", "cert and key go together")
	}
}

type httpSink struct {
	HTTPConfig
	target    target
	headers   []header
	signature *signature // nil if requests are not signed
	client    *resty.Client
	slots     chan struct{} // one for each request under way
}

func newHTTP(c HTTPConfig) (engine.Sink, error) {
	s := &httpSink{HTTPConfig: c, headers: headersOf(c.Headers), slots: make(chan struct{}, c.Concurrency)}
	var err error
	if s.target, err = parseTarget(c.URL); err != nil {
		return nil, err
	}
	if c.Sign != nil {
		keys, err := standardKeys(c.Sign.Secret)
		if err != nil {
			return nil, err
		}
		s.signature = signatureStandard(keys)
	}
	if c.Result != "" {
		return &httpRelay{s}, nil
	}
	return s, nil
}

// Close gives the connections back.
func (s *httpSink) Close() error {
	if s.client != nil {
		s.client.GetClient().CloseIdleConnections()
	}
	return nil
}

// Write delivers a batch.
func (s *httpSink) Write(ctx context.Context, batch []*engine.Event) error {
	_, failures := s.deliver(ctx, batch)
	if len(failures) == 0 {
		return nil
	}
	return failures
}

// httpRelay is an http sink whose replies go on with the events.
type httpRelay struct{ *httpSink }

// WriteOut delivers a batch and emits the events with what was replied.
func (s *httpRelay) WriteOut(ctx context.Context, batch []*engine.Event, out *engine.Outlet) error {
	tries, failures := s.deliver(ctx, batch)
	for _, t := range tries {
		if t.err == nil {
			c := t.event.Copy()
			c.Data = t.reply
			out.Emit(c)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	return failures
}

var (
	_ engine.Sink   = (*httpSink)(nil)
	_ engine.Opener = (*httpSink)(nil)
	_ engine.Closer = (*httpSink)(nil)
	_ engine.Relay  = (*httpRelay)(nil)
)
