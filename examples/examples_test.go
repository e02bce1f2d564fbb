// Package examples runs every example as its README says, with local servers
// in the place of Slack and of APIs.
package examples

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/flowd/flowd/flows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheQuickstartShowsVisitorsWithinSeconds(t *testing.T) {
	r := start(t, "quickstart", nil)
	r.within("a visitor comes in", func() bool { return len(r.printed()) > 0 })
	url, body := read(t, "quickstart").post(t)
	for range 2 { // of which one is shown
		r.send(post(t, url, body))
	}
	r.send(post(t, url, `{"name": "Ben", "room": "lab"}`))
	var lab []any
	for _, data := range r.printed() {
		line := data["line"].(string)
		if strings.HasPrefix(line, "Ben") {
			t.Errorf("Ben got in: %s", line)
		}
		if strings.HasSuffix(line, "lab") {
			lab = append(lab, line)
		}
	}
	if diff := cmp.Diff([]any{"Dana is in the lab"}, lab); diff != "" {
		t.Error(diff)
	}
}

func TestACallerIsAnnouncedInSlackOnce(t *testing.T) {
	slack := newReceiver(t)
	r := start(t, "livekit-to-slack", map[string]string{"SLACK_WEBHOOK_URL": slack.URL})
	joined := r.sample("livekit", "participant_joined")
	for _, req := range []*http.Request{joined, joined, r.sample("livekit", "room_started")} {
		r.send(req)
	}
	if diff := cmp.Diff([]string{"Aiko is waiting in support-1"}, slack.field(t, "text")); diff != "" {
		t.Error(diff)
	}
}

func TestSoraIsToldWhoMayEnter(t *testing.T) {
	r := start(t, "sora-gate", nil)
	url, body := read(t, "sora-gate").post(t)
	closed := post(t, url, body)
	closed.SetBasicAuth("sora", "change-me")
	answers := []string{
		r.send(r.sample("sora", "auth")),
		r.send(closed),
		r.send(r.sample("sora", "session.created")),
		r.send(r.sample("sora", "connection.created")),
	}
	want := []string{`{"allowed":true}`, `{"allowed":false,"reason":"board-1 is closed"}`, `{}`, `{}`}
	if diff := cmp.Diff(want, answers); diff != "" {
		t.Error(diff)
	}
	r.within("all is printed", func() bool { return len(r.printed()) == 4 })
	var channels []string // in any order: each request that waits goes its own way
	for _, data := range r.printed() {
		channels = append(channels, data["channel_id"].(string))
	}
	slices.Sort(channels)
	if diff := cmp.Diff([]string{"board-1", "support-1", "support-1", "support-1"}, channels); diff != "" {
		t.Errorf("printed: %s", diff)
	}

	// A flow that can't answer rejects.
	text, err := os.ReadFile("examples/sora-gate/flows.yaml")
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "flows.yaml")
	text = []byte(strings.ReplaceAll(string(text), "data.channel_id +", "data.missing +"))
	if err := os.WriteFile(broken, text, 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{broken}, func(string) (string, bool) { return "change-me", true })
	if diags.Failed() {
		t.Fatal(diags)
	}
	changes, err := r.engine.Apply(t.Context(), doc)
	if err != nil || !slices.Equal(changes.Changed, []string{"gate.respond"}) {
		t.Fatalf("%v, %v", changes, err)
	}
	if answer := r.send(closed); answer != `{"allowed":false,"reason":"rejected"}` {
		t.Error(answer)
	}
}

func TestWhatAnAgentWantsToSayIsPostedOnceAndSigned(t *testing.T) {
	api := newReceiver(t)
	r := start(t, "sonzai-to-http", map[string]string{"NOTIFY_URL": api.URL})
	r.send(fromSonzai(t, "on_wakeup_ready.flat.json"))
	r.send(fromSonzai(t, "on_wakeup_ready.enveloped.json")) // the same in another form
	r.send(r.sample("sonzai", "on_mood_updated"))
	got := api.got()
	if len(got) != 1 {
		t.Fatalf("%d requests: %v", len(got), got)
	}
	want := `{"agent":"6f0a5b52-0d7e-4c55-9a51-2f1c6f2e7a10","message":"今日は面接だよね。準備はどう？","user":"user-123"}`
	if got[0].body != want {
		t.Error(got[0].body)
	}
	if id := got[0].header.Get("webhook-id"); id != "wk_0001:on_wakeup_ready" {
		t.Error(id)
	}
	signed, err := standardwebhooks.NewWebhook(read(t, "sonzai-to-http").env["NOTIFY_SIGNING_SECRET"])
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify([]byte(got[0].body), got[0].header); err != nil {
		t.Error(err)
	}

	r.send(r.sample("sonzai", "on_wakeup_ready"))
	if len(api.got()) != 2 || api.got()[1].body != want {
		t.Errorf("of flowd send: %v", api.got()[1:])
	}
}

func TestALongAnswerOfClaudeIsToldInSlack(t *testing.T) {
	slack, config := newReceiver(t), t.TempDir()
	t.Setenv("CLAUDE_CONFIG_DIR", config)
	r := start(t, "claude-to-slack", map[string]string{"SLACK_WEBHOOK_URL": slack.URL})
	// One answer took 2 seconds, the other 41.5.
	session(t, config, "examples/testdata/*.jsonl")
	session(t, config, "examples/claude-to-slack/*.jsonl")
	r.within("a message in Slack", func() bool { return len(slack.got()) > 0 })
	want := []string{"Claude has answered in /home/dev/demo-app, after 41.5 seconds"}
	if diff := cmp.Diff(want, slack.field(t, "text")); diff != "" {
		t.Error(diff)
	}
}

func TestFourSourcesReachThreeKindsOfSink(t *testing.T) {
	api, slack, calls, config := newReceiver(t), newReceiver(t), t.TempDir(), t.TempDir()
	t.Setenv("CLAUDE_CONFIG_DIR", config)
	r := start(t, "everything", map[string]string{
		"NOTIFY_URL": api.URL, "SLACK_WEBHOOK_URL": slack.URL, "CALLS_DIR": calls,
	})

	joined := r.sample("livekit", "participant_joined")
	for _, req := range []*http.Request{joined, joined, r.sample("sora", "connection.created")} {
		r.send(req)
	}
	want := []map[string]any{
		{"room": "support-1", "what": "participant_joined", "who": "u1"},
		{"room": "support-1", "what": "connection.created", "who": "u1"},
	}
	if diff := cmp.Diff(want, linesByDay(t, calls)); diff != "" {
		t.Errorf("lines: %s", diff)
	}

	r.send(r.sample("sonzai", "on_wakeup_ready"))
	api.status.Store(http.StatusUnprocessableEntity)
	r.send(r.sample("sonzai", "agent.message"))
	if diff := cmp.Diff([]string{"on_wakeup_ready", "agent.message"}, api.field(t, "type")); diff != "" {
		t.Errorf("the API: %s", diff)
	}
	texts := slack.field(t, "text")
	if len(texts) != 1 || !strings.HasPrefix(texts[0], "The API did not take agent.message from sonzai: ") || !strings.Contains(texts[0], "422") {
		t.Errorf("Slack: %q", texts)
	}

	api.status.Store(http.StatusOK)
	session(t, config, "examples/testdata/*.jsonl")
	r.within("five events of Claude in the API", func() bool { return len(api.got()) == 7 })
	types := api.field(t, "type")[2:]
	slices.Sort(types) // the API takes several at once
	told := []string{"assistant-response-completed", "session-error", "session-started", "user-message-received", "user-message-received"}
	if diff := cmp.Diff(told, types); diff != "" {
		t.Errorf("the API: %s", diff)
	}
	r.within("another message in Slack", func() bool { return len(slack.got()) > 1 })
	texts = slack.field(t, "text")[1:]
	if diff := cmp.Diff([]string{"Claude in /home/dev/demo-app: API Error: 529 Overloaded. Try again in a moment."}, texts); diff != "" {
		t.Errorf("Slack: %s", diff)
	}
	if specs := api.field(t, "specversion"); slices.Contains(specs, "") {
		t.Errorf("specversion: %q", specs)
	}
}

func TestAProgramRunsNodesOfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	t.Chdir("..")
	words := read(t, "embedding").commands[0]
	program := exec.CommandContext(t.Context(), words[0], words[1:]...)
	program.Stdin, program.Stderr = strings.NewReader("Aiko\n"), t.Output()
	out, err := program.Output()
	if err != nil || string(out) != "HELLO AIKO!\n" {
		t.Errorf("%v: %q", err, out)
	}
}

func TestTheStandInPrintsWhatItGets(t *testing.T) {
	r := start(t, "livekit-to-slack", nil)
	r.send(post(t, "http://127.0.0.1:8080/stand-in/slack", `{"text":"hello"}`))
	if diff := cmp.Diff([]map[string]any{{"text": "hello"}}, r.printed()); diff != "" {
		t.Error(diff)
	}
}

// post is a request as curl -d makes it.
func post(t *testing.T, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// fromSonzai is a webhook of sonzai with a body of testdata, signed with the
// secret of the README.
func fromSonzai(t *testing.T, name string) *http.Request {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("examples/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	req := post(t, "http://127.0.0.1:8080/sonzai/on_wakeup_ready", string(body))
	req.Header.Set("Content-Type", "application/json")
	mac := hmac.New(sha256.New, []byte(strings.TrimPrefix(read(t, "sonzai-to-http").env["SONZAI_SIGNING_SECRET"], "whsec_")))
	at := time.Now().Unix()
	fmt.Fprintf(mac, "%d.%s", at, body)
	req.Header.Set("Sonzai-Signature", fmt.Sprintf("t=%d,v1=%s", at, hex.EncodeToString(mac.Sum(nil))))
	return req
}

// session puts recorded sessions where Claude Code writes them.
func session(t *testing.T, config, pattern string) {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no session is recorded in %s: %v", pattern, err)
	}
	folder := filepath.Join(config, "projects", "demo")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(path)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// linesByDay are the lines of all files of a folder, each of which must be
// named for the day of its lines, without their times.
func linesByDay(t *testing.T, folder string) []map[string]any {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var data map[string]any
			if err := json.Unmarshal([]byte(line), &data); err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, data["at"].(string))
			if err != nil || at.UTC().Format(time.DateOnly)+".jsonl" != filepath.Base(path) {
				t.Errorf("%v in %s: %v", data["at"], path, err)
			}
			delete(data, "at")
			all = append(all, data)
		}
	}
	return all
}
