package flows

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatHasTheFormOfASecretIsRedacted(t *testing.T) {
	for text, want := range map[string]string{
		"https://user:pass@example.com/a?b=c":          "https://***@example.com/a?b=c",
		"https://example.com/?room=1&access_token=abc": "https://example.com/?room=1&access_token=***",
		"https://example.com/?key=abc#top":             "https://example.com/?key=***#top",
		"see https://hooks.slack.com/services/T0/B0/x": "see https://hooks.slack.com/services/***",
		"https://discord.com/api/webhooks/1/abc":       "https://discord.com/api/webhooks/***",
		"Bearer abcdefghijklmnopqrstuvwxyz":            "Bearer ***",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln":    "***",
		"whsec_Y2hhbmdlIG1lIQ==":                       "***",
		"xoxb-1234567890-abcdefg":                      "***",
		"mail me@example.com":                          "mail me@example.com",
		"https://example.com/{{ data.token }}":         "https://example.com/{{ data.token }}",
		"https://example.com/?token={{ data.token }}":  "https://example.com/?token={{ data.token }}",
		"Basic questions about tokens":                 "Basic questions about tokens",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

func TestNamesOfCredentialsAreKnown(t *testing.T) {
	for _, name := range []string{"API_TOKEN", "X-Api-Key", "client_secret", "authorization", "Set-Cookie", "webhook-signature", "auth"} {
		if !IsCredential(name) {
			t.Errorf("%s is none", name)
		}
	}
	for _, name := range []string{"room", "ROOM_NAME", "key", "content-type", "passenger", "author", "design"} {
		if IsCredential(name) {
			t.Errorf("%s is one", name)
		}
	}
}

func TestMaskHidesSecretsOfTypeFormAndName(t *testing.T) {
	type config struct {
		Token Secret            `flow:"token"`
		URL   *upper            `flow:"url"`
		Extra map[string]Secret `flow:"extra"`
		More  map[string]*upper `flow:"more"`
		Key   string            `flow:"api_key"`
	}
	env := map[string]string{"API_TOKEN": "t0k3n", "ROOM": "lobby", "API_KEY": "dev", "URL": "https://x.org/?token=abc"}
	t.Chdir(t.TempDir())
	write(t, "flows.yaml", `flows: {f: {nodes: [x: {
		token: "${ROOM}", url: "${URL}", api_key: "${API_KEY}", extra: {a: s3cret},
		more: {bot: "https://x.org/bot${API_TOKEN}/send", room: "${ROOM}"}}]}}`)
	doc, diags := Load([]string{"flows.yaml"}, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if diags.Failed() {
		t.Fatal(diags)
	}
	v := doc.Flows[0].Nodes[0].Config
	got, err := v.Mask(config{}).Write()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"token: '***'", "url: https://x.org/?token=***", "api_key: dev", "extra:", "  a: '***'",
		"more:", "  bot: https://x.org/bot${API_TOKEN}/send", "  room: lobby", "",
	}, "\n")
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	var secrets []string
	for _, s := range v.Secrets(config{}) {
		secrets = append(secrets, s.Text)
		secrets = append(secrets, s.Variables()...)
	}
	if diff := cmp.Diff([]string{"lobby", "ROOM", "s3cret"}, secrets); diff != "" {
		t.Error(diff)
	}
}
