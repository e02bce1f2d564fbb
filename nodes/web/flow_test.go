package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// The three nodes in one flow: a signed request comes in, is enriched by a
// service that fails at first, and is answered with what came of it.
func TestARequestIsVerifiedEnrichedAndAnswered(t *testing.T) {
	var ids []string
	service := newServer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		if ids = append(ids, r.Header.Get("webhook-id")); len(ids) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"greeting":"hello `+strings.TrimPrefix(r.URL.Path, "/users/")+`"}`)
	})
	path := filepath.Join(t.TempDir(), "flows.yaml")
	text := strings.ReplaceAll(`
server: {listen: 127.0.0.1:0}
flows:
  greet:
    nodes:
      - webhook: {path: /greet, reply: true, verify: {github: secret}}
      - http: {url: "URL/users/{{ data.sender.login }}", method: PUT, result: reply, sign: whsec_AAAA}
        retry: {first: 1ms}
      - respond: {status: 201, body: {said: data.reply.greeting, to: data.sender.login}}
`, "URL", service.URL)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		t.Fatal(diags)
	}
	registry := engine.NewRegistry(expr.Language, Webhook, HTTP, Respond)
	e := engine.New(registry, engine.Options{Log: slog.New(slog.DiscardHandler)})
	if _, err := e.Apply(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	request, err := engine.NewSample(doc, registry, "webhook", "push")
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Host = e.Address()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusCreated || string(answer) != `{"said":"hello octocat","to":"octocat"}` {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	if diff := cmp.Diff([]string{request.Header.Get("X-GitHub-Delivery"), request.Header.Get("X-GitHub-Delivery")}, ids); diff != "" {
		t.Errorf("webhook-id of the attempts: %s", diff)
	}
}
