package web

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// tolerance is how far the time in a signed request may be off.
const tolerance = 5 * time.Minute

// A signature is a scheme in which the sender signs with a secret that the
// receiver knows too.
type signature struct {
	keys   [][]byte
	hash   func() hash.Hash
	encode func(mac []byte) string
	// read takes the time of sending, as text, and the signatures out of a
	// request.
	read func(h http.Header) (stamp string, signatures []string)
	// write puts them in.
	write func(h http.Header, stamp, signature string)
	// content writes what is signed.
	content func(w io.Writer, r *http.Request, stamp string, body []byte) error
	stamped bool   // stamp is checked
	header  string // has the signature, for messages
}

func (s *signature) verify(r *http.Request, body []byte) error {
	stamp, given := s.read(r.Header)
	if len(given) == 0 {
		return fmt.Errorf("no signature in the header %s", s.header)
	}
	if s.stamped {
		if err := checkStamp(stamp); err != nil {
			return err
		}
	}
	match := false
	for _, key := range s.keys {
		want, err := s.mac(key, r, stamp, body)
		if err != nil {
			return errors.New("what was signed can't be told")
		}
		for _, sig := range given {
			match = hmac.Equal([]byte(sig), []byte(want)) || match
		}
	}
	if !match {
		return errors.New("the signature does not match")
	}
	return nil
}

func (s *signature) sign(r *http.Request, body []byte) error {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	s.write(r.Header, stamp, "") // so that content finds stamp
	sig, err := s.mac(s.keys[0], r, stamp, body)
	s.write(r.Header, stamp, sig)
	return err
}

func (s *signature) mac(key []byte, r *http.Request, stamp string, body []byte) (string, error) {
	mac := hmac.New(s.hash, key)
	if err := s.content(mac, r, stamp, body); err != nil {
		return "", err
	}
	return s.encode(mac.Sum(nil)), nil
}

func checkStamp(stamp string) error {
	n, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("the time of the signature is missing or no number")
	}
	if d := time.Since(time.Unix(n, 0)); d > tolerance || d < -tolerance {
		return fmt.Errorf("the time of the signature is more than %s off", flows.Duration(tolerance))
	}
	return nil
}

// inHeader makes read and write of a signature that a header holds after a
// prefix, with its time in another header if stamp names one.
func (s *signature) inHeader(header, prefix, stamp string) {
	s.header, s.stamped = header, stamp != ""
	s.read = func(h http.Header) (string, []string) {
		sig, ok := strings.CutPrefix(h.Get(header), prefix)
		if !ok || sig == "" {
			return "", nil
		}
		return h.Get(stamp), []string{sig}
	}
	s.write = func(h http.Header, at, sig string) {
		h.Set(header, prefix+sig)
		if stamp != "" {
			h.Set(stamp, at)
		}
	}
}

func bodyAlone(w io.Writer, _ *http.Request, _ string, body []byte) error {
	_, err := w.Write(body)
	return err
}

// signatureGitHub:
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func signatureGitHub(keys [][]byte) *signature {
	s := &signature{keys: keys, hash: sha256.New, encode: hex.EncodeToString, content: bodyAlone}
	s.inHeader("X-Hub-Signature-256", "sha256=", "")
	return s
}

// signatureSlack: https://docs.slack.dev/authentication/verifying-requests-from-slack
func signatureSlack(keys [][]byte) *signature {
	s := &signature{keys: keys, hash: sha256.New, encode: hex.EncodeToString}
	s.inHeader("X-Slack-Signature", "v0=", "X-Slack-Request-Timestamp")
	s.content = func(w io.Writer, _ *http.Request, stamp string, body []byte) error {
		_, err := fmt.Fprintf(w, "v0:%s:%s", stamp, body)
		return err
	}
	return s
}

// signatureStripe: https://docs.stripe.com/webhooks#verify-manually
func signatureStripe(keys [][]byte) *signature {
	const header = "Stripe-Signature"
	return &signature{
		keys: keys, hash: sha256.New, encode: hex.EncodeToString, stamped: true, header: header,
		read: func(h http.Header) (stamp string, sigs []string) {
			for part := range strings.SplitSeq(h.Get(header), ",") {
				switch name, v, _ := strings.Cut(part, "="); name {
				case "t":
					stamp = v
				case "v1":
					sigs = append(sigs, v)
				}
			}
			return stamp, sigs
		},
		write: func(h http.Header, stamp, sig string) { h.Set(header, "t="+stamp+",v1="+sig) },
		content: func(w io.Writer, _ *http.Request, stamp string, body []byte) error {
			_, err := fmt.Fprintf(w, "%s.%s", stamp, body)
			return err
		},
	}
}

// signatureStandard: https://www.standardwebhooks.com
func signatureStandard(keys [][]byte) *signature {
	return &signature{
		keys: keys, hash: sha256.New, encode: base64.StdEncoding.EncodeToString,
		stamped: true, header: "webhook-signature",
		read: func(h http.Header) (stamp string, sigs []string) {
			for sig := range strings.FieldsSeq(standardHeader(h, "signature")) {
				if v, ok := strings.CutPrefix(sig, "v1,"); ok {
					sigs = append(sigs, v)
				}
			}
			if standardHeader(h, "id") == "" {
				return "", nil
			}
			return standardHeader(h, "timestamp"), sigs
		},
		write: func(h http.Header, stamp, sig string) {
			h.Set("webhook-timestamp", stamp)
			h.Set("webhook-signature", "v1,"+sig)
		},
		content: func(w io.Writer, r *http.Request, stamp string, body []byte) error {
			_, err := fmt.Fprintf(w, "%s.%s.%s", standardHeader(r.Header, "id"), stamp, body)
			return err
		},
	}
}

// standardHeader reads a header of Standard Webhooks, by its name or by the one
// it has with Svix, where the standard comes from.
func standardHeader(h http.Header, name string) string {
	if v := h.Get("webhook-" + name); v != "" {
		return v
	}
	return h.Get("svix-" + name)
}

// standardKey decodes a secret of Standard Webhooks.
func standardKey(secret flows.Secret) ([]byte, error) {
	text := secret.Reveal()
	if strings.HasPrefix(text, "whsk_") || strings.HasPrefix(text, "whpk_") {
		return nil, errors.New("wrong secret: this is an asymmetric key; want a secret, whsec_…")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) == 0 {
		return nil, errors.New("wrong secret: want whsec_ and base64")
	}
	return key, nil
}

// standardKeys decodes secrets of Standard Webhooks.
func standardKeys(secrets []flows.Secret) ([][]byte, error) {
	keys := make([][]byte, len(secrets))
	for i, secret := range secrets {
		var err error
		if keys[i], err = standardKey(secret); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

var hashes = map[string]func() hash.Hash{"": sha256.New, "sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New}

var encodings = map[string]func([]byte) string{
	"": hex.EncodeToString, "hex": hex.EncodeToString, "base64": base64.StdEncoding.EncodeToString,
}

func (c *HMAC) signature(keys [][]byte) *signature {
	s := &signature{keys: keys, hash: hashes[c.Algorithm], encode: encodings[c.Encoding], content: bodyAlone}
	s.inHeader(c.Header, c.Prefix, c.Timestamp)
	if c.Encoding != "base64" { // some senders write hex in capitals
		read := s.read
		s.read = func(h http.Header) (string, []string) {
			stamp, sigs := read(h)
			for i := range sigs {
				sigs[i] = strings.ToLower(sigs[i])
			}
			return stamp, sigs
		}
	}
	if c.Content.IsSet() {
		s.content = func(w io.Writer, r *http.Request, _ string, body []byte) error {
			return evaluateContent(w, &c.Content, r, body)
		}
	}
	return s
}

// evaluateContent writes what a signature covers by the user's own expression.
func evaluateContent(w io.Writer, content *expr.Request, r *http.Request, body []byte) error {
	meta := engine.MetaOf(r)
	v, err := content.Eval(map[string]any{
		"body": string(body), "headers": meta["headers"], "query": object(r.URL.Query()), "path": meta["path"],
	})
	if err != nil {
		return err
	}
	text, ok := v.(string)
	if !ok {
		return errors.New("content is not text")
	}
	_, err = io.WriteString(w, text)
	return err
}
