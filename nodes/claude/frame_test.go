package claude

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyWholeLinesAreCut(t *testing.T) {
	var f framer
	var lines []string
	var total int64
	feed := func(p string) {
		f.feed([]byte(p), func(text []byte, size int64) {
			lines = append(lines, string(text))
			total += size
		})
	}
	for _, p := range []string{"", "a", "b\n", "\n", "c\nd\ne", "", "f"} {
		feed(p)
	}
	if diff := cmp.Diff([]string{"ab", "", "c", "d"}, lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if total != 8 || f.size != 2 {
		t.Errorf("%d bytes in lines and %d pending, want 8 and 2", total, f.size)
	}
}

func TestALineThatIsTooLongIsSkippedInLittleMemory(t *testing.T) {
	m := newMachine(t, Config{Level: "full"})
	tr := newTranscript(m.config, "s", m.uuids, m.ways, now)
	chunk := bytes.Repeat([]byte("x"), 8<<20)
	for range 9 {
		m.feed(tr, chunk)
		if len(tr.frame.rest) > maxLine {
			t.Fatalf("%d bytes are kept", len(tr.frame.rest))
		}
	}
	m.feed(tr, []byte("\n"+prompts(1, "hello")))
	if len(m.events) != 2 || tr.damaged != 1 {
		t.Errorf("%d events and %d damaged places, want 2 and 1", len(m.events), tr.damaged)
	}
	if want := int64(9*len(chunk) + 1 + len(prompts(1, "hello"))); tr.state.Offset != want {
		t.Errorf("offset %d, want %d", tr.state.Offset, want)
	}
}

func TestWhatCanBeReadOfADamagedLineIs(t *testing.T) {
	const a, b = `{"type":"user","uuid":"a"}`, `{"parentUuid":null,"type":"user","uuid":"b"}`
	for _, c := range []struct {
		name, line string
		want       []string
		damaged    int
	}{
		{"nothing", "", nil, 0},
		{"a record", a, []string{a}, 0},
		{"with a carriage return", a + "\r", []string{a}, 0},
		{"two records", a + b, []string{a, b}, 0},
		{"NULs before it", "\x00\x00\x00" + a, []string{a}, 1},
		{"NULs within", strings.Replace(a, "user", "us\x00er", 1), []string{a}, 1},
		{"NULs alone", "\x00\x00", nil, 1},
		{"a cut record before it", `{"parentUuid":null,"uuid":"c","mess` + b, []string{b}, 1},
		{"a cut record within a text", `{"type":"user","message":{"content":"and then` + a, []string{a}, 1},
		{"a cut record behind it", a + `{"type":"user","uu`, []string{a}, 1},
		{"noise", "}}]x", nil, 1},
		{"no object", "17", nil, 1},
		{"noise between", a + "}," + b, []string{a, b}, 1},
		{"bytes that are no UTF-8", strings.Replace(a, "user", "us\xffer", 1), []string{strings.Replace(a, "user", "us\uFFFDer", 1)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			damaged := records([]byte(c.line), func(r []byte) { got = append(got, string(r)) })
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if damaged != c.damaged {
				t.Errorf("%d damaged places, want %d", damaged, c.damaged)
			}
		})
	}
}

func TestALineOfNothingButBeginningsIsGivenUpSoon(t *testing.T) {
	line := bytes.Repeat([]byte(`{"type":[`), 1<<18)
	started := time.Now()
	records(line, func([]byte) { t.Error("there is no record") })
	if d := time.Since(started); d > time.Minute {
		t.Errorf("it took %v", d)
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte("a\nbc\n\n"), uint8(1))
	f.Add([]byte("{}\n{"), uint8(200))
	f.Fuzz(func(t *testing.T, p []byte, size uint8) {
		var lines [][]byte
		var total int64
		var fr framer
		for chunk := range slices.Chunk(p, int(size)+1) {
			fr.feed(chunk, func(text []byte, size int64) {
				lines = append(lines, bytes.Clone(text))
				total += size
			})
		}
		want := bytes.Split(p, []byte("\n"))
		if !slices.EqualFunc(lines, want[:len(want)-1], bytes.Equal) || !bytes.Equal(fr.rest, want[len(want)-1]) {
			t.Fatalf("cut %q, rest %q", lines, fr.rest)
		}
		if total+fr.size != int64(len(p)) {
			t.Fatalf("%d bytes of %d", total+fr.size, len(p))
		}
	})
}

func FuzzRecords(f *testing.F) {
	for _, name := range []string{"simple", "tools", "compact"} {
		for line := range bytes.Lines(readFile(f, "testdata/"+name+".jsonl")) {
			f.Add(line)
		}
	}
	f.Add([]byte("\x00{\"type\":\"user\"}{\"type"))
	f.Fuzz(func(t *testing.T, line []byte) {
		damaged := records(line, func(r []byte) {
			if !json.Valid(r) || r[0] != '{' {
				t.Fatalf("%q is no record", r)
			}
		})
		if damaged < 0 || damaged > maxTries+1 {
			t.Fatalf("%d damaged places", damaged)
		}
	})
}

// FuzzTranscript gives a transcript a line of anything: it never panics, and
// the lines behind it tell what they tell.
func FuzzTranscript(f *testing.F) {
	for _, name := range []string{"simple", "tools", "interrupt", "apierror", "sidechain", "compact"} {
		for line := range bytes.Lines(readFile(f, "testdata/"+name+".jsonl")) {
			f.Add(line, false)
		}
	}
	f.Add([]byte(`{"type":"assistant","uuid":"x","sessionId":"s","message":{"content":[1,null,{"type":"text"}],"usage":7}}`), true)
	f.Fuzz(func(t *testing.T, p []byte, byLine bool) {
		config := Config{Level: "full", IncludeMessage: true, Subagents: true}
		if byLine {
			config.Mode = "line"
		}
		m := newMachine(t, config)
		tr := newTranscript(m.config, "s", m.uuids, m.ways, now)
		m.feed(tr, p)
		m.quiet(tr)
		m.feed(tr, []byte("\n"))
		m.quiet(tr)
		m.payloadsAreJSON()
		m.events = nil
		good := strings.ReplaceAll(prompts(1, "hello")+answers(2, "m", "end_turn", textBlock), `"uuid":"u`, `"uuid":"good`)
		good = strings.ReplaceAll(good, `"sessionId":"s"`, `"sessionId":"good"`)
		good = strings.ReplaceAll(good, "2026-", "9026-")
		m.feed(tr, []byte(good))
		m.quiet(tr)
		if len(m.events) != 3 {
			t.Fatalf("%d events of the good lines, want 3", len(m.events))
		}
		encode(tr.state)
	})
}

func (m *machine) payloadsAreJSON() {
	for _, f := range m.events {
		raw, err := f.event.Data.Bytes()
		if err != nil || !json.Valid(raw) {
			m.t.Fatalf("%q: %v", raw, err)
		}
	}
}
