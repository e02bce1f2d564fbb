package enginetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

// save saves recordings about a document and returns the file, which must pass
// with and without the variables.
func save(t *testing.T, document string, variables map[string]string, recordings ...enginetest.Recording) (text string, unset []string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "flows.yaml"), document)
	path := filepath.Join(dir, "live_test.yaml")
	unset, err := enginetest.Save(path, registry, []string{filepath.Join(dir, "flows.yaml")}, func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}, recordings)
	if err != nil {
		t.Fatal(err)
	}
	if len(unset) == 0 {
		passes(t, again(t, path))
	}
	saved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(saved), unset
}

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

// came is an event that came in some time after noon.
func came(after time.Duration, node, data string) enginetest.Came {
	return enginetest.Came{At: noon.Add(after), Event: &engine.Event{
		ID: "1", Type: "order", Node: node, Time: noon, Data: engine.JSON([]byte(data)),
		Meta: engine.Meta{"path": "/in", "headers": map[string]any{"x-kind": "a", "x-api-key": "k", "user-agent": "b"}},
	}}
}

func TestWhatIsSavedIsATestThatPasses(t *testing.T) {
	got, _ := save(t, `
flows:
  orders:
    nodes:
      - webhook: /in
      - dedupe: {key: data.no, ttl: 1m}
      - transform: {set: {kind: 'meta.headers["x-kind"]', nonce: uuid()}}
      - debug:
`, nil, enginetest.Recording{Name: "a: b", Flow: "orders", Came: []enginetest.Came{
		came(0, "webhook", `{"no": 1}`), came(30*time.Second, "webhook", `{"no": 1}`), came(90*time.Second, "webhook", `{"no": 1}`),
	}})
	want := `tests:
  - name: "a: b"
    flow: orders
    now: 2026-09-01T12:00:00Z
    send:
      - {source: webhook, type: "order", id: "1", time: 2026-09-01T12:00:00Z, data: {"no": 1}, meta: {headers: {x-kind: "a"}}}
      - {after: 30s, source: webhook, type: "order", id: "1", time: 2026-09-01T12:00:00Z, data: {"no": 1}, meta: {headers: {x-kind: "a"}}}
      - {after: 1m, source: webhook, type: "order", id: "1", time: 2026-09-01T12:00:00Z, data: {"no": 1}, meta: {headers: {x-kind: "a"}}}
    expect:
      debug:
        - {type: "order", id: "1", data: {kind: "a", "no": 1}}
        - {type: "order", id: "1", data: {kind: "a", "no": 1}}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoSecretIsSaved(t *testing.T) {
	got, unset := save(t, `
flows:
  orders:
    nodes:
      - webhook: {path: /in, verify: {bearer: "${SHARED}"}}
      - http: {url: "${URL}", auth: {bearer: literal-0123456789}, sign: {secret: "${SIGN}"}}
`, map[string]string{"SHARED": "shared-0123456789", "URL": "https://me:pw@example.com/x", "SIGN": "whsec_c2lnbmluZyBrZXkgb2Ygb3Vycw=="},
		enginetest.Recording{Name: "it", Flow: "orders", Came: []enginetest.Came{came(0, "webhook",
			`{"said": "shared-0123456789 and literal-0123456789", "access_token": "abc", "tokens": 3, "credentials": ["abc"], "at": "https://a:b@c.d"}`)}})
	if len(unset) > 0 {
		t.Errorf("unset: %v", unset)
	}
	for _, secret := range []string{"0123456789", "abc", "me:pw", "c2ln", "a:b@"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s stands in it", secret)
		}
	}
	want := `data: {access_token: "***", at: "https://***@c.d", credentials: "***", said: "*** and ***", tokens: 3}`
	if !strings.Contains(got, want) {
		t.Errorf("want %s in it", want)
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestASecretWithoutStandInIsLeftToTheEnvironment(t *testing.T) {
	document := "flows: {orders: {nodes: [webhook: /in, delay: \"${SECRET_DELAY}\", debug: ]}}"
	_, unset := save(t, document, map[string]string{"SECRET_DELAY": "5m"},
		enginetest.Recording{Name: "it", Flow: "orders", Came: []enginetest.Came{came(0, "webhook", "1")}})
	if diff := cmp.Diff([]string{"SECRET_DELAY"}, unset); diff != "" {
		t.Error(diff)
	}
}

func TestAFileThatIsThereIsNotSavedOver(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "flows.yaml"), "flows: {orders: {nodes: [webhook: /in, debug: ]}}")
	path := filepath.Join(dir, "live_test.yaml")
	write(t, path, "mine")
	recording := enginetest.Recording{Name: "it", Flow: "orders", Came: []enginetest.Came{came(0, "webhook", "1")}}
	_, err := enginetest.Save(path, registry, []string{filepath.Join(dir, "flows.yaml")}, os.LookupEnv, []enginetest.Recording{recording})
	if err == nil {
		t.Error("it was saved")
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("it is %s now", text)
	}
}

func TestATestThatCannotPassIsNotLeftBehind(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "flows.yaml"), "flows: {orders: {nodes: [webhook: /in, debug: ]}}")
	path := filepath.Join(dir, "live_test.yaml")
	recording := enginetest.Recording{Name: "it", Flow: "orders", Came: []enginetest.Came{came(0, "nobody", "1")}}
	_, err := enginetest.Save(path, registry, []string{filepath.Join(dir, "flows.yaml")}, os.LookupEnv, []enginetest.Recording{recording})
	if err == nil {
		t.Error("it was saved")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("the file is there")
	}
}
