package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/flowd/flowd/engine"
)

// maxBody bounds what a client may send.
const maxBody = 1 << 20

// crossSite refuses posts that a browser says come from another site.
var crossSite = http.NewCrossOriginProtection()

// A guard lets in the requests that its configuration allows.
type guard struct {
	config atomic.Pointer[Config]
	next   http.Handler
	log    *slog.Logger
	quiet  engine.Quiet
}

func newGuard(c Config, a *Admin) *guard {
	g := &guard{next: a.mux, log: a.log}
	g.config.Store(&c)
	return g
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	c := g.config.Load()
	admitted := c.admits(r)
	switch {
	case !c.knows(hostOf(r.Host)):
		refuse(w, http.StatusForbidden, "this server has another name: add yours to hosts in the admin section")
		return
	case !sameOrigin(r) || crossSite.Check(r) != nil:
		refuse(w, http.StatusForbidden, "requests from other sites are refused")
		return
	case !admitted && !isProbe(r):
		if r.Header.Get("Authorization") != "" {
			g.quiet.Warn(g.log, "a request with a wrong token was refused", "from", r.RemoteAddr, "path", r.URL.Path)
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="flowd"`)
		refuse(w, http.StatusUnauthorized, "a token is needed: Authorization: Bearer …")
		return
	case !c.Pprof && strings.HasPrefix(r.URL.Path, profiles):
		refuse(w, http.StatusNotFound, "profiles are turned off: pprof: true in the admin section turns them on")
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), admittedKey{}, admitted))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	g.next.ServeHTTP(w, r)
}

type admittedKey struct{}

// admitted reports whether a request that was let in may see everything.
func admitted(r *http.Request) bool {
	ok, _ := r.Context().Value(admittedKey{}).(bool)
	return ok
}

// isProbe reports whether a request is for what everybody may know.
func isProbe(r *http.Request) bool { return r.URL.Path == "/healthz" || r.URL.Path == "/readyz" }

// knows reports whether host is a name of this server. A name that resolves
// here for an attacker alone is not, which is what ends DNS rebinding; a
// literal address can't be rebound.
func (c *Config) knows(host string) bool {
	listen := hostOf(c.Listen)
	if isLoopback(host) || host != "" && host == listen {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil && anyAddress(listen) {
		return true
	}
	return slices.ContainsFunc(c.Hosts, func(name string) bool { return hostOf(name) == host && host != "" })
}

// sameOrigin reports whether a request comes from no page of a browser, or from
// one of this server, directly or behind a proxy that speaks https.
func sameOrigin(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		scheme, host, _ := strings.Cut(origin, "://")
		if scheme != "http" && scheme != "https" || !strings.EqualFold(host, r.Host) {
			return false
		}
	}
	return true
}

// admits reports whether a request has the token, if there is one. It takes the
// same time whatever the token is.
func (c *Config) admits(r *http.Request) bool {
	if c.Token == "" {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want := sha256.Sum256([]byte(c.Token.Reveal()))
	got := sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}
