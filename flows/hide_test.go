package flows

import (
	"strings"
	"testing"
)

func TestNoDiagnosticShowsASecretOfItsLine(t *testing.T) {
	type config struct {
		Name  string            `flow:"name"`
		Token Secret            `flow:"token"`
		More  []Secret          `flow:"more"`
		Keys  map[string]Secret `flow:"keys"`
	}
	for _, text := range []string{
		`{token: hunter2, x: 1}`,
		`{token: "hunter2", x: 1}`,
		`{more: [hunter2, 'hunter2'], x: 1}`,
		`{more: hunter2, x: 1}`,
		`{keys: {a: hunter2}, x: 1}`,
		`{keys: hunter2}`,
		`{token: {a: hunter2}}`,
		`{tokn: hunter2}`,
		`{x: {api_key: [hunter2]}}`,
		`{name: [https://user:hunter2@example.org]}`,
		`{name: ["https://example.org?sig=hunter2&x=1"]}`,
		`{name: [https://hooks.slack.com/services/hunter2]}`,
		`{token: hunter2, x: "`,
		`{token: "hunter2, x: 1}`,
		`{a: b, token: 'hunter2`,
		`token: hunter2: x`,
	} {
		v, diags := ParseValue(text)
		diags = append(diags, Decode(v, &config{})...)
		if shown := diags.Format(); !diags.Failed() || strings.Contains(shown, "hunter2") {
			t.Errorf("%s: got\n%s", text, shown)
		}
	}
}

func TestCaretsStayWhereTheyWereBesideASecret(t *testing.T) {
	type config struct {
		Token Secret `flow:"token"`
	}
	v, diags := ParseValue(`{token: "日本x", y: z}`)
	diags = append(diags, Decode(v, &config{})...)
	const want = `    1 | {token: "*****", y: z}
      |                  ^ known: token
`
	if _, got, _ := strings.Cut(diags.Format(), "\n"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
