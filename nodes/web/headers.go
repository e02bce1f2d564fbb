package web

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// A header is a header of the configuration, with its canonical name.
type header struct {
	name string
	text expr.Text
}

func headersOf(config map[string]expr.Text) []header {
	headers := make([]header, 0, len(config))
	for name, text := range config {
		headers = append(headers, header{http.CanonicalHeaderKey(name), text})
	}
	return headers
}

// reserved are the headers that HTTP itself needs.
var reserved = map[string]bool{
	"Content-Length": true, "Transfer-Encoding": true, "Connection": true,
	"Upgrade": true, "Trailer": true, "Te": true,
}

// checkHeaders refuses names that no header has, and those that are reserved.
func checkHeaders(report flows.Report, headers map[string]expr.Text) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !token(name) {
			report("headers."+name+":", "%q can't be the name of a header", name)
		} else if reserved[http.CanonicalHeaderKey(name)] {
			report("headers."+name+":", "%s is not yours to set", name)
		}
	}
}

// renderHeaders renders headers, and refuses values that would end their line.
func renderHeaders(into http.Header, headers []header, e *engine.Event) error {
	for _, h := range headers {
		v, err := h.text.Render(e)
		if err != nil {
			return fmt.Errorf("header %s: %w", h.name, err)
		}
		if !printable(v) {
			return fmt.Errorf("header %s: the value has characters that a header can't hold", h.name)
		}
		into[h.name] = []string{v}
	}
	return nil
}

// printable reports whether s can be the value of a header.
func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) < 0
}

// token reports whether s can be the name of a header (RFC 9110, 5.6.2).
func token(s string) bool {
	for _, c := range []byte(s) {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
