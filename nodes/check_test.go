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
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

var update = flag.Bool("update", false, "write what the diagnostics are into the golden files")

func environment(name string) (string, bool) {
	if name == "HOOK" {
		return "https://hooks.slack.com/services/T/B/X", true
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

// checked is what flowd check says of a document.
func checked(t testing.TB, document string) flows.Diagnostics {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("flows.yaml", []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	return check(t)
}

func TestEveryMistakeIsToldWithItsPlace(t *testing.T) {
	archives, err := filepath.Glob(filepath.Join("testdata", "check", "*.txtar"))
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
			got := check(t).Format()
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
