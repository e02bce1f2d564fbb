package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

// An outgoing is an event rendered into a request.
type outgoing struct {
	url       string
	header    http.Header
	body      []byte // nil if there is none
	id        string // webhook-id
	withReply func(reply any) map[string]any
}

// A target is where requests go.
type target struct {
	origin string // scheme and host, for messages: the rest may be secret
	fixed  bool   // the URL has no {{ }}
}

var originForm = regexp.MustCompile(`^(https?)://(?:[^/?#@]*@)?([^/?#@]+)([/?#]?)`)

// parseTarget checks the fixed part of a URL. Its errors don't repeat it.
func parseTarget(text expr.Text) (target, error) {
	prefix, all := text.Fixed()
	m := originForm.FindStringSubmatch(prefix)
	if m == nil && all {
		return target{}, errors.New("want an address like https://example.com/path")
	}
	if m == nil || m[3] == "" && !all {
		return target{}, errors.New("scheme and host must be written out before the first {{ }}, " +
			"as in https://example.com/{{ id }}: an event must not choose where requests go")
	}
	if _, err := url.Parse(m[0]); err != nil {
		return target{}, errors.New("this is not an address")
	}
	if _, err := url.Parse(prefix); err != nil && all {
		return target{}, errors.New("this is not an address")
	}
	return target{origin: m[1] + "://" + m[2], fixed: all}, nil
}

// render makes the request of an event. Its errors are the event's fault.
func (s *httpSink) render(e *engine.Event) (*outgoing, error) {
	out := &outgoing{header: http.Header{"User-Agent": {"flowd"}, "Accept": {"*/*"}}, id: webhookID(e)}
	var err error
	if out.url, err = s.renderURL(e); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if s.Method != http.MethodGet || s.Body.IsSet() {
		if out.body, err = s.renderBody(e, out.header); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	if s.Auth.Bearer != "" {
		out.header.Set("Authorization", "Bearer "+s.Auth.Bearer.Reveal())
	} else if s.Auth.Basic != nil {
		credentials := s.Auth.Basic.User + ":" + s.Auth.Basic.Password.Reveal()
		out.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	if err := renderHeaders(out.header, s.headers, e); err != nil {
		return nil, err
	}
	if s.Result != "" {
		if out.withReply, err = replyInto(e, s.Result); err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
	}
	return out, nil
}

func (s *httpSink) renderURL(e *engine.Event) (string, error) {
	if s.target.fixed {
		return s.URL.Render(e)
	}
	text, err := s.URL.RenderWith(e, escapeURL)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("what was put in makes it no address")
	}
	for _, segment := range strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return "", fmt.Errorf("the path would have a part %q", segment)
		}
	}
	return text, nil
}

// escapeURL escapes all but the unreserved characters of RFC 3986, so that a
// value is one part of a path, or one value of a query, whatever it holds.
func escapeURL(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

var formats = []string{"json", "form", "text", "cloudevents", "cloudevents-binary"}

// renderBody renders the body of e, and sets the headers that belong to it.
func (s *httpSink) renderBody(e *engine.Event, h http.Header) ([]byte, error) {
	data := e.Data
	if s.Body.IsSet() {
		var err error
		if data, err = s.Body.Data(e); err != nil {
			return nil, err
		}
	}
	raw, err := data.Bytes()
	if err != nil {
		return nil, err
	}
	switch s.Format {
	case "form":
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		return encodeForm(data)
	case "text":
		h.Set("Content-Type", "text/plain; charset=utf-8")
		v, err := data.Value()
		if text, ok := scalar(v); ok {
			raw = []byte(text)
		}
		return raw, err
	case "cloudevents":
		h.Set("Content-Type", structuredType+"; charset=utf-8")
		return encodeStructured(e, raw)
	case "cloudevents-binary":
		setBinary(h, e)
	}
	h.Set("Content-Type", "application/json")
	return raw, nil
}

// encodeForm writes a map as a web form: a list is a key given several times,
// a map in it is JSON.
func encodeForm(data engine.Data) ([]byte, error) {
	v, err := data.Value()
	if err != nil {
		return nil, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("a form is made of a map: say with body what is sent")
	}
	form := url.Values{}
	for key, v := range fields {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, item := range list {
			text, ok := scalar(item)
			if !ok {
				raw, err := engine.Value(item).Bytes()
				if err != nil {
					return nil, err
				}
				text = string(raw)
			}
			form.Add(key, text)
		}
	}
	return []byte(form.Encode()), nil
}

// replyInto returns a function that gives the data of e with a reply at a
// path. It fails where data has no room for it.
func replyInto(e *engine.Event, path string) (func(reply any) map[string]any, error) {
	v, err := e.Data.Value()
	if err != nil {
		return nil, err
	}
	data, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, errors.New("the data of the event is not a map")
	}
	steps := strings.Split(path, ".")
	for m, i := data, 0; i < len(steps)-1; i++ {
		if m[steps[i]] == nil {
			break
		}
		if m, ok = m[steps[i]].(map[string]any); !ok {
			return nil, fmt.Errorf("%s of the data is not a map", strings.Join(steps[:i+1], "."))
		}
	}
	return func(reply any) map[string]any { return with(data, steps, reply) }, nil
}

// with returns a copy of m with v at a path.
func with(m map[string]any, path []string, v any) map[string]any {
	c := make(map[string]any, len(m)+1)
	maps.Copy(c, m)
	if len(path) > 1 {
		inner, _ := m[path[0]].(map[string]any)
		v = with(inner, path[1:], v)
	}
	c[path[0]] = v
	return c
}

// sign adds the headers of Standard Webhooks for one attempt: a signature by
// each key.
func (s *httpSink) sign(h http.Header, out *outgoing) {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	h.Set("webhook-id", out.id)
	h.Set("webhook-timestamp", stamp)
	signatures := make([]string, len(s.signature.keys))
	for i, key := range s.signature.keys {
		mac, _ := s.signature.mac(key, &http.Request{Header: h}, stamp, out.body) // a hash takes everything
		signatures[i] = "v1," + mac
	}
	h.Set("webhook-signature", strings.Join(signatures, " "))
}

// eventID is the id of e, or one made of its payload.
func eventID(e *engine.Event) string {
	if e.ID != "" {
		return e.ID
	}
	raw, _ := e.Data.Bytes() // an event whose data can't be written is not sent
	return engine.Digest(raw)
}

// webhookID is the id of e as a header can hold it.
func webhookID(e *engine.Event) string {
	id := eventID(e)
	if !isASCII(id) {
		return engine.Digest([]byte(id))
	}
	return id
}
