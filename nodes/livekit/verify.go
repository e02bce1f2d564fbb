package livekit

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/webhook"

	"github.com/flowd/flowd/flows"
)

// keys are API secrets by API key.
type keys map[string]flows.Secret

var _ auth.KeyProvider = keys(nil)

// GetSecret returns the secret of an API key, or nothing.
func (k keys) GetSecret(key string) string { return k[key].Reveal() }

// NumKeys is how many keys there are.
func (k keys) NumKeys() int { return len(k) }

// verify returns nil if body was signed with one of the keys. The
// Authorization header of LiveKit is the bare token; proxies are known to put
// Bearer before it.
func (k keys) verify(authorization string, body []byte) error {
	token := strings.TrimSpace(authorization)
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if k.vouches(token, body) {
		return nil
	}
	_, err := webhook.Receive(&http.Request{
		Header: http.Header{"Authorization": {token}},
		Body:   io.NopCloser(bytes.NewReader(body)),
	}, k)
	return err
}

// reason says in words that tell nothing secret why a request was refused, and
// what the cause may be if its sender was LiveKit after all.
func reason(err error) string {
	for _, known := range []struct {
		err    error
		reason string
	}{
		{webhook.ErrNoAuthHeader, "it has no Authorization header"},
		{webhook.ErrSecretNotFound, "it is signed with an API key that is not configured here"},
		{webhook.ErrInvalidChecksum, "its body is not the one that was signed: does a proxy change it on the way?"},
		{jwt.ErrTokenNotValidYet, "its token is not valid yet: is this machine's clock slow?"},
		{jwt.ErrTokenExpired, "its token has expired: is this machine's clock fast, or was it sent before?"},
		{jwt.ErrTokenSignatureInvalid, "its signature is wrong: does the secret belong to the API key?"},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return "its token is not one that LiveKit makes"
}
