package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

// TestMain is also the program that the tests run.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "program" {
		program(os.Args[2], os.Args[3:])
		return
	}
	goleak.VerifyTestMain(m)
}

func program(do string, args []string) {
	switch do {
	case "args":
		fmt.Printf("%q\n", args)
	case "stdin":
		io.Copy(os.Stdout, os.Stdin)
	case "env":
		fmt.Println(os.Getenv("EXEC_SEEN"), os.Getenv("EXEC_UNSEEN"), len(os.Environ()))
	case "dir":
		dir, _ := os.Getwd()
		fmt.Println(dir)
	case "write":
		fmt.Print(args[0])
	case "fail":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 5000), "no such \xffroom")
		os.Exit(3)
	case "fail-if": // what it reads is the text
		if in, _ := io.ReadAll(os.Stdin); string(in) == args[0] {
			os.Exit(1)
		}
	case "flood":
		for {
			os.Stdout.Write(make([]byte, 64<<10))
		}
	case "sleep":
		time.Sleep(10 * time.Minute)
	case "leave": // another behind that keeps the output open, and writes its pid
		self, _ := os.Executable()
		other := exec.Command(self, "program", "sleep")
		other.Stdout = os.Stdout
		if err := other.Start(); err != nil {
			os.Exit(9)
		}
		os.WriteFile(args[0], fmt.Append(nil, other.Process.Pid), 0o600)
		if len(args) > 1 {
			time.Sleep(10 * time.Minute)
		}
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func mistakes(t *testing.T, yaml string) (Config, []string) {
	t.Helper()
	v, diags := flows.ParseValue(yaml)
	if diags.Failed() {
		t.Fatal(diags)
	}
	c := Exec.Default
	var said []string
	for _, d := range flows.Decode(v, &c) {
		said = append(said, d.Message)
	}
	return c, said
}

// open builds a node whose command is the test's own program, and opens it.
func open(t *testing.T, command, rest string) engine.Sink {
	t.Helper()
	c, said := mistakes(t, fmt.Sprintf("{command: [%q, program, %s], %s}", self(t), command, rest))
	if said != nil {
		t.Fatal(said)
	}
	s, err := Exec.New(c)
	if err != nil {
		t.Fatal(err)
	}
	env, _ := enginetest.NewEnv("flow", "exec")
	if err := s.(engine.Opener).Open(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	return s
}

func event(id, data string) *engine.Event {
	return &engine.Event{ID: id, Type: "made", Subject: "room", Data: engine.JSON([]byte(data))}
}

// relayed gives a node events and returns what it passes on, as JSON texts.
func relayed(t *testing.T, s engine.Sink, batch ...*engine.Event) ([]string, error) {
	t.Helper()
	var out engine.Outlet
	err := s.(engine.Relay).WriteOut(t.Context(), batch, &out)
	var got []string
	for _, e := range out.Emitted(0) {
		text, err := e.Data.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(text))
	}
	return got, err
}

func TestWhatAnEventPutsIntoAnArgumentStaysOneArgument(t *testing.T) {
	s := open(t, `args, "{{ data.a }}", "x{{ data.b }}y", "{{ data.c }}"`, `result: .`)
	got, err := relayed(t, s, event("1", `{"a":"$(id); rm -rf 'x' \"y\"\n*","b":[1,{"c":2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`"[\"$(id); rm -rf 'x' \\\"y\\\"\\n*\" \"x[1,{\\\"c\\\":2}]y\" \"\"]"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := relayed(t, s, event("1", `{"a":"\u0000"}`)); !permanent(err) {
		t.Errorf("a zero byte in an argument: %v", err)
	}
}

func TestTheProgramReadsTheDataOfTheEvent(t *testing.T) {
	for data, want := range map[string]string{
		`{"a": 1.50}`: `"{\"a\": 1.50}"`, `"te\"xt"`: `"te\"xt"`, `null`: `""`, `[1]`: `"[1]"`,
	} {
		got, err := relayed(t, open(t, `stdin`, `result: .`), event("1", data))
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: wrote %v, %v, want %s", data, got, err, want)
		}
	}
	got, err := relayed(t, open(t, `stdin`, `stdin: data.a, result: .`), event("1", `{"a":"only this"}`))
	if err != nil || got[0] != `"only this"` {
		t.Errorf("wrote %v, %v", got, err)
	}
}

func TestTheOutputGoesWhereTheResultSays(t *testing.T) {
	for rest, want := range map[string]string{
		`result: out`:                `{"a":1,"out":"{\"n\":1}"}`,
		`result: deep.er`:            `{"a":1,"deep":{"er":"{\"n\":1}"}}`,
		`result: out, format: json`:  `{"a":1,"out":{"n":1}}`,
		`result: "."`:                `"{\"n\":1}"`,
		`result: ".", format: json`:  `{"n":1}`,
		`result: a, format: "json"`:  `{"a":{"n":1}}`,
		`result: out, env: []`:       `{"a":1,"out":"{\"n\":1}"}`,
		`result: out, dir: "` + `/"`: `{"a":1,"out":"{\"n\":1}"}`,
	} {
		got, err := relayed(t, open(t, `write, "{\"n\":1}\n"`, rest), event("1", `{"a":1}`))
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, %v, want %s", rest, got, err, want)
		}
	}
	given := event("1", `{"a":1}`)
	if _, err := relayed(t, open(t, `write, x`, `result: a.b`), given); !permanent(err) {
		t.Errorf("a result inside a number: %v", err)
	}
	if _, err := relayed(t, open(t, `write, "{} {}"`, `result: r, format: json`), given); !permanent(err) {
		t.Errorf("two values of JSON: %v", err)
	}
	if text, _ := given.Data.Bytes(); string(text) != `{"a":1}` {
		t.Errorf("the event that was given is now %s", text)
	}
}

func TestWithoutAResultTheEventGoesOnAsItWas(t *testing.T) {
	s := open(t, `write, x`, ``)
	if _, ok := s.(engine.Relay); ok {
		t.Error("it passes on events of its own making")
	}
	if err := s.Write(t.Context(), []*engine.Event{event("1", `1`)}); err != nil {
		t.Error(err)
	}
}

func TestTheProgramSeesOfTheEnvironmentWhatIsListed(t *testing.T) {
	t.Setenv("EXEC_SEEN", "yes")
	t.Setenv("EXEC_UNSEEN", "secret")
	for env, want := range map[string]string{`[EXEC_SEEN, EXEC_NONE]`: `"yes  1"`, `[]`: `"  0"`} {
		got, err := relayed(t, open(t, `env`, `result: ., env: `+env), event("1", `1`))
		if err != nil || got[0] != want {
			t.Errorf("%s: %v, %v, want %s", env, got, err, want)
		}
	}
}

func TestAProgramThatFailsSaysWhyAndIsTriedAgain(t *testing.T) {
	_, err := relayed(t, open(t, `fail`, `result: r`), event("1", `1`))
	if err == nil || permanent(err) || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.Contains(err.Error(), "no such \uFFFDroom") || len(err.Error()) > 2*tailSize {
		t.Errorf("got %v", err)
	}
}

func TestAnEventGoesOnOnlyOnceItsProgramIsDone(t *testing.T) {
	got, err := relayed(t, open(t, `fail-if, b`, `result: r`), event("a", `{"a":1}`), event("b", `"b"`))
	var failures engine.Failures
	if !errors.As(err, &failures) || len(failures) != 1 || failures[0].Event.ID != "b" {
		t.Errorf("got %v, want that b failed", err)
	}
	if diff := cmp.Diff([]string{`{"a":1,"r":""}`}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithOneAtATimeWhatIsBehindAFailureWaits(t *testing.T) {
	batch := []*engine.Event{event("a", `"a"`), event("b", `"b"`), event("c", `"c"`)}
	for concurrency, want := range map[string][]string{"1": {"b", "c not tried"}, "3": {"b"}} {
		err := open(t, `fail-if, b`, `concurrency: `+concurrency).Write(t.Context(), batch)
		var failures engine.Failures
		if !errors.As(err, &failures) {
			t.Fatal(err)
		}
		var got []string
		for _, f := range failures {
			said := f.Event.ID
			if errors.Is(f.Err, engine.ErrNotTried) {
				said += " not tried"
			}
			got = append(got, said)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("concurrency %s: %s", concurrency, diff)
		}
	}
}

func TestAProgramThatWritesTooMuchIsStopped(t *testing.T) {
	start := time.Now()
	_, err := relayed(t, open(t, `flood`, `result: r, max_output: 100KiB`), event("1", `1`))
	if !permanent(err) || !strings.Contains(err.Error(), "more than 100KiB") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

func TestAProgramHasItsTimeAndNoMore(t *testing.T) {
	s := open(t, `sleep`, `result: r`)
	ctx := engine.WithTimeout(t.Context(), 50*time.Millisecond)
	start := time.Now()
	var out engine.Outlet
	err := s.(engine.Relay).WriteOut(ctx, []*engine.Event{event("1", `1`)}, &out)
	if err == nil || permanent(err) || !strings.Contains(err.Error(), "within 50ms") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

func TestAProgramEndsWithItsFlow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	err := open(t, `sleep`, ``).Write(ctx, []*engine.Event{event("1", `1`)})
	if !errors.Is(err.(engine.Failures)[0].Err, engine.ErrNotTried) || time.Since(start) > time.Minute {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

func TestAProgramThatIsGoneIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, _ := mistakes(t, path)
	s, err := Exec.New(c)
	if err != nil {
		t.Fatal(err)
	}
	env, _ := enginetest.NewEnv("flow", "exec")
	if err := s.(engine.Opener).Open(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	err = s.Write(t.Context(), []*engine.Event{event("1", `1`)})
	if _, unavailable := engine.IsUnavailable(err.(engine.Failures)[0].Err); !unavailable {
		t.Errorf("got %v", err)
	}
}

func TestAProgramThatIsNotThereIsToldWhenTheNodeOpens(t *testing.T) {
	c, _ := mistakes(t, `no-such-program-anywhere`)
	s, err := Exec.New(c)
	if err != nil {
		t.Fatal(err)
	}
	env, _ := enginetest.NewEnv("flow", "exec")
	if err := s.(engine.Opener).Open(t.Context(), env); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestMistakesAreTold(t *testing.T) {
	for yaml, want := range map[string]string{
		`{}`:                                    "command",
		`[]`:                                    "want a program",
		`[""]`:                                  "want a program",
		`["{{ data.program }}"]`:                "must not choose the program",
		`echo hello`:                            "as in [echo, hello]",
		`{command: x, result: a..b}`:            "want a field",
		`{command: x, format: xml}`:             "want text or json",
		`{command: x, env: [A=b]}`:              "names of environment variables",
		`{command: x, concurrency: 0}`:          "want 1 to 256",
		`{command: x, max_output: 1GiB}`:        "want 1 byte",
		`{command: [x, "{{ data. }}"]}`:         "",
		`{command: [x], stdin: "data.("}`:       "",
		`{command: [x], max-output: 1}`:         "unknown",
		`{command: [x], timeout_seconds: 1}`:    "unknown",
		`{command: {program: x}, format: text}`: "",
	} {
		if _, said := mistakes(t, yaml); len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%s: %q, want one with %q", yaml, said, want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestInARehearsalNothingRuns(t *testing.T) {
	c, _ := mistakes(t, `{command: [no-such-program, "{{ id }}"], result: r}`)
	s, err := Exec.New(c)
	if err != nil {
		t.Fatal(err)
	}
	status := 200
	env, _ := enginetest.NewEnv("flow", "exec")
	var shown map[string]any
	env.Outside = &engine.Outside{HTTP: roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		shown, _ = s.(engine.Rehearser).Rehearse(r, body)
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("said\n"))}, err
	})}
	if err := s.(engine.Opener).Open(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	got, err := relayed(t, s, event("1", `{"a":1}`))
	if err != nil || got[0] != `{"a":1,"r":"said"}` {
		t.Errorf("%v, %v", got, err)
	}
	want := map[string]any{"command": []any{"no-such-program", "1"}, "stdin": `{"a":1}`}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Error(diff)
	}
	status = 500
	if _, err := relayed(t, s, event("1", `{"a":1}`)); err == nil || permanent(err) {
		t.Errorf("got %v", err)
	}
}

func permanent(err error) bool {
	var failures engine.Failures
	return errors.As(err, &failures) && len(failures) == 1 && engine.IsPermanent(failures[0].Err)
}

func BenchmarkExec(b *testing.B) {
	c := Exec.Default
	path, err := exec.LookPath("true")
	if err != nil {
		b.Skip(err)
	}
	v, _ := flows.ParseValue(path)
	flows.Decode(v, &c)
	s, _ := Exec.New(c)
	env, _ := enginetest.NewEnv("flow", "exec")
	if err := s.(engine.Opener).Open(b.Context(), env); err != nil {
		b.Fatal(err)
	}
	batch := []*engine.Event{event("1", `{"a":1}`)}
	for b.Loop() {
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
