package nodes_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
	"github.com/flowd/flowd/nodes/core"
	"github.com/flowd/flowd/nodes/web"
)

var update = flag.Bool("update", false, "write what the diagnostics are into the golden files")

func environment(name string) (string, bool) {
	switch name {
	case "HOOK":
		return "https://hooks.slack.com/services/T/B/X", true
	case "UNSET":
		return "", false
	}
	return "a-secret-of-thirty-two-characters", true
}

// check is what flowd check says of the document in the working directory.
func check(t testing.TB) flows.Diagnostics {
	t.Helper()
	doc, diags := flows.Load([]string{"flows.yaml"}, environment)
	diags = append(diags, engine.Check(doc, nodes.All())...)
	return append(diags, engine.Advice(doc, nodes.All())...).Sorted()
}

func TestEveryMistakeIsToldWithItsPlace(t *testing.T) {
	golden(t, "check", func(t *testing.T) flows.Diagnostics { return check(t) })
}

func TestEveryMistakeOfATestIsToldWithItsPlace(t *testing.T) {
	golden(t, "tests", func(t *testing.T) flows.Diagnostics {
		suite, diags := enginetest.ReadSuite("flows_test.yaml")
		if diags.Failed() {
			return diags
		}
		doc, diags := suite.Load("flows_test.yaml", nil, environment)
		if diags = append(diags, engine.Check(doc, nodes.All())...); diags.Failed() {
			t.Fatal(diags)
		}
		var mistakes flows.Diagnostics
		for _, scenario := range suite.Tests {
			mistakes = append(mistakes, scenario.Run(doc, nodes.All()).Mistakes...)
		}
		return mistakes
	})
}

func TestAnEngineWithoutALanguageSaysSo(t *testing.T) {
	golden(t, "bare", func(*testing.T) flows.Diagnostics {
		doc, diags := flows.Load([]string{"flows.yaml"}, environment)
		return append(diags, engine.Check(doc, engine.NewRegistry(nil, web.Webhook, core.Debug))...)
	})
}

// golden runs every archive of a folder, in a directory of its own that holds
// the files of the archive, and compares what is told with its file want. A line
// "large: NAME" above the files asks for a file that is larger than any may be.
func golden(t *testing.T, folder string, told func(t *testing.T) flows.Diagnostics) {
	archives, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			var want *txtar.File
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = &archive.Files[i]
				} else if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for line := range strings.Lines(string(archive.Comment)) {
				if name, ok := strings.CutPrefix(line, "large: "); ok {
					if err := os.WriteFile(strings.TrimSpace(name), make([]byte, 5<<20), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := told(t).Format()
			if *update {
				if want == nil {
					archive.Files = append(archive.Files, txtar.File{Name: "want"})
					want = &archive.Files[len(archive.Files)-1]
				}
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want == nil {
				t.Fatal("the archive has no file want")
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}
