package claude

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

// post gives a body to the source as the engine does.
func (b *bench) post(body []byte, authorization string) engine.Answer {
	b.t.Helper()
	routes := b.source.Routes(b.inlet)
	if len(routes) != 1 || routes[0].Path != b.config.Path {
		b.t.Fatalf("routes %+v", routes)
	}
	r := httptest.NewRequest(http.MethodPost, b.config.Path, bytes.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return routes[0].Serve(r, body)
}

// accept posts a body, which must be answered with nothing.
func (b *bench) accept(body []byte) {
	b.t.Helper()
	a := b.post(body, "")
	if a.Status != 0 && a.Status != http.StatusOK || len(a.Body) > 0 {
		b.t.Fatalf("answered %d %q, want an empty 200", a.Status, a.Body)
	}
}

func posts(level string) Config {
	return Config{Level: level, Path: "/claude", StartAt: StartAt{End: true}}
}

func hookBody(t testing.TB, name string) []byte { return readFile(t, "testdata/hooks/"+name+".json") }

func data(t testing.TB, e *engine.Event) map[string]any {
	t.Helper()
	raw, err := e.Data.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var p map[string]any
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHooksBecomeEvents(t *testing.T) {
	for _, c := range []struct {
		hook, kind string
		want       map[string]any // of the payload; nil is a field that must not be there
	}{
		{"SessionStart", sessionStarted, map[string]any{"pid": "null", "reason": "startup", "model": "claude-sonnet-4-6", "source": nil}},
		{"Stop", responseCompleted, map[string]any{"tools": []any{}, "responseTime": "null", "message": nil, "last_assistant_message": nil}},
		{"UserPromptSubmit", messageReceived, map[string]any{"message": nil, "prompt": nil, "permission_mode": "default"}},
		{"StopFailure", sessionError, map[string]any{"error": "API Error: Rate limit reached", "errorType": "rate_limit", "error_details": "429 Too Many Requests"}},
		{"PostCompact", sessionCompacted, map[string]any{"trigger": "manual", "compact_summary": nil}},
		{"SessionEnd", processExit, map[string]any{"pid": "null", "code": "null", "signal": "null", "reason": "prompt_input_exit"}},
		{"SessionEnd.clear", "SessionEnd", map[string]any{"reason": "clear"}},
		{"SubagentStop", "SubagentStop", map[string]any{"last_assistant_message": "There are 7 TODOs."}},
		{"PreToolUse", "PreToolUse", map[string]any{"tool_input": map[string]any{"command": "ls", "description": "List"}}},
		{"Notification", "Notification", map[string]any{"message": "Claude needs your permission"}},
	} {
		t.Run(c.hook, func(t *testing.T) {
			b := newBench(t, posts("full"))
			b.start()
			b.accept(hookBody(t, c.hook))
			e := b.wait(1)[0]
			p := data(t, e)
			if e.Type != c.kind || e.Source != "claude" || e.Subject != "b26a7728-ca9e-5ed2-b782-db09cd570495" || time.Since(e.Time) > time.Minute {
				t.Errorf("attributes %+v, want type %s", e, c.kind)
			}
			if p["type"] != c.kind || p["sessionId"] != e.Subject || p["via"] != "hook" || p["cwd"] != "/home/dev/demo-app" {
				t.Errorf("payload %v", p)
			}
			if at, err := time.Parse(time.RFC3339, p["timestamp"].(string)); err != nil || at.Sub(e.Time).Abs() > time.Millisecond {
				t.Errorf("timestamp %v, time %v", p["timestamp"], e.Time)
			}
			for name, want := range c.want {
				got, there := p[name]
				if want == "null" && there && got == nil {
					continue
				}
				if there != (want != nil) || !cmp.Equal(got, want) {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
		})
	}
}

func TestHooksThatAreNotKnownKeepTheirFields(t *testing.T) {
	names, err := filepath.Glob("testdata/hooks/*.json")
	if err != nil || len(names) != 15 {
		t.Fatal(names, err)
	}
	b := newBench(t, posts("basic"))
	b.start()
	for i, name := range names {
		body := readFile(t, name)
		var sent map[string]any
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
		sent["hook_event_name"] = "Future"
		body, _ = json.Marshal(sent)
		b.accept(body)
		got := data(t, b.wait(i + 1)[i])
		for _, added := range []string{"type", "sessionId", "timestamp", "via"} {
			if got[added] == nil {
				t.Errorf("%s is missing", added)
			}
			delete(got, added)
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Errorf("%s (-sent +got)\n%s", name, diff)
		}
	}
}

func TestTheLevelHoldsForHooksToo(t *testing.T) {
	b := newBench(t, posts("basic"))
	b.start()
	for _, hook := range []string{"UserPromptSubmit", "StopFailure", "PostCompact", "SessionStart", "Stop", "SessionEnd"} {
		b.accept(hookBody(t, hook))
	}
	var got []string
	for _, e := range b.wait(3) {
		got = append(got, e.Type)
	}
	if diff := cmp.Diff([]string{sessionStarted, responseCompleted, processExit}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestHooksSayWhatWasSaidIfAskedTo(t *testing.T) {
	config := posts("full")
	config.IncludeMessage, config.Subagents = true, true
	b := newBench(t, config)
	b.start()
	b.accept(hookBody(t, "UserPromptSubmit"))
	b.accept(hookBody(t, "Stop"))
	b.accept(hookBody(t, "SubagentStop"))
	events := b.wait(3)
	for i, want := range []map[string]any{
		{"role": "user", "content": "hello"},
		{"role": "assistant", "content": []any{map[string]any{"type": "text", "text": "Hello! What shall we build today?"}}},
		{"role": "assistant", "content": []any{map[string]any{"type": "text", "text": "There are 7 TODOs."}}},
	} {
		if diff := cmp.Diff(want, data(t, events[i])["message"]); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if p := data(t, events[2]); p["type"] != responseCompleted || p["isSubagent"] != true || p["agentId"] != "a1b2c3d4e5f60718" {
		t.Errorf("the helper's answer is %v", p)
	}
}

func TestASessionThatResumesIsToldAsResumed(t *testing.T) {
	b := newBench(t, posts("basic"))
	b.start()
	start := hookBody(t, "SessionStart")
	b.accept(start)
	b.accept(start)
	b.accept(bytes.ReplaceAll(start, []byte("startup"), []byte("compact")))
	b.accept(bytes.ReplaceAll(start, []byte("startup"), []byte("resume")))
	events := b.wait(3)
	if p := data(t, events[0]); p["resumed"] != nil {
		t.Errorf("the start is %v", p)
	}
	if events[1].Type != "SessionStart" {
		t.Errorf("a compaction is a %s", events[1].Type)
	}
	if p := data(t, events[2]); p["type"] != sessionStarted || p["resumed"] != true || events[2].ID == events[0].ID {
		t.Errorf("the resumed start is %v", p)
	}
}

func TestWhatCcpipePostsIsPassedOnAsItIs(t *testing.T) {
	names, err := filepath.Glob("testdata/ccpipe/*.json")
	if err != nil || len(names) != 10 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		body := readFile(t, name)
		b := newBench(t, posts("basic"))
		b.start()
		b.accept(body)
		e := b.wait(1)[0]
		raw, _ := e.Data.Bytes()
		if !bytes.Equal(raw, body) {
			t.Errorf("%s is passed on as %s", name, raw)
		}
		p := data(t, e)
		when, _ := time.Parse(time.RFC3339, p["timestamp"].(string))
		if e.Type != p["type"] || e.Subject != p["sessionId"] || !e.Time.Equal(when) {
			t.Errorf("%s: attributes %+v", name, e)
		}
	}
}

func TestWhatIsNeitherHookNorCcpipeIsRefused(t *testing.T) {
	b := newBench(t, posts("full"))
	b.start()
	for _, body := range []string{"", "null", "[]", "{", "{}", `{"type":7}`, `"Stop"`} {
		if a := b.post([]byte(body), ""); a.Status != http.StatusBadRequest {
			t.Errorf("%q is answered with %d", body, a.Status)
		}
	}
	b.wait(0)
}

func TestPostsNeedTheAuthorization(t *testing.T) {
	config := posts("basic")
	config.Authorization = "Bearer s3cret"
	b := newBench(t, config)
	env, log := enginetest.NewEnv("flow", "claude")
	b.env.Log = env.Log
	b.start()
	for _, given := range []string{"", "s3cre", "s3cret2", "Basic s3cret", "Bearer"} {
		if a := b.post(hookBody(t, "Stop"), given); a.Status != http.StatusUnauthorized {
			t.Errorf("%q is answered with %d", given, a.Status)
		}
	}
	b.wait(0)
	if n := strings.Count(log.String(), "a post was refused"); n != 1 || strings.Contains(log.String(), "s3cre") {
		t.Errorf("the log tells of it %d times, want once in a while and without what was sent:\n%s", n, log)
	}
	for i, given := range []string{"Bearer s3cret", "s3cret"} {
		b.post(hookBody(t, "Stop"), given)
		e := b.wait(i + 1)[i]
		if headers := e.Meta["headers"].(map[string]any); headers["authorization"] != nil {
			t.Error("the event has the authorization in it")
		}
	}
}

func TestAPostThatCanNotBeStoredIsAskedForAgain(t *testing.T) {
	b := newBench(t, posts("basic"))
	b.start()
	b.inlet.Fail = func([]*engine.Event) error { return errors.New("the disk is full") }
	if a := b.post(hookBody(t, "SessionStart"), ""); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("answered %+v", a)
	}
	b.inlet.Fail = nil
	b.accept(hookBody(t, "SessionStart"))
	b.wait(1)
}

// TestOneThingByTwoWaysIsOneEvent has a session told by its transcript, its
// hooks and ccpipe, in any order.
func TestOneThingByTwoWaysIsOneEvent(t *testing.T) {
	kinds := []string{sessionStarted, messageReceived, responseCompleted}
	ways := map[string]func(b *bench){
		"transcript": func(b *bench) {
			b.add(b.path("-a", "simple.jsonl"), readFile(b.t, "testdata/simple.jsonl"))
			b.inlet.Wait(b.t.Context(), 3)
			time.Sleep(50 * time.Millisecond)
		},
		"hooks": func(b *bench) {
			for _, hook := range []string{"SessionStart", "UserPromptSubmit", "Stop"} {
				b.accept(hookBody(b.t, hook))
			}
		},
		"ccpipe": func(b *bench) {
			for _, kind := range []string{"v09.session-started", "v09.user-message-received", "v09.assistant-response-completed"} {
				b.accept(readFile(b.t, "testdata/ccpipe/"+kind+".json"))
			}
		},
	}
	for _, order := range [][]string{{"transcript", "hooks"}, {"hooks", "transcript"}, {"ccpipe", "transcript"}, {"transcript", "ccpipe"}} {
		t.Run(strings.Join(order, ", "), func(t *testing.T) {
			b := newBench(t, posts("full"))
			b.start()
			for _, way := range order {
				ways[way](b)
			}
			var got []string
			for _, e := range b.wait(3) {
				got = append(got, e.Type)
			}
			if diff := cmp.Diff(kinds, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestTheTranscriptHasTheFirstWordOnAnAnswer: a Stop hook comes before the
// lines that confirm the answer, sometimes before the answer itself.
func TestTheTranscriptHasTheFirstWordOnAnAnswer(t *testing.T) {
	p := readFile(t, "testdata/simple.jsonl")
	answer := bytes.LastIndexByte(p[:bytes.Index(p, []byte("Hello! What"))], '\n') + 1
	confirmed := bytes.LastIndexByte(p[:bytes.Index(p, []byte("turn_duration"))], '\n') + 1
	for _, late := range []bool{false, true} {
		b := newBench(t, posts("basic"))
		b.start()
		path := b.path("-a", "simple.jsonl")
		if late {
			b.add(path, p[:answer])
			b.wait(1)
			time.AfterFunc(100*time.Millisecond, func() { b.add(path, p[answer:confirmed]) })
		} else {
			b.add(path, p[:confirmed])
			b.wait(1)
		}
		b.accept(hookBody(t, "Stop"))
		got := data(t, b.wait(2)[1])
		if got["via"] != "transcript" || got["responseTime"] != 5.23 {
			t.Errorf("late %v: the answer is %v", late, got)
		}
		b.add(path, p[confirmed:])
		b.wait(2)
	}
}

func TestAStopHookWhoseAnswerNeverComesIsToldByItself(t *testing.T) {
	p := readFile(t, "testdata/simple.jsonl")
	b := newBench(t, posts("basic"))
	b.start()
	b.add(b.path("-a", "simple.jsonl"), p[:bytes.Index(p, []byte("assistant"))])
	b.wait(1)
	b.accept(hookBody(t, "Stop"))
	if got := data(t, b.wait(2)[1]); got["via"] != "hook" {
		t.Errorf("the answer is %v", got)
	}
}

func TestWithoutAPathNothingIsServed(t *testing.T) {
	s, err := newSource(Source.Default)
	if err != nil {
		t.Fatal(err)
	}
	if routes := s.(engine.Router).Routes(nil); len(routes) > 0 {
		t.Errorf("routes %+v", routes)
	}
	if _, _, _, err := s.(engine.Sampler).Sample(sessionStarted); err == nil {
		t.Error("a sample has nowhere to go")
	}
}

func TestSamplesAreTaken(t *testing.T) {
	config := posts("full")
	config.Authorization = "s3cret"
	b := newBench(t, config)
	b.start()
	for i, kind := range b.source.Samples() {
		path, header, body, err := b.source.Sample(kind)
		if err != nil || path != "/claude" {
			t.Fatal(path, err)
		}
		if a := b.post(body, header.Get("Authorization")); a.Status != 0 && a.Status != http.StatusOK {
			t.Fatalf("%s is answered with %d %s", kind, a.Status, a.Body)
		}
		if e := b.wait(i + 1)[i]; e.Type != kind || !sessionName.MatchString(e.Subject) {
			t.Errorf("%s gives %+v", kind, e)
		}
	}
	if _, _, _, err := b.source.Sample("surprise"); err == nil {
		t.Error("a sample of an unknown type")
	}
}

func FuzzPost(f *testing.F) {
	for _, pattern := range []string{"hooks", "ccpipe"} {
		names, _ := filepath.Glob("testdata/" + pattern + "/*.json")
		for _, name := range names {
			f.Add(readFile(f, name))
		}
	}
	f.Add([]byte(`{"hook_event_name":"Stop","session_id":{},"type":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &source{config: posts("full"), ways: newWays()}
		found, _, err := s.posted(body, now)
		if err != nil || found.event == nil {
			return
		}
		raw, err := found.event.Data.Bytes()
		if err != nil || !json.Valid(raw) || found.event.Type == "" || found.event.ID == "" {
			t.Fatalf("%s gives %+v with %q, %v", body, found.event, raw, err)
		}
	})
}
