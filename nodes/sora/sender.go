package sora

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A Network is a range of addresses: 10.0.0.0/8, or 192.0.2.10 alone.
type Network struct{ netip.Prefix }

// UnmarshalText reads a range or an address.
func (n *Network) UnmarshalText(text []byte) error {
	if addr, err := netip.ParseAddr(string(text)); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		n.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("want addresses like 10.0.0.0/8 or 192.0.2.10, got %q", text)
	}
	n.Prefix = prefix.Masked()
	return nil
}

// senders are those who may post. What is not set is not asked for.
type senders struct {
	allow     []Network
	basic     *BasicAuth
	wantsCert bool
	ca        *x509.CertPool // nil until loaded: nobody may post
}

// load reads the certificate authorities of a PEM file.
func (s *senders) load(file flows.Path) error {
	pem, err := os.ReadFile(string(file))
	if err != nil {
		return fmt.Errorf("reading tls_client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("reading tls_client_ca: %s holds no certificate in PEM form", file)
	}
	s.ca = pool
	return nil
}

// A refusal is an answer to one who may not post, and the reason for the log.
type refusal struct {
	answer engine.Answer
	reason string
}

// check returns nil if the sender of r may post.
func (s *senders) check(r *http.Request) *refusal {
	if len(s.allow) > 0 && !s.allows(r.RemoteAddr) {
		return &refusal{engine.Text(http.StatusForbidden, "this address may not post here"), "its address is not in allow"}
	}
	if s.wantsCert {
		if reason := s.doubts(r); reason != "" {
			return &refusal{engine.Text(http.StatusForbidden, "a client certificate is needed"), reason}
		}
	}
	if s.basic != nil && !s.basic.matches(r) {
		a := engine.Text(http.StatusUnauthorized, "the user or password is missing or wrong")
		a.Header.Set("WWW-Authenticate", `Basic realm="sora", charset="UTF-8"`)
		return &refusal{a, "its basic auth is missing or wrong"}
	}
	return nil
}

func (s *senders) allows(remote string) bool {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := from.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.allow, func(n Network) bool { return n.Contains(addr) })
}

// doubts says what is wrong with the client certificate, or nothing. The
// listener asks for one and leaves it to us to check it.
func (s *senders) doubts(r *http.Request) string {
	switch {
	case r.TLS == nil:
		return "it did not come by https: tls_client_ca needs server.tls"
	case len(r.TLS.PeerCertificates) == 0:
		return "it has no client certificate"
	case s.ca == nil:
		return "tls_client_ca is not loaded"
	}
	chain := r.TLS.PeerCertificates
	options := x509.VerifyOptions{
		Roots:         s.ca,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return "its client certificate is not of tls_client_ca, or not valid"
	}
	return ""
}

// matches compares in constant time, whatever the lengths.
func (b *BasicAuth) matches(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	users := equal(user, b.User)
	passwords := equal(password, b.Password.Reveal())
	return ok && users && passwords
}

func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
