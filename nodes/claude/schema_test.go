package claude

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

func TestEachEventFitsTheSchema(t *testing.T) {
	for _, v := range vectors(t) {
		for name, config := range combinations {
			config.Subagents = v.Subagents
			for _, mode := range []string{"turn", "line"} {
				config.Mode = mode
				m := newMachine(t, config)
				for _, file := range v.Files {
					tr := m.open(file)
					m.feed(tr, readFile(t, "testdata/"+file))
					m.quiet(tr)
				}
				for _, e := range eventsOf(m.events) {
					if err := enginetest.Fits(schema(config), e); err != nil {
						t.Errorf("%s, %s, mode %s: %v", v.Name, name, mode, err)
					}
				}
			}
		}
	}
}

func TestEachPayloadFitsTheSchema(t *testing.T) {
	some, text, took := 1, "x", 0.5
	said := &messageBody{Role: "assistant", Content: encode([]block{{Type: "text", Text: "hello"}}), Usage: &usage{}}
	from := origin{true, "a", "/", "main", "claude", "2", viaHook, "u"}
	for kind, payload := range map[string]any{
		sessionStarted:    startedPayload{head{sessionStarted, "s", stamp}, &some, "cli", true, from},
		responseCompleted: completedPayload{head{responseCompleted, "s", stamp}, "cli", []string{"Bash"}, &took, said, from},
		messageReceived:   receivedPayload{head{messageReceived, "s", stamp}, "cli", said, from},
		sessionError:      errorPayload{head{sessionError, "s", stamp}, &some, "x", "y", encode(529), from},
		cancelInitiated:   canceledPayload{head{cancelInitiated, "s", stamp}, &some, true, from},
		sessionCompacted:  compactedPayload{head{sessionCompacted, "s", stamp}, "auto", from},
		processExit:       exitPayload{head{processExit, "s", stamp}, &some, &some, &text, from},
	} {
		e := &engine.Event{Source: "claude", Type: kind, Data: engine.JSON(encode(payload))}
		if err := enginetest.Fits(schema(Config{Level: "full", IncludeMessage: true}), e); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestEachHookThatComesByItsOwnNameIsDeclared(t *testing.T) {
	paths, err := filepath.Glob("testdata/hooks/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal(err, paths)
	}
	s := &source{config: Config{Path: "/claude", Level: "full"}, ways: newWays()}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := s.posted(body, time.Now())
		if err != nil || f.event == nil {
			t.Fatalf("%s: %v", path, err)
		}
		if known := schema(s.config).Name("type").Known; !slices.Contains(known, f.event.Type) {
			t.Errorf("%s becomes %s, which is not in %q", path, f.event.Type, known)
		}
	}
}

func TestOnlyWhatTheSettingsGiveIsDeclared(t *testing.T) {
	kinds := func(c Config) engine.Shape { return schema(c).Name("type") }
	if kinds(Config{Level: "basic"}).MayBeText(sessionError) {
		t.Error("basic has no session-error")
	}
	if !kinds(Config{Level: "full"}).MayBeText(sessionError) {
		t.Error("full has session-error")
	}
	if kinds(Config{Level: "full"}).MayBeText("PreToolUse") || !kinds(Config{Level: "full", Path: "/claude"}).MayBeText("PreToolUse") {
		t.Error("a hook's own event comes only where hooks are taken")
	}
	for _, include := range []bool{false, true} {
		if _, known := schema(Config{Level: "basic", IncludeMessage: include}).Name("data").Field("message"); known != include {
			t.Errorf("include_message %v: message is known: %v", include, known)
		}
	}
}
