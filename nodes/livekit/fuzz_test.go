package livekit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/webhook"
	"pgregory.net/rapid"
)

// The source holds other secrets than the tokens were signed with, so none may
// pass, whatever is done to one.
func FuzzAForgedTokenIsRefused(f *testing.F) {
	_, all := vectors(f)
	for _, v := range all {
		f.Add(v.token, v.body)
	}
	f.Add("Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJBUElrZXkifQ.", []byte(`{"event":"room_started"}`))
	f.Fuzz(func(t *testing.T, authorization string, body []byte) {
		r := newRig(t, withKeys(keys{"APItestkey": "one that nobody knows", "APIrotatedkey": "another one"}))
		if got := status(r.post(authorization, body)); got != http.StatusUnauthorized || len(r.in.Events()) != 0 {
			t.Errorf("answered %d with %d events, want 401 and none", got, len(r.in.Events()))
		}
	})
}

// Whatever LiveKit signs is answered 200 and becomes one event, which has
// failed exactly if the library can't read it or it has no name.
func FuzzAnAuthenticBodyIsOneEvent(f *testing.F) {
	_, all := vectors(f)
	for _, v := range all {
		f.Add(v.body)
	}
	f.Add([]byte(`{"event":"x","room":{"room_name":null},"room":[]}`))
	f.Add([]byte(strings.Repeat(`{"event":`, 20)))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newRig(t, nil)
		token, err := r.keys.sign(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := status(r.post(token, body)); got != http.StatusOK {
			t.Fatalf("answered %d, want 200", got)
		}
		e := r.only(t)
		sent, err := webhook.ReceiveWebhookEvent(&http.Request{
			Header: http.Header{"Authorization": {token}},
			Body:   io.NopCloser(bytes.NewReader(body)),
		}, r.keys)
		if readable := err == nil && sent.Event != ""; readable != (e.Failure == nil) {
			t.Errorf("the library says %v, the failure is %v", err, e.Failure)
		}
		if data, err := e.Data.Bytes(); err != nil || !json.Valid(data) {
			t.Errorf("data is no JSON (%v): %q", err, data)
		}
		if e.ID == "" || e.Type == "" {
			t.Errorf("the event lacks its id or type: %+v", e)
		}
	})
}

func TestATokenThatIsChangedAnywhereIsRefused(t *testing.T) {
	body := []byte(`{"event":"room_started"}`)
	r := newRig(t, nil)
	token, err := r.keys.sign(body)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(token)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			switch rapid.SampledFrom([]string{"set", "cut", "insert"}).Draw(t, "how") {
			case "set":
				b[i] = rapid.Byte().Draw(t, "byte")
			case "cut":
				b = append(b[:i], b[i+1:]...)
			case "insert":
				b = append(b[:i], append([]byte{rapid.Byte().Draw(t, "byte")}, b[i:]...)...)
			}
		}
		if meaning(string(b)) == meaning(token) {
			t.Skip("another spelling of the same token")
		}
		if got := status(r.post(string(b), body)); got != http.StatusUnauthorized {
			t.Fatalf("answered %d to %q, want 401", got, b)
		}
	})
}

// meaning is a token without what base64 and header values leave open.
func meaning(token string) string {
	header, rest, _ := strings.Cut(strings.TrimSpace(token), ".")
	claims, signature, _ := strings.Cut(rest, ".")
	sum, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return token
	}
	return header + "." + claims + "." + string(sum)
}

func TestATokenMadeInAnotherWayIsRefused(t *testing.T) {
	const body = `{"event":"room_started"}`
	r := newRig(t, nil)
	now := time.Now()
	good := jwt.MapClaims{
		"iss": "APIkey", "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	signed, err := r.keys.sign([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(signed, claims); err != nil {
		t.Fatal(err)
	}
	good["sha256"] = claims["sha256"]
	secret := []byte(r.config.APISecret.Reveal())

	for _, test := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
		claims map[string]any // nil takes a claim away
		want   int
	}{
		{"as LiveKit makes it", jwt.SigningMethodHS256, secret, nil, http.StatusOK},
		{"none", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, http.StatusUnauthorized},
		{"HS512", jwt.SigningMethodHS512, secret, nil, http.StatusUnauthorized},
		{"without exp", jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": nil}, http.StatusUnauthorized},
		{"without sha256", jwt.SigningMethodHS256, secret, jwt.MapClaims{"sha256": nil}, http.StatusUnauthorized},
		{"without iss", jwt.SigningMethodHS256, secret, jwt.MapClaims{"iss": nil}, http.StatusUnauthorized},
		{"of an empty secret", jwt.SigningMethodHS256, []byte{}, jwt.MapClaims{"iss": ""}, http.StatusUnauthorized},
		{"50 s early", jwt.SigningMethodHS256, secret, jwt.MapClaims{"nbf": now.Add(50 * time.Second).Unix()}, http.StatusOK},
		{"90 s early", jwt.SigningMethodHS256, secret, jwt.MapClaims{"nbf": now.Add(90 * time.Second).Unix()}, http.StatusUnauthorized},
		{"90 s late", jwt.SigningMethodHS256, secret, jwt.MapClaims{"exp": now.Add(-90 * time.Second).Unix()}, http.StatusUnauthorized},
	} {
		c := jwt.MapClaims{}
		for name, v := range good {
			c[name] = v
		}
		for name, v := range test.claims {
			if c[name] = v; v == nil {
				delete(c, name)
			}
		}
		token, err := jwt.NewWithClaims(test.method, c).SignedString(test.key)
		if err != nil {
			t.Fatal(err)
		}
		if got := status(r.post(token, []byte(body))); got != test.want {
			t.Errorf("%s: answered %d, want %d", test.name, got, test.want)
		}
	}
}
