package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// A scheme is one way to prove that a request comes from who shares a secret.
type scheme interface {
	// verify says why a request is not authentic, to whoever sent it, or
	// returns nil.
	verify(r *http.Request, body []byte) error
	// sign makes r a request that verify takes.
	sign(r *http.Request, body []byte) error
}

// Validate refuses anything but one scheme with good secrets.
func (v *Verify) Validate(report flows.Report) {
	given := map[string]bool{
		"none": v.Mode != "", "bearer": v.Bearer != nil, "basic": v.Basic != nil, "standard-webhooks": v.StandardWebhooks != nil,
		"github": v.GitHub != nil, "stripe": v.Stripe != nil, "slack": v.Slack != nil, "hmac": v.HMAC != nil,
	}
	ways := slices.Sorted(maps.Keys(given))
	set := 0
	for _, is := range given {
		if is {
			set++
		}
	}
	_, known := given[v.Mode]
	switch {
	case v.Mode != "" && !known:
		report("mode", "want one of %s, got %q", strings.Join(ways, ", "), v.Mode)
	case v.Mode != "" && v.Mode != "none":
		report("mode", "want %s with its secret: {%s: …}", v.Mode, v.Mode)
	case set != 1:
		report("", "want one of %s, got %d of them", strings.Join(ways, ", "), set)
	case v.StandardWebhooks != nil:
		if _, err := standardKeys(v.StandardWebhooks.Secret); err != nil {
			report("standard-webhooks", "%v", err)
		}
	}
}

// Validate refuses empty secrets, which anyone could sign with.
func (s *Secrets) Validate(report flows.Report) { refuseEmpty(report, "secret", s.Secret) }

// Validate refuses empty passwords.
func (s *BasicSecrets) Validate(report flows.Report) { refuseEmpty(report, "password", s.Password) }

// Validate refuses empty secrets and unknown encodings.
func (c *HMAC) Validate(report flows.Report) {
	refuseEmpty(report, "secret", c.Secret)
	if !token(c.Header) {
		report("header", "%q can't be the name of a header", c.Header)
	}
	if c.Timestamp != "" && !token(c.Timestamp) {
		report("timestamp", "%q can't be the name of a header", c.Timestamp)
	}
	if encodings[c.Encoding] == nil {
		report("encoding", "want hex or base64, got %q", c.Encoding)
	}
	if hashes[c.Algorithm] == nil {
		report("algorithm", "want sha256, sha512 or sha1, got %q", c.Algorithm)
	}
}

func refuseEmpty(report flows.Report, key string, secrets []flows.Secret) {
	if len(secrets) == 0 {
		report(key, "the %s is empty", key)
	}
	for _, s := range secrets {
		if s == "" {
			report(key, "the %s is empty", key)
		}
	}
}

// scheme returns the scheme that v describes.
func (v *Verify) scheme() (scheme, error) {
	switch {
	case v.Bearer != nil:
		return &password{realm: "Bearer", accepted: digests(v.Bearer.Secret), first: v.Bearer.Secret[0]}, nil
	case v.Basic != nil:
		return &password{
			realm: "Basic", user: v.Basic.User,
			accepted: digests(v.Basic.Password), first: v.Basic.Password[0],
		}, nil
	case v.StandardWebhooks != nil:
		keys, err := standardKeys(v.StandardWebhooks.Secret)
		return signatureStandard(keys), err
	case v.GitHub != nil:
		return signatureGitHub(rawKeys(v.GitHub.Secret)), nil
	case v.Stripe != nil:
		return signatureStripe(rawKeys(v.Stripe.Secret)), nil
	case v.Slack != nil:
		return signatureSlack(rawKeys(v.Slack.Secret)), nil
	case v.HMAC != nil:
		return v.HMAC.signature(rawKeys(v.HMAC.Secret)), nil
	}
	return anyone{}, nil
}

func rawKeys(secrets []flows.Secret) [][]byte {
	keys := make([][]byte, len(secrets))
	for i, s := range secrets {
		keys[i] = []byte(s.Reveal())
	}
	return keys
}

// anyone believes every request.
type anyone struct{}

func (anyone) verify(*http.Request, []byte) error { return nil }
func (anyone) sign(*http.Request, []byte) error   { return nil }

// A password is a secret in the header Authorization. Digests are compared, so
// that the time it takes does not tell the length either.
type password struct {
	realm    string // Bearer or Basic
	user     string
	accepted [][sha256.Size]byte
	first    flows.Secret
}

func digests(secrets []flows.Secret) [][sha256.Size]byte {
	list := make([][sha256.Size]byte, len(secrets))
	for i, s := range secrets {
		list[i] = sha256.Sum256([]byte(s.Reveal()))
	}
	return list
}

func (p *password) verify(r *http.Request, _ []byte) error {
	user, given, ok := r.BasicAuth()
	if p.realm == "Bearer" {
		var name string
		name, given, ok = strings.Cut(r.Header.Get("Authorization"), " ")
		ok = ok && strings.EqualFold(name, "Bearer")
		given = strings.TrimSpace(given)
	}
	if !ok {
		return fmt.Errorf("no %s in the header Authorization", p.realm)
	}
	wantUser, gotUser := sha256.Sum256([]byte(p.user)), sha256.Sum256([]byte(user))
	got := sha256.Sum256([]byte(given))
	match := 0
	for _, want := range p.accepted {
		match |= subtle.ConstantTimeCompare(want[:], got[:])
	}
	if p.realm == "Basic" {
		match &= subtle.ConstantTimeCompare(wantUser[:], gotUser[:])
	}
	if match == 0 {
		return errors.New("the header Authorization is not accepted")
	}
	return nil
}

func (p *password) sign(r *http.Request, _ []byte) error {
	if p.realm == "Basic" {
		r.SetBasicAuth(p.user, p.first.Reveal())
	} else {
		r.Header.Set("Authorization", "Bearer "+p.first.Reveal())
	}
	return nil
}

// unauthorized answers a request that s did not verify.
func unauthorized(s scheme, err error) engine.Answer {
	a := engine.Text(http.StatusUnauthorized, err.Error())
	if p, ok := s.(*password); ok {
		challenge := p.realm
		if challenge == "Basic" {
			challenge += ` realm="flowd"`
		}
		a.Header.Set("WWW-Authenticate", challenge)
	}
	return a
}
