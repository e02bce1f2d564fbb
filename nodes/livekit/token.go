package livekit

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenHeader is {"alg":"HS256","typ":"JWT"}, as all of LiveKit's tokens begin,
// and the dot behind it.
const tokenHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

const (
	// leeway is how far LiveKit's library lets clocks differ.
	leeway = time.Minute
	// maxClaims is how long the claims of a token are that vouches: LiveKit's
	// have 150 bytes.
	maxClaims = 512
)

// vouches reports whether a token is written as LiveKit's servers write them
// and holds for body by every rule of [webhook.Receive], which takes ten times
// as long to say so. It knows no other way to write a token: what it does not
// vouch for may be good.
func (k keys) vouches(token string, body []byte) bool {
	written, ok := strings.CutPrefix(token, tokenHeader)
	payload, signature, cut := strings.Cut(written, ".")
	if !ok || !cut || base64.RawURLEncoding.DecodedLen(len(payload)) > maxClaims {
		return false
	}
	var into [maxClaims]byte
	text, err := base64.RawURLEncoding.AppendDecode(into[:0], []byte(payload))
	if err != nil {
		return false
	}
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	var c claims
	if !c.read(text) || !c.within(time.Now()) {
		return false
	}
	secret := k[string(c.issuer)]
	if secret == "" {
		return false
	}
	signed := token[:len(token)-len(signature)-1]
	if jwt.SigningMethodHS256.Verify(signed, mac, []byte(secret.Reveal())) != nil {
		return false
	}
	sum := sha256.Sum256(body)
	var want [base64Sum]byte
	base64.StdEncoding.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(c.sum, want[:]) == 1
}

// base64Sum is the length of a SHA-256 in base64.
const base64Sum = (sha256.Size + 2) / 3 * 4

// claims are what a token says: times are in seconds since 1970, and 0 if they
// are left out.
type claims struct {
	issuer    []byte
	sum       []byte // SHA-256 of the body, in base64
	expires   int64
	notBefore int64
}

// within reports whether t is in the time that a token is good for. One without
// end is never good.
func (c *claims) within(t time.Time) bool {
	return c.expires > 0 &&
		t.Before(time.Unix(c.expires, 0).Add(leeway)) &&
		!t.Before(time.Unix(c.notBefore, 0).Add(-leeway))
}

// read takes claims as LiveKit's servers write them: each once at most, with
// neither spaces nor escapes, and none but these.
func (c *claims) read(b []byte) bool {
	var issued int64
	for begin := byte('{'); string(b) != "}"; begin = ',' {
		name, value, rest, ok := member(b, begin)
		if !ok {
			return false
		}
		switch string(name) {
		case "iss":
			ok = c.issuer == nil && unquote(value, &c.issuer)
		case "sha256":
			ok = c.sum == nil && unquote(value, &c.sum)
		case "exp":
			ok = c.expires == 0 && seconds(value, &c.expires)
		case "nbf":
			ok = c.notBefore == 0 && seconds(value, &c.notBefore)
		case "iat":
			ok = issued == 0 && seconds(value, &issued)
		default:
			ok = false
		}
		if !ok {
			return false
		}
		b = rest
	}
	return true
}

// member cuts off a member of a JSON object, behind a brace or comma and
// before the next.
func member(b []byte, begin byte) (name, value, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != begin || b[1] != '"' {
		return nil, nil, nil, false
	}
	name, b, ok = bytes.Cut(b[2:], []byte(`":`))
	end := bytes.IndexAny(b, ",}")
	if !ok || end < 0 {
		return nil, nil, nil, false
	}
	return name, b[:end], b[end:], true
}

// unquote reads a JSON string of ASCII without escapes.
func unquote(b []byte, into *[]byte) bool {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return false
	}
	*into = b[1 : len(b)-1]
	return !slices.ContainsFunc(*into, func(c byte) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' })
}

// seconds reads a time: a positive integer.
func seconds(b []byte, into *int64) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		*into = *into*10 + int64(c-'0')
	}
	return 0 < len(b) && len(b) <= 10 && b[0] != '0'
}
