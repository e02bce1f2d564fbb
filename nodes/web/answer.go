package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

const (
	maxReply  = 1 << 20   // bytes of a reply that is wanted
	maxDetail = 4 << 10   // bytes of a refusal that are looked at
	maxDrain  = 256 << 10 // bytes read for the sake of the connection
)

// drain reads what is left of a body, within bounds, so that the connection
// can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	body.Close()
}

func (s *httpSink) succeeded(status int) bool {
	return slices.ContainsFunc(s.Success, func(r StatusRange) bool { return r.First <= status && status <= r.Last })
}

// errorf is an error about the destination. It names scheme and host alone:
// what follows them may be a secret.
func (s *httpSink) errorf(format string, args ...any) error {
	return fmt.Errorf("%s %s: %w", s.Method, s.target.origin, fmt.Errorf(format, args...))
}

// unreachable classes the error of a request that got no answer. ctx is that
// of the request.
func (s *httpSink) unreachable(ctx context.Context, limit time.Duration, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return engine.Unavailable(s.errorf("no answer within %s", flows.Duration(limit.Round(time.Millisecond))), 0)
	}
	var u *url.Error // repeats the URL
	if errors.As(err, &u) {
		err = u.Err
	}
	return engine.Unavailable(s.errorf("%w", err), 0)
}

// refused classes an answer that is no success: redirects and most 4xx are
// final, an overloaded destination is waited for, the rest may pass.
func (s *httpSink) refused(resp *http.Response) error {
	err := s.errorf("%s", reason(resp))
	switch status := resp.StatusCode; {
	case status >= 300 && status < 400:
		return engine.Permanent(fmt.Errorf("%w: redirects are not followed, put the final address into url", err))
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return engine.Unavailable(err, engine.RetryAfter(resp.Header.Get("Retry-After")))
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return err
	}
	return engine.Permanent(err)
}

// reason is the status of a refusal and what the body says about it: title and
// detail of problem+json (RFC 9457), else its beginning on one line.
func reason(resp *http.Response) string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxDetail)) // half of it says something too
	detail := string(body)
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "application/problem+json" {
		var problem struct{ Title, Detail string }
		if json.Unmarshal(body, &problem) == nil && problem.Title+problem.Detail != "" {
			detail = strings.Trim(problem.Title+": "+problem.Detail, ": ")
		}
	}
	detail = shorten(strings.Join(strings.Fields(detail), " "), 300)
	if detail == "" || strings.IndexFunc(detail, unprintable) >= 0 {
		return status
	}
	return status + ": " + detail
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7F || r == utf8.RuneError }

// shorten cuts s to at most n bytes, between two characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// readReply reads the reply of a request that was delivered.
func (s *httpSink) readReply(resp *http.Response) (any, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, engine.Unavailable(s.errorf("reading the reply: %w", err), 0)
	}
	if len(body) > maxReply {
		return nil, engine.Permanent(s.errorf("%d, but the reply is larger than %s", resp.StatusCode, flows.Size(maxReply)))
	}
	data, err := payload(resp.Header.Get("Content-Type"), body)
	if err != nil { // not what it says it is
		return clean(string(body)), nil
	}
	return data.Value()
}
