package claude

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const demo = "b26a7728-ca9e-5ed2-b782-db09cd570495"

// A child is a process of ours that stands for Claude Code.
type child struct {
	*exec.Cmd
	ended bool
}

func newChild(t *testing.T) *child {
	t.Helper()
	c := &child{Cmd: exec.Command("sleep", "100")}
	if err := c.Start(); err != nil {
		t.Skip("no process to watch: ", err)
	}
	t.Cleanup(c.kill)
	return c
}

// kill ends the process, and takes its exit status: else it is a zombie.
func (c *child) kill() {
	if !c.ended {
		c.ended = true
		c.Process.Kill()
		c.Wait()
	}
}

// procStart is the start of a process as the registry has it.
func procStart(t *testing.T, pid int) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		return ""
	}
	stat := string(readFile(t, "/proc/"+strconv.Itoa(pid)+"/stat"))
	return strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])[19]
}

func (b *bench) registryFile(name string) string {
	return filepath.Join(filepath.Dir(b.config.Dir), "sessions", name)
}

// register writes the registry's file of a process.
func (b *bench) register(pid int, start, session string) string {
	b.t.Helper()
	name := b.registryFile(strconv.Itoa(pid) + ".json")
	b.write(name, fmt.Appendf(nil, `{"pid":%d,"sessionId":%q,"cwd":"/home/dev/demo-app","startedAt":1788247800000,"procStart":%q,"version":"2.1.220","entrypoint":"cli","status":"busy"}`, pid, session, start))
	return name
}

func processes() Config { return Config{Level: "basic", Processes: true, StartAt: StartAt{End: true}} }

func TestAProcessIsToldWhenItStartsAndEnds(t *testing.T) {
	b := newBench(t, processes())
	b.start()
	c := newChild(t)
	b.register(c.Process.Pid, procStart(t, c.Process.Pid), demo)
	started := data(t, b.wait(1)[0])
	c.kill() // its file is left behind
	ended := data(t, b.wait(2)[1])
	at, err := time.Parse(time.RFC3339, ended["timestamp"].(string))
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("it ended at %v", ended["timestamp"])
	}
	delete(ended, "timestamp")
	pid := float64(c.Process.Pid)
	want := []map[string]any{
		{"type": sessionStarted, "sessionId": demo, "timestamp": "2026-09-01T07:30:00.000Z", "pid": pid, "source": "cli",
			"cwd": "/home/dev/demo-app", "version": "2.1.220", "via": "registry"},
		{"type": processExit, "sessionId": demo, "pid": pid, "code": nil, "signal": nil,
			"cwd": "/home/dev/demo-app", "version": "2.1.220", "via": "registry"},
	}
	if diff := cmp.Diff(want, []map[string]any{started, ended}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	b.restart()
	b.wait(2)
}

func TestAProcessEndsWithItsFile(t *testing.T) {
	b := newBench(t, processes())
	b.start()
	b.write(b.registryFile("12345.json"), readFile(t, "testdata/registry/12345.json")) // not to be seen from here
	b.write(b.registryFile("pid-777.json"), readFile(t, "testdata/registry/pid-777.json"))
	b.write(b.registryFile("cut.json"), []byte(`{"pid": 5, "sess`))
	b.wait(2)
	for i, name := range []string{"12345.json", "pid-777.json"} {
		if err := os.Remove(b.registryFile(name)); err != nil {
			t.Fatal(err)
		}
		if e := b.wait(3 + i)[2+i]; e.Type != processExit {
			t.Errorf("the end is a %s", e.Type)
		}
	}
}

func TestAPidThatIsUsedAgainIsAnotherProcess(t *testing.T) {
	b := newBench(t, processes())
	c := newChild(t)
	b.register(c.Process.Pid, "1", demo) // the pid is ours, but the start is not
	b.start()
	b.wait(0) // a leftover
	b.register(c.Process.Pid, procStart(t, c.Process.Pid), "7b6410c9-5719-5c19-b64a-40eb27e0084b")
	b.wait(1)
	c.kill()
	b.wait(2)
}

func TestAProcessThatRanBeforeTheStartIsToldWhenItEnds(t *testing.T) {
	b := newBench(t, processes())
	c := newChild(t)
	b.register(c.Process.Pid, procStart(t, c.Process.Pid), demo)
	b.start()
	b.wait(0)
	b.restart()
	b.wait(0)
	c.kill()
	if e := b.wait(1)[0]; e.Type != processExit {
		t.Errorf("it is a %s", e.Type)
	}
}

func TestAProcessThatRunsIsToldFromTheBeginning(t *testing.T) {
	config := processes()
	config.StartAt = StartAt{}
	b := newBench(t, config)
	c := newChild(t)
	b.register(c.Process.Pid, procStart(t, c.Process.Pid), demo)
	b.register(1<<30, "", "a leftover")
	b.start()
	if e := b.wait(1)[0]; e.Type != sessionStarted || e.Subject != demo {
		t.Errorf("it is a %s of %s", e.Type, e.Subject)
	}
}

func TestAProcessThatEndedMeanwhileIsToldAfterTheRestart(t *testing.T) {
	for _, leftover := range []bool{true, false} {
		b := newBench(t, processes())
		b.start()
		c := newChild(t)
		name := b.register(c.Process.Pid, procStart(t, c.Process.Pid), demo)
		b.wait(1)
		b.stop()
		c.kill()
		if !leftover {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		b.start()
		if e := b.wait(2)[1]; e.Type != processExit {
			t.Errorf("it is a %s", e.Type)
		}
	}
}

func TestAProcessThatIsLookedForIsFoundGone(t *testing.T) {
	c := newChild(t)
	start := procStart(t, c.Process.Pid)
	if !alive(c.Process.Pid, start) {
		t.Fatal("it is not alive")
	}
	gone := make(chan bool)
	go func() { gone <- polled{c.Process.Pid, start}.wait(t.Context(), time.Millisecond) }()
	c.kill()
	if !<-gone {
		t.Error("it was not found gone")
	}
}

func TestTheEndOfAProcessIsReported(t *testing.T) {
	c := newChild(t)
	p, ok := find(c.Process.Pid, procStart(t, c.Process.Pid))
	if _, polled := p.(polled); polled {
		t.Skip("this system does not report it")
	}
	if !ok {
		t.Fatal("it is not there")
	}
	gone := make(chan bool)
	go func() { gone <- p.wait(t.Context(), time.Hour) }()
	c.kill()
	if !<-gone {
		t.Error("it was not reported")
	}
	if _, ok := find(c.Process.Pid, ""); ok {
		t.Error("it is still there")
	}
}

func TestAProcessThatResumesASessionIsToldAsResumed(t *testing.T) {
	b := newBench(t, processes())
	b.add(b.path("-a", "simple.jsonl"), readFile(t, "testdata/simple.jsonl"))
	b.start()
	b.wait(0)
	b.register(1<<30, "", demo)
	if p := data(t, b.wait(1)[0]); p["resumed"] != true {
		t.Errorf("it is %v", p)
	}
}

func TestASessionStartIsOneEventByRegistryTranscriptAndHook(t *testing.T) {
	config := processes()
	config.Path = "/claude"
	b := newBench(t, config)
	b.start()
	c := newChild(t)
	b.register(c.Process.Pid, procStart(t, c.Process.Pid), demo)
	b.wait(1)
	b.add(b.path("-a", "simple.jsonl"), readFile(t, "testdata/simple.jsonl"))
	b.wait(2) // and an answer
	b.accept(hookBody(t, "SessionStart"))
	b.wait(2)
	b.accept(hookBody(t, "SessionEnd"))
	if p := data(t, b.wait(3)[2]); p["pid"] != float64(c.Process.Pid) || p["via"] != "hook" {
		t.Errorf("the end is %v", p)
	}
	c.kill()
	b.wait(3)
}

func FuzzRegistry(f *testing.F) {
	for _, name := range []string{"12345", "pid-777"} {
		f.Add(readFile(f, "testdata/registry/"+name+".json"))
	}
	f.Add([]byte(`{"pid":"7","sessionId":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		name := filepath.Join(t.TempDir(), "1.json")
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if p := read(name); p != nil && (p.PID <= 0 || p.SessionID == "" || !json.Valid(encode(p))) {
			t.Fatalf("%q is %+v", raw, p)
		}
	})
}
