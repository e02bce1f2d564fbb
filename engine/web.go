package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
)

// A Route is a path on which a [Router] takes requests. The engine has read
// the body, within the server's limit and time, before Serve is called; it
// answers 404 for unknown paths, 405 for other methods, 413 for bodies over
// the limit and 408 for slow ones by itself.
type Route struct {
	Path   string // exact, or with a trailing slash everything below it
	Method string // POST if empty
	Alone  bool   // no other source may take the path: the sender acts on the answer
	// Serve may keep body, as an event does, but not change it: other sources
	// of the path are given it too.
	Serve func(r *http.Request, body []byte) Answer
}

// An Answer answers an HTTP request. The zero Answer is an empty 200.
type Answer struct {
	Status int // 200 if 0
	Header http.Header
	Body   []byte
}

// Text is an answer of one line of plain text.
func Text(status int, line string) Answer {
	return Answer{
		Status: status,
		Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body:   []byte(line + "\n"),
	}
}

// Accepted answers a sender by what [Inlet.Put] returned: 200 when its event is
// safe, else 503 with Retry-After, so that it comes again.
func Accepted(err error) Answer {
	if err == nil {
		return Answer{Status: http.StatusOK}
	}
	line := "the event could not be stored, please send it again"
	if errors.Is(err, ErrFull) {
		line = "no room at the moment, please send it again"
	}
	a := Text(http.StatusServiceUnavailable, line)
	a.Header.Set("Retry-After", "5")
	return a
}

// MetaOf is the meta of an event that r brought: the path and the headers,
// with names in lower case and without those that hold credentials.
func MetaOf(r *http.Request) Meta {
	headers := make(map[string]any, len(r.Header))
	for name, values := range r.Header {
		if !credential[name] && len(values) > 0 {
			headers[lower(name)] = values[0]
		}
	}
	return Meta{"headers": headers, "path": r.URL.Path}
}

// Digest stands in for the id of an event whose sender gives none: the same
// body has the same one.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// credential are the headers that never go into an event.
var credential = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Cookie": true,
}

// lower is a header's name in lower case. Those that come with most requests
// are not written anew for each.
func lower(name string) string {
	if known, ok := lowered[name]; ok {
		return known
	}
	return strings.ToLower(name)
}

var lowered = func() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"accept", "accept-encoding", "accept-language", "connection", "content-encoding", "content-length", "content-type", "forwarded",
		"traceparent", "tracestate", "user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id",
	} {
		names[http.CanonicalHeaderKey(name)] = name
	}
	return names
}()
