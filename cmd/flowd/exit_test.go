package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExitStatusesAreThoseOfTheLanguagePage runs what ends by itself: 0 fine,
// 1 the flows are wrong, 2 the command line is wrong, 3 it could not go on.
func TestExitStatusesAreThoseOfTheLanguagePage(t *testing.T) {
	t.Chdir(t.TempDir())
	documents := map[string]string{
		"good.yaml": "admin: {listen: ''}\nflows: {f: {nodes: [webhook: {path: /in, method: PUT}, debug]}}",
		"bad.yaml":  "flows: {f: {nodes: [webhok: /in, debug]}}",
		"none.yaml": "flows: {f: {nodes: [inject: {once: true}, debug]}}",
	}
	for name, text := range documents {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		args   string
		status int
		says   string // somewhere in what it prints
	}{
		{"check -f good.yaml", fine, "1 flow, no mistakes"},
		{"version", fine, "flowd "},
		{"--version", fine, "flowd "},
		{"help", fine, "flowd check"},
		{"help check", fine, "--strict"},
		{"nodes --help", fine, "flowd nodes [TYPE]"},
		{"check -f bad.yaml", wrong, `did you mean "webhook"?`},
		{"check -f nowhere.yaml", wrong, "nowhere.yaml"},
		{"-f bad.yaml", wrong, "unknown node type"},
		{"send webhook -f bad.yaml", wrong, "unknown node type"},
		{"-f good.yaml --listen nonsense", misused, "want an address like 127.0.0.1:8080"},
		{"-f good.yaml --listen 127.0.0.1:99999", misused, "want an address like 127.0.0.1:8080"},
		{"-f good.yaml --drain soon", misused, "want a duration"},
		{"-f good.yaml --log-format xml", misused, "text or json"},
		{"version extra", misused, "usage: flowd version\n"},
		{"help chek", misused, `did you mean "check"?`},
		{"send nobody -f good.yaml", misused, `no source "nobody"`},
		{"send webhook -f none.yaml", misused, "no source that a sample can be sent to"},
		{"send webhook -f good.yaml --listen nonsense", misused, "want an address"},
		{"send webhook -f good.yaml --listen 127.0.0.1:1", broken, "PUT http://127.0.0.1:1/in"},
		{"-f good.yaml --store good.yaml", broken, "opening the store"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		if got := run(t.Context(), strings.Fields(test.args), &out, &out); got != test.status {
			t.Errorf("flowd %s: status %d, want %d:\n%s", test.args, got, test.status, &out)
		}
		if !strings.Contains(out.String(), test.says) {
			t.Errorf("flowd %s: does not say %q:\n%s", test.args, test.says, &out)
		}
	}
	if _, err := os.Stat(filepath.Join(".", ".flowd")); err == nil {
		t.Error("a command that does not run flows made a store")
	}
}

// TestASinkThatHangsIsWaitedForNoLongerThanTheDrain stops flowd while an
// attempt is in hand, and reads its log as a machine does.
func TestASinkThatHangsIsWaitedForNoLongerThanTheDrain(t *testing.T) {
	t.Chdir(t.TempDir())
	reached := make(chan struct{}, 1)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		reached <- struct{}{}
		<-r.Context().Done()
	}))
	defer sink.Close()
	address := freeAddress(t)
	document := "admin: {listen: ''}\nflows: {f: {nodes: [webhook: /in, http: '" + sink.URL + "']}}"
	if err := os.WriteFile("flows.yaml", []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"--listen", address, "--drain", "200ms", "--log-format", "json"}, io.Discard, &log)
	}()
	for accepted := false; !accepted; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Post("http://"+address+"/in", "application/json", strings.NewReader("{}"))
		if accepted = err == nil; accepted {
			resp.Body.Close()
		}
	}
	<-reached
	stop()
	select {
	case got := <-ended:
		if got != broken {
			t.Errorf("status %d, want %d", got, broken)
		}
	case <-time.After(time.Minute):
		t.Fatal("flowd still waits")
	}
	for line := range strings.Lines(log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not a line of JSON: %s", line)
		}
	}
	if !strings.Contains(log.String(), "before the work in hand was done") {
		t.Errorf("the log does not say why:\n%s", &log)
	}
}
