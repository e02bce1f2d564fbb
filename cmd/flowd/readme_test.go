package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

const readme = "../../README.md"

// blocks returns the fenced blocks of the README in a language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	if len(found) == 0 {
		t.Fatalf("the README has no block of %s", language)
	}
	return found
}

func TestEveryDocumentInTheReadmeIsRight(t *testing.T) {
	secret := func(name string) (string, bool) {
		if strings.HasSuffix(name, "_URL") {
			return "https://hooks.slack.com/services/T/B/X", true
		}
		return "a-secret-of-thirty-two-characters", true
	}
	for i, yaml := range blocks(t, "yaml") {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("readme%d.yaml", i))
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, diags := flows.Load([]string{path}, secret)
		diags = append(diags, engine.Check(doc, registry)...)
		if len(diags) > 0 {
			t.Errorf("block %d:\n%s", i+1, diags.Format())
		}
	}
}

func TestTheTestOfAFlowInTheReadmePasses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows_test.yaml")
	for name, text := range map[string]string{"flows.yaml": blocks(t, "yaml")[0], "flows_test.yaml": blocks(t, "yml")[0]} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	enginetest.TestFlows(t, registry, path)
}

func TestTheProgramInTheReadmeCompiles(t *testing.T) {
	for _, source := range blocks(t, "go") {
		path := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestTheReadmeListsEveryNodeType(t *testing.T) {
	const begin, end = "<!-- nodes: from the declarations, checked by a test -->\n", "<!-- /nodes -->"
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	listed, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("the README has no table between %q and %q", begin, end)
	}
	if want := nodeTable(); listed != want {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(readme, []byte(before+begin+want+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("the table of the README is stale: run UPDATE=1 go test ./cmd/flowd\ngot:\n%swant:\n%s", listed, want)
	}
}

// nodeTable is the table of the README.
func nodeTable() string {
	var b strings.Builder
	b.WriteString("| | type | what it does |\n|---|---|---|\n")
	for _, s := range registry.Specs() {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", s.Kind, s.Type, s.Summary)
	}
	return b.String()
}

func TestEveryCommandInTheReadmeIsOne(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	known := append(names(commands()), "-f", "--help", "TYPE")
	for _, m := range regexp.MustCompile("(?m)(?:^    |`|go run ./cmd/)flowd ([^ `\n]+)").FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("the README says flowd %s", m[1])
		}
	}
}

func TestTheExampleOfEveryNodeTypeRuns(t *testing.T) {
	for _, s := range registry.Specs() {
		lines := strings.Split(strings.TrimSpace(s.Example), "\n")
		yaml := "flows:\n  f:\n    nodes:\n"
		if s.Kind != engine.SourceKind {
			yaml += "      - webhook: /in\n"
		}
		yaml += "      - " + strings.Join(lines, "\n        ") + "\n"
		path := filepath.Join(t.TempDir(), s.Type+".yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, diags := flows.Load([]string{path}, func(string) (string, bool) { return "https://example.com/a-secret-of-32-chars", true })
		diags = append(diags, engine.Check(doc, registry)...)
		if diags.Failed() {
			t.Errorf("the example of %s %s:\n%s", s.Kind, s.Type, diags.Format())
		}
		if s.Summary == "" || len(s.Fields()) > 0 && s.Fields()[0].Doc == "" {
			t.Errorf("%s %s lacks its documentation", s.Kind, s.Type)
		}
	}
}
