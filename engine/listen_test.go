package engine_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
)

func TestAChangeOfTheServerAloneIsToldAndHolds(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	yaml := func(limit int) string {
		return fmt.Sprintf("server: {listen: 127.0.0.1:0, max_body: %d}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}", limit)
	}
	r := start(t, yaml(4))
	address := r.Address()
	wantAnswer(t, "http://"+address+"/in", "12345", 413, "the body is larger than 4")
	if c := r.apply(t, yaml(5)); c.String() != "server changed" {
		t.Errorf("got %q", c)
	}
	wantAnswer(t, "http://"+address+"/in", "12345", 200, "")
	if c := r.apply(t, yaml(5)); !c.None() {
		t.Errorf("the same again: got %q", c)
	}
}

func TestAWrongDocumentLeavesTheServerAsItWas(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r := start(t, "server: {listen: 127.0.0.1:0, max_body: 4}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}")
	address := r.Address()
	wrong := "server: {listen: 127.0.0.1:0, tls: {cert: none, key: none}}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}"
	if _, err := r.Apply(t.Context(), document(t, wrong)); err == nil || !strings.Contains(err.Error(), "reading the certificate") {
		t.Errorf("got %v", err)
	}
	wantAnswer(t, "http://"+address+"/in", "12345", 413, "the body is larger than 4")
}

func TestARenewedCertificateIsServedAfterAReload(t *testing.T) {
	t.Chdir(t.TempDir())
	yaml := "server: {listen: 127.0.0.1:0, tls: {cert: cert.pem, key: key.pem}}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}"
	certify(t, "cert.pem", "key.pem", 1)
	r := start(t, yaml)
	served := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", r.Address(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := served(); got != 1 {
		t.Errorf("got certificate %d", got)
	}
	certify(t, "cert.pem", "key.pem", 2)
	if c := r.apply(t, yaml); c.String() != "server changed" {
		t.Errorf("got %q", c)
	}
	if got := served(); got != 2 {
		t.Errorf("got certificate %d after the reload", got)
	}
}

// certify writes a certificate of that serial number, and its key.
func certify(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheEndDoesNotWaitForAConnectionThatIsNotUsed(t *testing.T) {
	r := startDraining(t, 3*time.Second, "server: {listen: 127.0.0.1:0}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}")
	c, err := net.Dial("tcp", r.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantAnswer(t, "http://"+r.Address()+"/in", "{}", 200, "") // by now it is accepted
	http.DefaultClient.CloseIdleConnections()
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	r.ended <- nil
}

func TestTheListenerGoesWithTheLastSourceAndComesWithTheNext(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r := start(t, "server: {listen: 127.0.0.1:0}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}")
	address := r.Address()
	server := "server: {listen: \"" + address + "\"}\n"
	for range 5 {
		r.apply(t, server+"flows: {f: {nodes: [feed, {collect: one}]}}")
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Error("somebody listens though no source takes requests")
		}
		if r.Address() != "" {
			t.Errorf("the engine says it listens at %s", r.Address())
		}
		r.apply(t, server+"flows: {f: {nodes: [{web: /in}, {collect: one}]}}")
		if err := postAnew("http://" + address + "/in"); err != nil {
			t.Error(err)
		}
	}
}

// postAnew posts over a connection of its own.
func postAnew(url string) error {
	return postBy(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, url)
}

func postBy(client *http.Client, url string) error {
	resp, err := client.Post(url, "", strings.NewReader("1"))
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

func TestTheListenerMovesBetweenAddressesThatOverlap(t *testing.T) {
	yaml := func(address string) string {
		return "server: {listen: \"" + address + "\"}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}"
	}
	r := start(t, yaml("127.0.0.1:0"))
	narrow := r.Address()
	_, port, _ := net.SplitHostPort(narrow)
	ctx, stop := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	var sent atomic.Int64
	for i := range 4 {
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if err := postBy(client, "http://"+narrow+"/in"); err != nil {
					t.Error(err)
					return
				}
				sent.Add(1)
			}
		})
	}
	for i := range 8 {
		r.apply(t, yaml([]string{":" + port, narrow}[i%2]))
		time.Sleep(handedOver)
		before := sent.Load()
		until(t, "posts are taken", func() bool { return t.Failed() || sent.Load() > before+8 })
	}
	stop()
	senders.Wait()
	r.apply(t, yaml("127.0.0.1:0"))
	until(t, "nobody listens at the address that was left", func() bool { return postAnew("http://"+narrow+"/in") != nil })
}

// handedOver is longer than a listener goes on beside the one that took its
// place.
const handedOver = 150 * time.Millisecond

func TestASecondEngineIsRefusedAnAddressThatHasMoved(t *testing.T) {
	yaml := func(address string) string {
		return "server: {listen: \"" + address + "\"}\nflows: {f: {nodes: [{web: /in}, {collect: one}]}}"
	}
	r := start(t, yaml("127.0.0.1:0"))
	narrow := r.Address()
	_, port, _ := net.SplitHostPort(narrow)
	r.apply(t, yaml(":"+port))
	r.apply(t, yaml(narrow))
	second := engine.New(newBench().registry(), engine.Options{})
	if _, err := second.Apply(t.Context(), document(t, yaml(narrow))); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}
