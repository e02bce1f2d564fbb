package sonzai

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowd/flowd/flows"
)

const (
	signatureHeader = "Sonzai-Signature"
	secretPrefix    = "whsec_"

	// tolerance is how far the time in a signature may be from ours, in both
	// directions. It is that of sonzai's own libraries.
	tolerance = 5 * time.Minute
)

// Why a signature is refused.
var (
	errMissing   = fmt.Errorf("the %s header is missing or has no t and v1", signatureHeader)
	errExpired   = fmt.Errorf("the signature's time is more than %s from ours", tolerance)
	errInvalid   = errors.New("the signature is not of this body and secret")
	errBadSecret = errors.New("the signing secret is empty")
)

// verify checks one secret. Only the first reason it finds is returned: a
// secret that can't sign, a header that can't be read, its time, the
// signature itself. A tolerance of 0 leaves the time unchecked.
func verify(secret flows.Secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	if signingKey(secret) == "" {
		return errBadSecret
	}
	at, sums, err := parseSignature(header)
	if err != nil {
		return err
	}
	if age := now.Sub(time.Unix(at, 0)); tolerance > 0 && (age > tolerance || age < -tolerance) {
		return errExpired
	}
	want := []byte(sum(secret, at, body))
	for _, got := range sums {
		if hmac.Equal([]byte(got), want) {
			return nil
		}
	}
	return errInvalid
}

// verifyAny checks several secrets, of which one is enough.
func verifyAny(secrets []flows.Secret, header string, body []byte, now time.Time) error {
	err := errBadSecret
	for _, secret := range secrets {
		if err = verify(secret, header, body, now, tolerance); err == nil {
			return nil
		}
	}
	return err
}

// parseSignature reads t=SECONDS,v1=HEX[,v1=HEX…]. Of several t the last one
// counts; parts it does not know are passed over.
func parseSignature(header string) (at int64, sums []string, err error) {
	for part := range strings.SplitSeq(header, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); {
		case name == "t":
			if at, err = strconv.ParseInt(value, 10, 64); err != nil {
				return 0, nil, errMissing
			}
		case name == "v1" && value != "":
			sums = append(sums, value)
		}
	}
	if at == 0 || len(sums) == 0 {
		return 0, nil, errMissing
	}
	return at, sums, nil
}

// sum is the signature of a body at a time, in lower-case hex.
func sum(secret flows.Secret, at int64, body []byte) string {
	mac := hmac.New(sha256.New, []byte(signingKey(secret)))
	fmt.Fprintf(mac, "%d.", at)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// sign is the header that sonzai would send.
func sign(secret flows.Secret, at time.Time, body []byte) http.Header {
	value := fmt.Sprintf("t=%d,v1=%s", at.Unix(), sum(secret, at.Unix(), body))
	return http.Header{signatureHeader: {value}}
}

// signingKey is what a secret signs with: the text behind its prefix, as it
// is. It looks like base64, but sonzai does not decode it (verify_webhook_e2e.py
// of sonzai-python, l. 97–100).
func signingKey(secret flows.Secret) string {
	return strings.TrimPrefix(secret.Reveal(), secretPrefix)
}

// Secrets are signing secrets, for all event types or for some. In a document
// they are one, a list, or a map from an event type to one or a list.
type Secrets struct {
	All    []flows.Secret
	ByType map[string][]flows.Secret
}

// DecodeValue reads any of the three forms.
func (s *Secrets) DecodeValue(v *flows.Value) flows.Diagnostics {
	if v.Kind == flows.Map {
		return flows.Decode(v, &s.ByType)
	}
	return flows.Decode(v, &s.All)
}

// FlowType is what messages and documentation call it.
func (*Secrets) FlowType() string { return "secret, list of secrets, or map of them by event type" }

// types are the event types that have secrets of their own.
func (s *Secrets) types() []string { return slices.Sorted(maps.Keys(s.ByType)) }

func (s *Secrets) empty() bool { return len(s.All) == 0 && len(s.ByType) == 0 }

// of returns the secrets that may have signed a webhook of an event type, or
// all of them where the type is not known.
func (s *Secrets) of(kind string) []flows.Secret {
	secrets := slices.Clone(s.All)
	if kind != "" {
		return append(secrets, s.ByType[kind]...)
	}
	for _, list := range s.ByType {
		secrets = append(secrets, list...)
	}
	return secrets
}
