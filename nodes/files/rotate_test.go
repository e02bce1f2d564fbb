package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// aside lists what the files put aside hold, oldest first, once the pool is
// done with them.
func aside(t *testing.T, sink any, dir string) []string {
	t.Helper()
	sink.(*file).pool.behind.Wait()
	paths, err := filepath.Glob(in(dir, "f-*"))
	must(t, err)
	slices.Sort(paths)
	var all []string
	for _, path := range paths {
		text := read(t, path)
		if strings.HasSuffix(path, ".gz") {
			z, err := gzip.NewReader(strings.NewReader(text))
			must(t, err)
			b, err := io.ReadAll(z)
			must(t, err)
			text = "gzip " + string(b)
		}
		all = append(all, text)
	}
	return all
}

func TestAFileIsPutAsideBeforeItIsTooLarge(t *testing.T) {
	dir := t.TempDir()
	sink := openFile(t, newEnv(t), dir, `{path: DIR/f.jsonl, rotate: {size: 6}}`)
	write(t, sink, `1`, `2`, `3`, `4`)
	write(t, sink, `5`, `12345678`, `6`)
	if diff := cmp.Diff([]string{"1\n2\n3\n", "4\n5\n", "12345678\n"}, aside(t, sink, dir)); diff != "" {
		t.Error(diff)
	}
	if got := read(t, in(dir, "f.jsonl")); got != "6\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestSoManyAreKeptAndCompressed(t *testing.T) {
	dir := t.TempDir()
	sink := openFile(t, newEnv(t), dir, `{path: DIR/f.jsonl, rotate: {size: 2, keep: 3, gzip: true}}`)
	appendTo(t, in(dir, "f-notes.jsonl"), "not ours\n")
	appendTo(t, in(dir, "f-20200101T000000.000Z.jsonl.gz.part"), "left by a crash")
	for i := range 9 {
		write(t, sink, fmt.Sprint(i))
	}
	got := aside(t, sink, dir)
	want := []string{"left by a crash", "gzip 5\n", "gzip 6\n", "gzip 7\n", "not ours\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFileOfYesterdayIsPutAside(t *testing.T) {
	for every, ago := range map[string]time.Duration{"daily": 24 * time.Hour, "hourly": time.Hour, "10m": 10 * time.Minute, "7d": 7 * 24 * time.Hour} {
		dir := t.TempDir()
		sink := openFile(t, newEnv(t), dir, `{path: DIR/f.jsonl, rotate: {every: `+every+`}}`)
		write(t, sink, `1`)
		write(t, sink, `2`)
		then := time.Now().Add(-ago)
		must(t, os.Chtimes(in(dir, "f.jsonl"), then, then))
		write(t, sink, `3`)
		if diff := cmp.Diff([]string{"1\n2\n"}, aside(t, sink, dir)); diff != "" {
			t.Errorf("%s: %s", every, diff)
		}
	}
}

func TestAPeriodEndsWhereTheClockSays(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, time.Local)
		must(t, err)
		return when
	}
	for _, c := range []struct {
		every, a, b string
		same        bool
	}{
		{"daily", "2026-09-01 00:00", "2026-09-01 23:59", true},
		{"daily", "2026-09-01 23:59", "2026-09-02 00:00", false},
		{"hourly", "2026-09-01 07:00", "2026-09-01 07:59", true},
		{"hourly", "2026-09-01 07:59", "2026-09-01 08:00", false},
		{"hourly", "2026-09-01 07:30", "2026-09-02 07:30", false},
		{"15m", "2026-09-01 07:15", "2026-09-01 07:29", true},
		{"15m", "2026-09-01 07:29", "2026-09-01 07:30", false},
	} {
		var p Period
		must(t, p.UnmarshalText([]byte(c.every)))
		if got := p.same(at(c.a), at(c.b)); got != c.same {
			t.Errorf("%s: %s and %s: %v", c.every, c.a, c.b, got)
		}
	}
}

func TestNamesOfFilesPutAsideAreKnownAgain(t *testing.T) {
	when := time.Date(2026, 9, 1, 7, 30, 5, 234e6, time.UTC)
	for name, want := range map[string]string{
		"f.jsonl": "f-20260901T073005.234Z.jsonl",
		"f":       "f-20260901T073005.234Z",
		"a.b.log": "a.b-20260901T073005.234Z.log",
	} {
		got := asideName(name, when)
		if got != want {
			t.Errorf("%s is put aside as %s", name, got)
		}
		for _, n := range []string{got, got + ".gz"} {
			if at, ok := asideTime(name, n); !ok || !at.Equal(when) {
				t.Errorf("%s is not known again: %v, %v", n, at, ok)
			}
		}
	}
	for _, other := range []string{"f.jsonl", "f-.jsonl", "f-2026.jsonl", "g-20260901T073005.234Z.jsonl", "f-20260901T073005.234Z.log", "f-x-20260901T073005.234Z.jsonl"} {
		if _, ok := asideTime("f.jsonl", other); ok {
			t.Errorf("%s is taken for one of f.jsonl", other)
		}
	}
}

func TestATailFollowsAFileThatASinkRotates(t *testing.T) {
	dir := t.TempDir()
	env := newEnv(t)
	var want bytes.Buffer
	got := startTail(t, in(dir, "f*.jsonl"))
	sink := openFile(t, env, dir, `{path: DIR/f.jsonl, rotate: {size: 200}, fsync: never}`)
	for i := range 300 {
		write(t, sink, fmt.Sprint(i))
		fmt.Fprintln(&want, i)
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	if diff := cmp.Diff(strings.Fields(want.String()), sorted(texts(t, got, 300))); diff != "" {
		t.Error(diff)
	}
}
