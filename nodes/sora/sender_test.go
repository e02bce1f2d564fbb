package sora

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

var event1 = []byte(`{"type":"connection.created","channel_id":"c"}`)

func TestOnlyWhoIsAllowedMayPost(t *testing.T) {
	network := func(text string) Network {
		var n Network
		if err := n.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return n
	}
	allow := []Network{network("192.0.2.0/24"), network("2001:db8::7")}
	for _, test := range []struct {
		from string
		want int
	}{
		{"192.0.2.200:1", http.StatusOK},
		{"[::ffff:192.0.2.200]:1", http.StatusOK},
		{"[2001:db8::7]:1", http.StatusOK},
		{"[2001:db8::8]:1", http.StatusForbidden},
		{"192.0.3.1:1", http.StatusForbidden},
		{"192.0.2.200", http.StatusForbidden},
		{"", http.StatusForbidden},
		{"@", http.StatusForbidden},
	} {
		r := newRig(t, func(c *Config) { c.Allow = allow })
		a := r.post(t, "event", event1, func(req *http.Request) {
			req.RemoteAddr = test.from
			req.Header.Set("X-Forwarded-For", "192.0.2.1")
		})
		if status(a) != test.want {
			t.Errorf("from %q: answered %d, want %d", test.from, status(a), test.want)
		}
		if refused := test.want != http.StatusOK; refused == (len(r.in.Events()) != 0) {
			t.Errorf("from %q: %d events", test.from, len(r.in.Events()))
		}
	}
}

func TestOnlyWithTheRightPasswordMayOnePost(t *testing.T) {
	for _, test := range []struct {
		user, password string
		want           int
	}{
		{"sora", "secret", http.StatusOK},
		{"sora", "Secret", http.StatusUnauthorized},
		{"sora", "", http.StatusUnauthorized},
		{"other", "secret", http.StatusUnauthorized},
		{"", "", http.StatusUnauthorized},
	} {
		r := newRig(t, func(c *Config) { c.BasicAuth = &BasicAuth{User: "sora", Password: "secret"} })
		r.answering(engine.Answer{Body: []byte(`{"allowed":true}`)})
		for kind, body := range map[string][]byte{"event": event1, "auth": []byte(authBody)} {
			a := r.post(t, kind, body, func(req *http.Request) {
				if test.user != "" {
					req.SetBasicAuth(test.user, test.password)
				}
			})
			if status(a) != test.want || (test.want == http.StatusUnauthorized) != (a.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("%s: %s:%s answered %d %v, want %d", kind, test.user, test.password, status(a), a.Header, test.want)
			}
		}
	}
}

func TestOnlyWithACertificateOfTheAuthorityMayOnePost(t *testing.T) {
	ours, ourKey := certificate(t, "our CA", nil, nil, x509.ExtKeyUsageAny)
	theirs, theirKey := certificate(t, "their CA", nil, nil, x509.ExtKeyUsageAny)
	middle, middleKey := certificate(t, "our second CA", ours, ourKey, x509.ExtKeyUsageAny)
	leaf := func(ca *x509.Certificate, key *ecdsa.PrivateKey, usage x509.ExtKeyUsage) *x509.Certificate {
		c, _ := certificate(t, "sora", ca, key, usage)
		return c
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name string
		tls  *tls.ConnectionState
		want int
	}{
		{"without TLS", nil, http.StatusForbidden},
		{"without a certificate", &tls.ConnectionState{}, http.StatusForbidden},
		{"with ours", presenting(leaf(ours, ourKey, x509.ExtKeyUsageClientAuth)), http.StatusOK},
		{"with ours through another", presenting(leaf(middle, middleKey, x509.ExtKeyUsageClientAuth), middle), http.StatusOK},
		{"with ours and a link missing", presenting(leaf(middle, middleKey, x509.ExtKeyUsageClientAuth)), http.StatusForbidden},
		{"with a server's", presenting(leaf(ours, ourKey, x509.ExtKeyUsageServerAuth)), http.StatusForbidden},
		{"with theirs", presenting(leaf(theirs, theirKey, x509.ExtKeyUsageClientAuth), theirs), http.StatusForbidden},
	} {
		r := newRig(t, func(c *Config) { c.TLSClientCA = flows.Path(file) })
		a := r.post(t, "event", event1, func(req *http.Request) { req.TLS = test.tls })
		if status(a) != test.want {
			t.Errorf("%s: answered %d, want %d; log: %s", test.name, status(a), test.want, r.log)
		}
	}
}

func presenting(chain ...*x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: chain}
}

func TestASourceWhoseAuthoritiesCannotBeReadDoesNotOpen(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".gone"} {
		c := Source.Default
		c.TLSClientCA = flows.Path(file)
		s, err := newSource(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.(engine.Opener).Open(t.Context(), &engine.Env{Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Errorf("%s was opened", file)
		}
		r := &rig{source: s.(*source)}
		if a := r.post(t, "event", event1, func(req *http.Request) { req.TLS = presenting(&x509.Certificate{}) }); status(a) != http.StatusForbidden {
			t.Errorf("unopened, it answered %d", status(a))
		}
	}
}

// certificate makes one for name, signed by ca or by itself.
func certificate(t *testing.T, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey, usage x509.ExtKeyUsage) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		IsCA:                  usage == x509.ExtKeyUsageAny,
		BasicConstraintsValid: true,
	}
	if ca == nil {
		ca, caKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}
