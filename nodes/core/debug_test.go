package core

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

func noEnv(string) string { return "" }

// debugTo is a debug node that writes to a file, which is read back.
func debugTo(t *testing.T, s *screen) (*debug, func() string) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	s.out = out
	return &debug{label: "flow.debug", screen: s}, func() string {
		b, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func shown(data string) *engine.Event {
	e := event("EV_1", data)
	e.Time = time.Date(2026, 9, 1, 7, 30, 5, 0, time.Local)
	return e
}

func TestAPersonSeesAttributesAndData(t *testing.T) {
	d, read := debugTo(t, &screen{person: true})
	e := shown(`{"who":"Aiko","tags":[1,true]}`)
	e.Failure = &engine.Failure{Message: "refused", Node: "http", Attempts: 8}
	if err := d.Write(t.Context(), []*engine.Event{e}); err != nil {
		t.Fatal(err)
	}
	want := `07:30:05.000 flow.debug made room test EV_1
  http failed after 8 attempts: refused
  {
    "who": "Aiko",
    "tags": [
      1,
      true
    ]
  }
`
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Error(diff)
	}
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	out, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if s := newScreen(out, noEnv); s.person || s.colour {
		t.Error("a file is no person")
	}
	d, read := debugTo(t, &screen{person: true, colour: true})
	if err := d.Write(t.Context(), []*engine.Event{shown(`{"a":"b:c","n":-1.5}`)}); err != nil {
		t.Fatal(err)
	}
	want := dim + "07:30:05.000" + plain + " " + cyan + "flow.debug" + plain + " " + bold + "made" + plain +
		" " + dim + "room" + plain + " " + dim + "test" + plain + " " + dim + "EV_1" + plain + "\n" +
		"  {\n    " + cyan + `"a"` + plain + ": " + green + `"b:c"` + plain + ",\n    " + cyan + `"n"` + plain + ": " + yellow + "-1.5" + plain + "\n  }\n"
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Error(diff)
	}
}

func TestAProgramReadsOneObjectALine(t *testing.T) {
	d, read := debugTo(t, &screen{})
	broken := shown(`{"a":`)
	if err := d.Write(t.Context(), []*engine.Event{shown("{\n\"a\": \"<b>\"\n}"), broken}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(read(), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	if !strings.Contains(lines[0], `"data":{"a":"<b>"}`) || !strings.Contains(lines[0], `"debug":"flow.debug"`) {
		t.Errorf("got %s", lines[0])
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil || got["data"] != `{"a":` {
		t.Errorf("got %s, %v", lines[1], err)
	}
}

func TestALargePayloadIsCutForAPerson(t *testing.T) {
	d, read := debugTo(t, &screen{person: true, colour: true})
	if err := d.Write(t.Context(), []*engine.Event{shown(`"` + strings.Repeat("あ", 1<<20) + `"`)}); err != nil {
		t.Fatal(err)
	}
	if got := read(); len(got) > 2*longestShown || !strings.Contains(got, "bytes more") || strings.Contains(got, "\uFFFD") {
		t.Errorf("%d bytes were shown", len(got))
	}
}

func TestNodesDoNotWriteIntoEachOthersLines(t *testing.T) {
	s := &screen{}
	d, read := debugTo(t, s)
	other := &debug{label: "other", screen: s}
	var all sync.WaitGroup
	for _, node := range []*debug{d, other} {
		all.Go(func() {
			for range 50 {
				if err := node.Write(t.Context(), []*engine.Event{shown(`"` + strings.Repeat("x", 10_000) + `"`)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for line := range strings.Lines(read()) {
		if !json.Valid([]byte(line)) {
			t.Fatal("a line is not whole")
		}
	}
}

func TestWhatAnEventSaysMovesNoCursor(t *testing.T) {
	for _, person := range []bool{true, false} {
		d, read := debugTo(t, &screen{person: person})
		evil := "\x1b]0;title\x07\x1b[2J\u009b31m\u202egnp.exe\r\n\x7f\U000E0001 e\u0301 日本\u3000🙂"
		raw, err := json.Marshal(evil)
		if err != nil {
			t.Fatal(err)
		}
		e := shown(string(raw))
		e.ID, e.Type, e.Subject, e.Source = evil, evil, evil, evil
		e.Failure = &engine.Failure{Message: evil, Node: evil}
		if err := d.Write(t.Context(), []*engine.Event{e, shown("\x1b[2J")}); err != nil {
			t.Fatal(err)
		}
		got := read()
		for _, r := range got {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("person %v: %U was written", person, r)
			}
		}
		if lines := strings.Count(got, "\n"); person && lines != 5 || !person && lines != 2 {
			t.Errorf("person %v: %d lines:\n%s", person, lines, got)
		}
		if !strings.Contains(got, "日本\u3000🙂") {
			t.Errorf("person %v: plain text was changed: %s", person, got)
		}
	}
}

func TestDebugSharesStandardOutput(t *testing.T) {
	env := newEnv(t)
	a, _ := Debug.New(DebugConfig{Label: "mine"})
	b, _ := Debug.New(DebugConfig{})
	for _, node := range []engine.Sink{a, b} {
		if err := node.(engine.Opener).Open(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		defer node.(io.Closer).Close()
	}
	if a.(*debug).screen != b.(*debug).screen || a.(*debug).label != "mine" || b.(*debug).label != "flow.node" {
		t.Errorf("got %+v and %+v", a, b)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add([]byte("\x1b[31m"))
	f.Add([]byte("\xff\xfe\U000E0001\u202e"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, r := range string(visible(text)) {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("%U is left", r)
			}
		}
		raw, err := json.Marshal(string(text))
		if err != nil {
			t.Fatal(err)
		}
		var before, after any
		if err := json.Unmarshal(raw, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(visible(raw), &after); err != nil || before != after {
			t.Errorf("%s became %s: %v", raw, visible(raw), err)
		}
		var painted bytes.Buffer
		(&screen{}).paint(&painted, raw)
		if painted.String() != string(raw) {
			t.Errorf("%s was painted as %s", raw, painted.String())
		}
	})
}
