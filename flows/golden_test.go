package flows

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the diagnostics are into the golden files")

// golden runs every archive of a folder, in a directory of its own that holds
// the files of the archive, and compares what got returns with its file
// "want". The lines above the files are settings, "name: value".
func golden(t *testing.T, folder string, got func(settings map[string]string) Diagnostics) {
	archives, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives in %s: %v", folder, err)
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
			want := &txtar.File{}
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = &archive.Files[i]
					continue
				}
				if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			settings := map[string]string{}
			for line := range strings.Lines(string(archive.Comment)) {
				if name, value, ok := strings.Cut(line, ":"); ok {
					settings[name] = strings.TrimSpace(value)
				}
			}
			if name := settings["large"]; name != "" {
				if err := os.WriteFile(name, bytes.Repeat([]byte("#"), mostFile+1), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text := got(settings).Format()
			if *update {
				if want.Name == "" {
					archive.Files = append(archive.Files, txtar.File{Name: "want"})
					want = &archive.Files[len(archive.Files)-1]
				}
				want.Data = []byte(text)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), text); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func loadArchive(settings map[string]string) Diagnostics {
	paths := strings.Fields(settings["load"])
	if len(paths) == 0 {
		paths = []string{"flows.yaml"}
	}
	_, diags := Load(paths, func(name string) (string, bool) {
		for pair := range strings.FieldsSeq(settings["env"]) {
			if got, value, ok := strings.Cut(pair, "="); ok && got == name {
				return value, true
			}
		}
		return "", false
	})
	return diags
}

func TestASyntaxErrorNamesTheWrongLine(t *testing.T) { golden(t, "syntax", loadArchive) }

func TestEveryMistakeOfADocumentIsShownAtItsPlace(t *testing.T) { golden(t, "document", loadArchive) }
