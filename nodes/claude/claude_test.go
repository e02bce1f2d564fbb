package claude

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/flows"
)

func decode(entries ...string) (Config, flows.Diagnostics) {
	v := &flows.Value{Kind: flows.Map}
	for i := 0; i < len(entries); i += 2 {
		v.Entries = append(v.Entries, flows.Entry{
			Key:   &flows.Value{Kind: flows.String, Text: entries[i]},
			Value: &flows.Value{Kind: flows.String, Text: entries[i+1]},
		})
	}
	c := Source.Default
	return c, flows.Decode(v, &c)
}

func TestTheConfigurationIsChecked(t *testing.T) {
	for _, c := range []struct {
		key, value, want string
	}{
		{"level", "all", `want basic or full, got "all"`},
		{"mode", "lines", `want turn or line, got "lines"`},
		{"start_at", "now", `want end, beginning or a time like 2026-09-01T07:30:00Z, got "now"`},
		{"path", "claude", `want a path that begins with /, got "claude"`},
		{"authorization", "t", "there is nothing to authorize without a path"},
	} {
		_, diags := decode(c.key, c.value)
		if len(diags) != 1 || diags[0].Message != c.want {
			t.Errorf("%s: %s gives %v, want %q", c.key, c.value, diags, c.want)
		}
	}
	if _, diags := decode("level", "full", "start_at", "beginning", "path", "/claude", "authorization", "t"); len(diags) > 0 {
		t.Error(diags)
	}
}

func TestStartAtIsReadAndWritten(t *testing.T) {
	for _, s := range []string{"end", "beginning", "2026-09-01T07:30:00Z"} {
		c, diags := decode("start_at", s)
		if got, err := c.StartAt.MarshalText(); len(diags) > 0 || err != nil || string(got) != s {
			t.Errorf("%q is written as %q, %v, %v", s, got, diags, err)
		}
	}
	if got := (StartAt{End: true}).cutoff(); got.Before(time.Now().AddDate(100, 0, 0)) {
		t.Errorf("end cuts off at %v", got)
	}
}

func TestWhereTheTranscriptsAre(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("CLAUDE_CONFIG_DIR", "")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	check := func(dir, want string) {
		t.Helper()
		if got, err := projects(dir); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", dir, got, err, want)
		}
	}
	check("", filepath.Join(home, ".claude", "projects"))
	check("~/x", filepath.Join(home, "x"))
	check("~x", filepath.Join(here, "~x"))
	t.Setenv("CLAUDE_CONFIG_DIR", "/elsewhere")
	check("", "/elsewhere/projects")
	check("~/x", filepath.Join(home, "x"))
}

func TestWhichFilesAreTranscripts(t *testing.T) {
	const id = "10eb643e-428e-5dec-9b11-724a0c5ebe21"
	type answer struct {
		Session string
		OK      bool
	}
	for path, want := range map[string]answer{
		"-p/" + id + ".jsonl":                    {id, true},
		"-p/notes.jsonl":                         {},
		id + ".jsonl":                            {},
		"-p/" + id + ".json":                     {},
		"-p/agent-a1.jsonl":                      {"", true},
		"-p/" + id + "/subagents/agent-a1.jsonl": {id, true},
		"-p/" + id + "/subagents/workflows/r1/agent-a1.jsonl":    {id, true},
		"-p/" + id + "/subagents/agent-acompact-1.jsonl":         {},
		"-p/" + id + "/subagents/journal.jsonl":                  {},
		"-p/" + id + "/tool-results/agent-a1.jsonl":              {},
		"-p/deeper/" + id + ".jsonl":                             {},
		"-p/x/subagents/agent-a1.jsonl":                          {},
		"-p/" + id + "/subagents/" + id + ".jsonl":               {},
		"-p/" + id + "/subagents/agent-a1b2c3d4e5f60718.meta.js": {},
	} {
		session, ok := transcriptOf(path, true)
		if diff := cmp.Diff(want, answer{session, ok}); diff != "" {
			t.Errorf("%s (-want +got)\n%s", path, diff)
		}
		if session, ok := transcriptOf(path, false); ok && session != "-p/"+session && filepath.Dir(path) != "-p" {
			t.Errorf("%s is a transcript without helpers", path)
		}
	}
}
