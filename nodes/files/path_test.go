package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowd/flowd/engine"
)

func TestValuesBecomePartsOfNames(t *testing.T) {
	for value, want := range map[string]string{
		"support-1":        "support-1",
		"応答 1":             "応答 1",
		"a.b":              "a.b",
		"":                 "",
		".":                "%2E",
		"..":               "%2E.",
		"../../etc/passwd": "%2E.%2F..%2Fetc%2Fpasswd",
		`a\b`:              "a%5Cb",
		"100%":             "100%25",
		"12:30":            "12%3A30",
		"a\x00\n\x7fb":     "a%00%0A%7Fb",
		"\xff":             "%FF",
		"\u202e":           "%E2%80%AE",
	} {
		if got := cleanValue(value); got != want {
			t.Errorf("%q became %q, want %q", value, got, want)
		}
	}
}

func TestNamesOfAPathAreUsable(t *testing.T) {
	long := strings.Repeat("あ", 100)
	for path, want := range map[string]string{
		"a/b.jsonl": "a/b.jsonl",
		"":          "_",
		"/x":        "_/x",
		"a//b":      "a/_/b",
		"../x":      "%2E%2E/x",
		"./x":       "%2E/x",
		"CON":       "%43ON",
		"nul.txt":   "%6Eul.txt",
		"com1 .log": "%63om1 .log",
		"console":   "console",
		"end.":      "end%2E",
		"end ":      "end%20",
	} {
		if got := filepath.ToSlash(cleanPath(path)); got != want {
			t.Errorf("%q became %q, want %q", path, got, want)
		}
	}
	a, b := cleanPath(long+"1.jsonl"), cleanPath(long+"2.jsonl")
	if a == b || len(a) > longestName || !utf8.ValidString(a) || filepath.Ext(a) != ".jsonl" {
		t.Errorf("long names became %q and %q", a, b)
	}
}

// hostile are values that try to get out.
func hostile() []string {
	var all []string
	for _, up := range []string{"..", ".", "../..", "/", "//", "/etc", `\`, `..\..`, "~", "~root", "link", "link/x", "CON", "nul", "", " ", "\x00", "..\x00", "a\nb", "%2e%2e", "....", "..;", "\u2024\u2024", "．．", "\xc0\xae\xc0\xae"} {
		for _, down := range []string{"", "/", "/x", "/../x", `\x`, "\x00", ".", "..", strings.Repeat("x", 300)} {
			all = append(all, up+down)
		}
	}
	return all
}

func TestNoEventLeadsOutOfTheFolder(t *testing.T) {
	values := append(hostile(), "linked")
	if len(values) < 200 {
		t.Fatalf("only %d values", len(values))
	}
	for _, pattern := range []string{
		`{{ subject }}`, `{{ subject }}/{{ subject }}.jsonl`, `log{{ subject }}`, `.{{ subject }}{{ subject }}`,
		`{{ subject }}/../{{ subject }}`, `x/{{ subject }}.jsonl`, `{{ subject }}.jsonl`,
	} {
		top := t.TempDir()
		dir, outside := in(top, "base"), in(top, "outside")
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.Mkdir(outside, 0o755))
		must(t, os.Symlink(outside, in(dir, "link")))
		must(t, os.Symlink("../outside/f", in(dir, "linked.jsonl")))
		sink := openFile(t, newEnv(t), dir, `{path: "DIR/`+pattern+`", fsync: never}`)
		for _, value := range values {
			e := events(`1`)[0]
			e.Subject = value
			err := sink.Write(t.Context(), []*engine.Event{e})
			var failed engine.Failures
			if err == nil || errors.As(err, &failed) && engine.IsPermanent(failed[0].Err) && strings.HasPrefix(value, "link") {
				continue
			}
			t.Errorf("%s of %q: %v", pattern, value, err)
		}
		for _, folder := range []string{top, outside} {
			entries, err := os.ReadDir(folder)
			must(t, err)
			for _, entry := range entries {
				if name := entry.Name(); folder == outside || name != "base" && name != "outside" {
					t.Errorf("%s: %s was written", pattern, filepath.Join(folder, name))
				}
			}
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, value := range hostile()[:40] {
		f.Add("base/"+"%s/%s", value, "x")
	}
	f.Add("a%sb%s", "/../", "..")
	f.Add("%s%s", ".", ".")
	f.Fuzz(func(t *testing.T, pattern, a, b string) {
		if strings.Count(pattern, "%") != 2 || strings.Count(pattern, "%s") != 2 {
			return
		}
		rel := cleanPath(fmt.Sprintf(pattern, cleanValue(a), cleanValue(b)))
		if !filepath.IsLocal(rel) || filepath.Clean(rel) != rel {
			t.Errorf("%q leads out", rel)
		}
		for name := range strings.SplitSeq(filepath.ToSlash(rel), "/") {
			if len(name) > longestName {
				t.Errorf("%q is %d bytes long", name, len(name))
			}
		}
		if a != b && cleanValue(a) == cleanValue(b) {
			t.Errorf("%q and %q become one name", a, b)
		}
	})
}
