package claude

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

// A vector is what transcripts are expected to give.
type vector struct {
	Name        string
	Files       []string
	AlreadyRead []string
	Subagents   bool
	Expected    map[string][]map[string]any // by level and include_message
}

// combinations are the settings that each vector has expectations for.
var combinations = map[string]Config{
	"full_includeMessage":  {Level: "full", IncludeMessage: true},
	"full_noMessage":       {Level: "full"},
	"basic_includeMessage": {Level: "basic", IncludeMessage: true},
	"basic_noMessage":      {Level: "basic"},
}

func vectors(t testing.TB) []vector {
	t.Helper()
	names, err := filepath.Glob("testdata/expected/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal("no vectors", err)
	}
	var all []vector
	for _, name := range names {
		raw := readFile(t, name)
		v := vector{Name: strings.TrimSuffix(filepath.Base(name), ".json")}
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		var parts map[string]json.RawMessage
		if err := json.Unmarshal(raw, &parts); err != nil {
			t.Fatal(err)
		}
		v.Expected = map[string][]map[string]any{}
		for name := range combinations {
			var events []map[string]any
			if err := json.Unmarshal(parts[name], &events); err != nil {
				t.Fatal(err)
			}
			v.Expected[name] = events
		}
		for i, file := range v.Files {
			v.Files[i] = strings.Replace(file, "projects/", "tree/", 1)
		}
		all = append(all, v)
	}
	return all
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// sessionOf is the id that a vector's file is named after where it was written.
func sessionOf(t testing.TB, name string) string {
	t.Helper()
	var files []struct {
		File, FileSessionID string
	}
	if err := json.Unmarshal(readFile(t, "testdata/manifest.json"), &files); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Replace(f.File, "projects/", "tree/", 1) == name {
			return f.FileSessionID
		}
	}
	t.Fatalf("%s is not in the manifest", name)
	return ""
}

// A machine reads transcripts as a watcher does, without files or clocks.
type machine struct {
	t      testing.TB
	config *Config
	uuids  *seen
	ways   *ways
	events []found
}

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newMachine(t testing.TB, config Config) *machine {
	if config.Mode == "" {
		config.Mode = "turn"
	}
	return &machine{t: t, config: &config, uuids: newSeen(maxSeen), ways: newWays()}
}

func (m *machine) open(name string) *transcript {
	return newTranscript(m.config, sessionOf(m.t, name), m.uuids, m.ways, now)
}

func (m *machine) feed(tr *transcript, p []byte) { m.events = append(m.events, tr.Feed(now, p)...) }

func (m *machine) quiet(tr *transcript) {
	m.events = append(m.events, tr.Quiet(now.Add(time.Hour))...)
}

// restart forgets everything but what a checkpoint holds.
func (m *machine) restart(tr *transcript, read []byte) *transcript {
	m.t.Helper()
	saved := encode(tr.state)
	m.uuids, m.ways = newSeen(maxSeen), newWays()
	next := newTranscript(m.config, tr.id, m.uuids, m.ways, now)
	var s state
	if err := json.Unmarshal(saved, &s); err != nil {
		m.t.Fatal(err)
	}
	next.resume(s)
	for line := range bytes.Lines(read[:s.Offset]) {
		next.Remember(line)
	}
	return next
}

// ours are the fields that we put beside those of the vectors.
var ours = []string{"cwd", "gitBranch", "model", "version", "via", "uuid", "agentId", "observed"}

// payloads are the payloads without our own fields.
func payloads(t testing.TB, events []*engine.Event) []map[string]any {
	t.Helper()
	list := []map[string]any{}
	for _, e := range events {
		raw, err := e.Data.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		var p map[string]any
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(p, func(name string, _ any) bool { return slices.Contains(ours, name) })
		list = append(list, p)
		if e.Source != "claude" || e.Type != p["type"] || e.Subject != p["sessionId"] || e.ID == "" {
			t.Errorf("attributes of %s don't fit: %+v", raw, e)
		}
		if when, err := time.Parse(time.RFC3339, p["timestamp"].(string)); err != nil || !when.Equal(e.Time) {
			t.Errorf("time of %s is %v", raw, e.Time)
		}
	}
	return list
}

func (m *machine) payloads() []map[string]any { return payloads(m.t, eventsOf(m.events)) }

func eventsOf(list []found) []*engine.Event {
	events := make([]*engine.Event, len(list))
	for i, f := range list {
		events[i] = f.event
	}
	return events
}

// eachVector runs a test over each vector and combination of settings. read
// feeds one file.
func eachVector(t *testing.T, read func(m *machine, name string, p []byte)) {
	for _, v := range vectors(t) {
		for name, config := range combinations {
			t.Run(v.Name+"/"+name, func(t *testing.T) {
				config.Subagents = v.Subagents
				m := newMachine(t, config)
				for _, file := range v.AlreadyRead {
					tr := m.open(file)
					m.feed(tr, readFile(t, "testdata/"+file))
					m.quiet(tr)
				}
				m.events = nil
				for _, file := range v.Files {
					if strings.Contains(file, "/subagents/") && !v.Subagents {
						continue
					}
					read(m, file, readFile(t, "testdata/"+file))
				}
				if diff := cmp.Diff(v.Expected[name], m.payloads()); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}

func TestEachTranscriptGivesItsEvents(t *testing.T) {
	eachVector(t, func(m *machine, name string, p []byte) {
		tr := m.open(name)
		m.feed(tr, p)
		m.quiet(tr)
		if tr.damaged > 0 {
			t.Errorf("%d damaged places", tr.damaged)
		}
	})
}

func TestATranscriptMayBeCutAnywhere(t *testing.T) {
	eachVector(t, func(m *machine, name string, p []byte) {
		tr := m.open(name)
		for len(p) > 0 {
			n := min(len(p), 1+rand.IntN(700))
			m.feed(tr, p[:n])
			p = p[n:]
		}
		m.quiet(tr)
	})
}

func TestATranscriptThatIsReadTwiceGivesNothingNew(t *testing.T) {
	eachVector(t, func(m *machine, name string, p []byte) {
		tr := m.open(name)
		m.feed(tr, p)
		m.quiet(tr)
		m.feed(tr, p)
		m.quiet(tr)
		tr.Again(false)
		m.feed(tr, p)
		m.quiet(tr)
	})
}

func TestARestartAtAnyRecordChangesNothing(t *testing.T) {
	for _, v := range vectors(t) {
		if len(v.AlreadyRead) > 0 {
			continue // what was read of other files is forgotten, but for copies: the cold vector has that
		}
		for _, file := range v.Files {
			whole := newMachine(t, Config{Level: "full", IncludeMessage: true, Subagents: v.Subagents})
			p := readFile(t, "testdata/"+file)
			tr := whole.open(file)
			whole.feed(tr, p)
			whole.quiet(tr)
			for cut := range p {
				if p[cut] != '\n' {
					continue
				}
				m := newMachine(t, *whole.config)
				tr := m.open(file)
				m.feed(tr, p[:cut+1])
				tr = m.restart(tr, p)
				m.feed(tr, p[cut+1:])
				m.quiet(tr)
				if diff := cmp.Diff(whole.payloads(), m.payloads()); diff != "" {
					t.Fatalf("%s restarted at %d (-want +got)\n%s", file, cut, diff)
				}
			}
		}
	}
}

func TestACrashBeforeTheCheckpointGivesTheSameIDsAgain(t *testing.T) {
	for _, v := range vectors(t) {
		for _, file := range v.Files {
			ids := func() map[string]string {
				m := newMachine(t, Config{Level: "full", IncludeMessage: true, Subagents: v.Subagents})
				tr := m.open(file)
				m.feed(tr, readFile(t, "testdata/"+file))
				m.quiet(tr)
				byID := map[string]string{}
				for _, f := range m.events {
					raw, _ := f.event.Data.Bytes()
					byID[f.event.ID] = string(raw)
				}
				if len(byID) != len(m.events) {
					t.Errorf("%s: %d ids for %d events", file, len(byID), len(m.events))
				}
				return byID
			}
			if diff := cmp.Diff(ids(), ids()); diff != "" {
				t.Errorf("%s (-first +second)\n%s", file, diff)
			}
		}
	}
}

func TestATurnThatEndsWithAToolTellsNothing(t *testing.T) {
	p := readFile(t, "testdata/tools.jsonl")
	m := newMachine(t, Config{Level: "full"})
	tr := m.open("tools.jsonl")
	lines := slices.Collect(bytes.Lines(p))
	for i, line := range lines[:11] { // up to the last result
		m.feed(tr, line)
		m.quiet(tr)
		for _, f := range m.events {
			if f.event.Type == responseCompleted {
				t.Fatalf("line %d completes a response: %s", i+1, line)
			}
		}
	}
}

func TestLineModeHasAnEventForEachMessageLine(t *testing.T) {
	for file, want := range map[string][2]int{ // completed, received; as ccpipe 0.7.5 counts
		"simple.jsonl": {2, 1}, "tools.jsonl": {8, 6}, "interrupt.jsonl": {3, 6}, "apierror.jsonl": {2, 2},
		"sidechain.jsonl": {5, 4}, "resumed.jsonl": {3, 2}, "compact.jsonl": {4, 5},
	} {
		m := newMachine(t, Config{Level: "full", Mode: "line"})
		tr := m.open(file)
		m.feed(tr, readFile(t, "testdata/"+file))
		m.quiet(tr)
		counts := map[string]int{}
		for _, f := range m.events {
			counts[f.event.Type]++
		}
		if got := [2]int{counts[responseCompleted], counts[messageReceived]}; got != want {
			t.Errorf("%s: %v completed and received, want %v", file, got, want)
		}
		if counts[sessionStarted] != 1 {
			t.Errorf("%s: %d sessions started", file, counts[sessionStarted])
		}
		n := len(m.events)
		tr.Again(false)
		m.feed(tr, readFile(t, "testdata/"+file))
		if len(m.events) != n {
			t.Errorf("%s: written anew, it told %d events again", file, len(m.events)-n)
		}
	}
}

func TestLineModeMeasuresSinceTheMessageBefore(t *testing.T) {
	m := newMachine(t, Config{Level: "basic", Mode: "line"})
	m.feed(m.open("tools.jsonl"), readFile(t, "testdata/tools.jsonl"))
	var got []any
	for _, p := range m.payloads() {
		if p["type"] == responseCompleted {
			got = append(got, p["responseTime"])
		}
	}
	if diff := cmp.Diff([]any{3.0, 0.4, 0.4, 0.4, 3.0, 1.4, 3.0, 3.25}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// say makes a line of a transcript of ours.
func say(n int, kind, fields string) string {
	return fmt.Sprintf(`{"type":%q,"uuid":"u%d","sessionId":"s","timestamp":"2026-09-01T07:30:%02d.000Z",%s}`+"\n", kind, n, n, fields)
}

func prompts(n int, words string) string {
	return say(n, "user", fmt.Sprintf(`"promptSource":"typed","message":{"role":"user","content":%q}`, words))
}

func answers(n int, id, stop, block string) string {
	if stop != "null" {
		stop = `"` + stop + `"`
	}
	return say(n, "assistant", fmt.Sprintf(`"message":{"id":%q,"role":"assistant","stop_reason":%s,"content":[%s]}`, id, stop, block))
}

const (
	textBlock = `{"type":"text","text":"well"}`
	toolBlock = `{"type":"tool_use","name":"Bash","input":{}}`
)

// told reads lines of session s and lists what they tell: the type and the
// uuid or, of a response, its time.
func told(t *testing.T, lines ...string) []string {
	m := newMachine(t, Config{Level: "full"})
	tr := newTranscript(m.config, "s", m.uuids, m.ways, now)
	list := []string{}
	note := func(events []found) {
		for _, f := range events {
			v, err := f.event.Data.Value()
			if err != nil {
				t.Fatal(err)
			}
			p := v.(map[string]any)
			list = append(list, fmt.Sprint(p["type"], " ", p["uuid"], " ", p["responseTime"]))
		}
	}
	for _, l := range lines {
		switch l {
		case "1s", "5s":
			d, _ := time.ParseDuration(l)
			note(tr.Quiet(now.Add(d)))
		default:
			note(tr.Feed(now, []byte(l)))
		}
	}
	return list
}

func TestWhenAResponseIsComplete(t *testing.T) {
	start := []string{"session-started <nil> <nil>", "user-message-received u1 <nil>"}
	duration := say(9, "system", `"subtype":"turn_duration"`)
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"the end is told after a second", []string{answers(2, "a", "end_turn", textBlock), "1s"}, []string{"assistant-response-completed u2 1"}},
		{"at once with the duration", []string{answers(2, "a", "end_turn", textBlock), duration}, []string{"assistant-response-completed u2 1"}},
		{"once", []string{answers(2, "a", "max_tokens", textBlock), duration, "1s", "5s", duration}, []string{"assistant-response-completed u2 1"}},
		{"without a reason after five", []string{answers(2, "a", "null", textBlock), "1s"}, nil},
		{"without a reason", []string{answers(2, "a", "null", textBlock), "5s"}, []string{"assistant-response-completed u2 1"}},
		{"thinking is no answer", []string{answers(2, "a", "null", `{"type":"thinking","thinking":"hm"}`), "5s", duration}, nil},
		{"a pause is none", []string{answers(2, "a", "pause_turn", textBlock), "5s", duration}, nil},
		{"a tool is none", []string{answers(2, "a", "null", textBlock), answers(3, "a", "null", toolBlock), "5s", duration}, nil},
		{"what a tool gave shows that it goes on", []string{answers(2, "a", "null", textBlock), say(3, "user", `"toolUseResult":{}`), "5s"}, nil},
		{"a Stop hook made it go on", []string{answers(2, "a", "end_turn", textBlock), say(3, "system", `"subtype":"stop_hook_summary"`), answers(4, "b", "end_turn", textBlock), duration},
			[]string{"assistant-response-completed u2 1", "assistant-response-completed u4 3"}},
		{"another message ends the one before", []string{answers(2, "a", "end_turn", textBlock), answers(4, "b", "tool_use", toolBlock), duration}, []string{"assistant-response-completed u2 1"}},
		{"the next prompt ends it", []string{answers(2, "a", "null", textBlock), prompts(4, "next")}, []string{"assistant-response-completed u2 1", "user-message-received u4 <nil>"}},
		{"a synthetic message is none", []string{say(2, "assistant", `"message":{"id":"a","model":"<synthetic>","stop_reason":"stop_sequence","content":[`+textBlock+`]}`), duration}, nil},
		{"an interruption leaves out what was not ended", []string{answers(2, "a", "null", textBlock), say(3, "user", `"message":{"content":"[Request interrupted by user]"}`), duration, "5s"}, []string{"cancel-initiated u3 <nil>"}},
		{"but not what was", []string{answers(2, "a", "end_turn", textBlock), say(3, "user", `"interruptedMessageId":"a"`)}, []string{"assistant-response-completed u2 1", "cancel-initiated u3 <nil>"}},
		{"a background task wakes it", []string{answers(2, "a", "end_turn", textBlock), say(5, "user", `"message":{"content":"<task-notification>done"}`), answers(7, "b", "end_turn", textBlock), duration},
			[]string{"assistant-response-completed u2 1", "assistant-response-completed u7 2"}},
		{"a line of a fork is none", []string{say(2, "assistant", `"forkedFrom":{"sessionId":"o"},"message":{"id":"a","stop_reason":"end_turn","content":[`+textBlock+`]}`), duration}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := told(t, append([]string{prompts(1, "hello")}, c.lines...)...)
			if diff := cmp.Diff(append(slices.Clone(start), c.want...), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestALineOfAnotherSessionIsItsOwnUnlessCopied(t *testing.T) {
	stray := strings.ReplaceAll(prompts(5, "stray"), `"sessionId":"s"`, `"sessionId":"other"`)
	copied := strings.ReplaceAll(stray, "07:30:05", "06:00:00")
	if got := told(t, copied, prompts(1, "mine"), copied); len(got) != 2 {
		t.Errorf("a copied line tells something: %q", got)
	}
	if got := told(t, prompts(1, "mine"), stray); len(got) != 4 {
		t.Errorf("want two sessions and two prompts, got %q", got)
	}
}

func TestAFileThatLostItsLastLineTellsOnlyWhatIsNew(t *testing.T) {
	m := newMachine(t, Config{Level: "full"})
	tr := newTranscript(m.config, "s", m.uuids, m.ways, now)
	m.feed(tr, []byte(prompts(1, "hello")+answers(2, "a", "null", textBlock)))
	tr.Again(false) // the broken answer is gone
	m.feed(tr, []byte(prompts(1, "hello")+answers(3, "b", "end_turn", textBlock)))
	m.quiet(tr)
	var got []any
	for _, p := range m.payloads() {
		got = append(got, p["type"], p["timestamp"])
	}
	want := []any{
		sessionStarted, "2026-09-01T07:30:01.000Z", messageReceived, "2026-09-01T07:30:01.000Z",
		responseCompleted, "2026-09-01T07:30:03.000Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestARestartWhileAFileIsWrittenAnewTellsOnlyWhatIsNew(t *testing.T) {
	m := newMachine(t, Config{Level: "full"})
	tr := newTranscript(m.config, "s", m.uuids, m.ways, now)
	first, rest := prompts(1, "hello"), answers(2, "a", "end_turn", textBlock)
	m.feed(tr, []byte(first+rest))
	m.quiet(tr)
	tr.Again(false)
	m.feed(tr, []byte(first))
	tr = m.restart(tr, []byte(first))
	m.feed(tr, []byte(rest+prompts(3, "more")+answers(4, "b", "end_turn", textBlock)))
	m.quiet(tr)
	if len(m.events) != 5 {
		t.Errorf("%d events, want a session, two prompts and two answers: %v", len(m.events), m.payloads())
	}
}

func TestWhatIsUnexpectedIsLeftOutAndNoMore(t *testing.T) {
	odd := `{"type":"user","uuid":"u1","sessionId":"s","timestamp":5,"version":{},"message":{"role":1,"content":"x"},"isMeta":"no","futureField":[1]}` + "\n"
	if got := told(t, odd, `{"type":"surprise","uuid":"u2","sessionId":"s"}`+"\n", "[]\n", "7\n"); len(got) != 2 {
		t.Errorf("want a session and a prompt, got %q", got)
	}
}

func TestTheMemoryOfUUIDsIsBounded(t *testing.T) {
	s := newSeen(100)
	for i := range 10_000 {
		if !s.add(fmt.Sprint(i)) {
			t.Fatalf("%d is taken for seen", i)
		}
		if i > 0 && s.add(fmt.Sprint(i-1)) {
			t.Fatalf("%d is forgotten at once", i-1)
		}
	}
	if n := len(s.young) + len(s.old); n > 200 {
		t.Errorf("%d are remembered, want at most 200", n)
	}
}

func TestTheChainsOfAFileAreBounded(t *testing.T) {
	m := newMachine(t, Config{Level: "full", Subagents: true})
	tr := newTranscript(m.config, "s", m.uuids, m.ways, now)
	m.feed(tr, []byte(prompts(1, "hello")))
	for i := range 3 * maxChains {
		l := fmt.Sprintf(`{"type":"assistant","uuid":"h%d","sessionId":"s","isSidechain":true,"agentId":"a%d","timestamp":"2026-09-01T07:31:00.000Z","message":{"id":"m%d","stop_reason":"end_turn","content":[%s]}}`, i, i, i, textBlock)
		m.feed(tr, []byte(l+"\n"))
	}
	m.feed(tr, []byte(answers(2, "a", "end_turn", textBlock)))
	m.quiet(tr)
	if len(tr.state.Chains) > maxChains {
		t.Errorf("%d chains", len(tr.state.Chains))
	}
	completed, measured := 0, 0
	for _, p := range m.payloads() {
		switch {
		case p["type"] != responseCompleted:
		case p["isSubagent"] == true:
			completed++
		case p["responseTime"] == 1.0:
			measured++
		}
	}
	if completed != 3*maxChains || measured != 1 {
		t.Errorf("%d responses of helpers, %d of the session, want %d and 1", completed, measured, 3*maxChains)
	}
}
