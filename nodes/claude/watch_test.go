package claude

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
)

// A bench is a source on folders of its own, which can be stopped and started
// again.
type bench struct {
	t      testing.TB
	config Config
	deaf   bool // the system tells of no changes
	inlet  *enginetest.Inlet
	env    *engine.Env
	source *source
	stop   func()
}

func newBench(t testing.TB, config Config) *bench {
	t.Helper()
	config.Dir = filepath.Join(t.TempDir(), "projects")
	if config.Mode == "" {
		config.Mode = "turn"
	}
	checkpoints, err := engine.MemoryStore().Checkpoints(t.Context(), "flow", "claude")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, config: config, inlet: &enginetest.Inlet{}}
	b.env = &engine.Env{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Checkpoints: checkpoints}
	b.make(config.Dir)
	return b
}

func (b *bench) start() {
	b.t.Helper()
	made, err := newSource(b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	b.source = made.(*source)
	b.source.pace = pace{
		poll: 10 * time.Millisecond, recent: time.Second, rescan: 200 * time.Millisecond, blind: 10 * time.Millisecond,
		settle: time.Millisecond, confirm: 3 * time.Second, grace: 300 * time.Millisecond,
	}
	if b.deaf {
		b.source.newNotify = func() (*fsnotify.Watcher, error) { return nil, errors.New("deaf") }
	}
	if err := b.source.Open(b.t.Context(), b.env); err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.source.Run(ctx, b.inlet) }()
	stopped := false
	b.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Run: %v", err)
		}
	}
	b.t.Cleanup(b.stop)
}

func (b *bench) restart() {
	b.stop()
	b.start()
}

func (b *bench) make(dir string) {
	b.t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.t.Fatal(err)
	}
}

// path is where a vector's file belongs, in a project.
func (b *bench) path(project, name string) string {
	return filepath.Join(b.config.Dir, project, sessionOf(b.t, name)+".jsonl")
}

// add appends to a file, which it makes if there is none.
func (b *bench) add(path string, p []byte) {
	b.t.Helper()
	b.make(filepath.Dir(path))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.Write(p); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) write(path string, p []byte) {
	b.t.Helper()
	b.make(filepath.Dir(path))
	if err := os.WriteFile(path, p, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) rename(from, to string) {
	b.t.Helper()
	b.make(filepath.Dir(to))
	if err := os.Rename(from, to); err != nil {
		b.t.Fatal(err)
	}
}

// wait waits for n events, and a moment for one too many.
func (b *bench) wait(n int) []*engine.Event {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	b.inlet.Wait(ctx, n)
	time.Sleep(30 * time.Millisecond)
	events := b.inlet.Events()
	if len(events) != n {
		var got []string
		for _, e := range events {
			got = append(got, e.Type)
		}
		b.t.Fatalf("%d events, want %d: %q", len(events), n, got)
	}
	return events
}

// want waits for exactly these events.
func (b *bench) want(expected []map[string]any) {
	b.t.Helper()
	if diff := cmp.Diff(expected, payloads(b.t, b.wait(len(expected)))); diff != "" {
		b.t.Fatalf("(-want +got)\n%s", diff)
	}
}

// expected is what a vector gives at level full with messages.
func expected(t testing.TB, name string) []map[string]any {
	t.Helper()
	all := vectors(t)
	i := slices.IndexFunc(all, func(v vector) bool { return v.Name == name })
	return all[i].Expected["full_includeMessage"]
}

var (
	fromEnd       = Config{Level: "full", IncludeMessage: true, StartAt: StartAt{End: true}}
	fromBeginning = Config{Level: "full", IncludeMessage: true}
)

func TestWhatIsThereIsReadFromTheBeginningOrNotAtAll(t *testing.T) {
	tools := readFile(t, "testdata/tools.jsonl")
	b := newBench(t, fromBeginning)
	b.add(b.path("-a", "tools.jsonl"), tools)
	b.start()
	b.want(expected(t, "tools"))
	b.restart()
	b.want(expected(t, "tools"))

	b = newBench(t, fromEnd)
	b.add(b.path("-a", "tools.jsonl"), tools)
	b.start()
	b.wait(0)
	b.restart()
	b.wait(0)
}

func TestReadingStartsAtATime(t *testing.T) {
	config := fromBeginning
	config.StartAt.Time = time.Date(2026, 9, 1, 7, 30, 30, 0, time.UTC)
	b := newBench(t, config)
	b.add(b.path("-a", "tools.jsonl"), readFile(t, "testdata/tools.jsonl"))
	b.start()
	b.want(expected(t, "tools")[3:])
}

func TestATurnBegunBeforeTheStartIsCompletedAfter(t *testing.T) {
	tools := readFile(t, "testdata/tools.jsonl")
	cut := bytes.Index(tools, []byte("toolu_03")) // in the middle of a line
	b := newBench(t, fromEnd)
	b.add(b.path("-a", "tools.jsonl"), tools[:cut])
	b.start()
	b.wait(0)
	b.add(b.path("-a", "tools.jsonl"), tools[cut:])
	b.want(expected(t, "tools")[2:])
}

func TestNewFilesAndFoldersAreReadWhole(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		b := newBench(t, fromEnd)
		b.deaf = deaf
		if err := os.Remove(b.config.Dir); err != nil { // it may come later
			t.Fatal(err)
		}
		b.start()
		b.wait(0)
		b.add(b.path("-new", "simple.jsonl"), readFile(t, "testdata/simple.jsonl"))
		b.want(expected(t, "simple"))
		b.add(b.path("-new", "resumed.jsonl"), readFile(t, "testdata/resumed.jsonl"))
		b.want(append(expected(t, "simple"), expected(t, "resumed_after_simple")...))
	}
}

func TestFilesThatAreNoTranscriptsAreLeftAlone(t *testing.T) {
	b := newBench(t, fromBeginning)
	simple := readFile(t, "testdata/simple.jsonl")
	b.write(filepath.Join(b.config.Dir, "-a", "notes.jsonl"), simple)
	b.write(filepath.Join(b.config.Dir, "b26a7728-ca9e-5ed2-b782-db09cd570495.jsonl"), simple)
	b.write(filepath.Join(b.config.Dir, "-a", "agent-a1.jsonl"), simple)
	b.write(b.path("-a", "simple.jsonl")+".bak", simple)
	b.start()
	b.wait(0)
}

func TestHelpersAreReadIfAskedFor(t *testing.T) {
	for _, name := range []string{"sidechain_tree", "sidechain_tree_subagents_on"} {
		config := fromBeginning
		config.Subagents = strings.HasSuffix(name, "on")
		b := newBench(t, config)
		b.start()
		if err := os.CopyFS(b.config.Dir, os.DirFS("testdata/tree")); err != nil {
			t.Fatal(err)
		}
		want := expected(t, name)
		got := payloads(t, b.wait(len(want)))
		for _, list := range [][]map[string]any{want, got} { // two files have no order
			slices.SortStableFunc(list, func(a, b map[string]any) int {
				return strings.Compare(a["timestamp"].(string), b["timestamp"].(string))
			})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestAppendsCutAnywhereAndRestartsChangeNothing(t *testing.T) {
	b := newBench(t, fromEnd)
	b.start()
	for _, name := range []string{"tools", "interrupt", "compact", "apierror"} {
		p := readFile(t, "testdata/"+name+".jsonl")
		for len(p) > 0 {
			n := min(len(p), 1+rand.IntN(4000))
			b.add(b.path("-a", name+".jsonl"), p[:n])
			p = p[n:]
			switch rand.IntN(4) {
			case 0:
				b.restart()
			case 1:
				time.Sleep(5 * time.Millisecond)
			case 2:
				b.stop() // what is written meanwhile is read then
				m := min(len(p), rand.IntN(4000))
				b.add(b.path("-a", name+".jsonl"), p[:m])
				p = p[m:]
				b.start()
			}
		}
		want := expected(t, name)
		deadline := time.Now().Add(time.Minute)
		for time.Now().Before(deadline) && len(ofSession(b, sessionOf(t, name+".jsonl"))) < len(want) {
			time.Sleep(5 * time.Millisecond)
		}
		if diff := cmp.Diff(want, payloads(t, ofSession(b, sessionOf(t, name+".jsonl")))); diff != "" {
			t.Fatalf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func ofSession(b *bench, session string) []*engine.Event {
	return slices.DeleteFunc(b.inlet.Events(), func(e *engine.Event) bool { return e.Subject != session })
}

func TestEventsThatCanNotBeStoredAreTriedAgain(t *testing.T) {
	b := newBench(t, fromEnd)
	var calls atomic.Int64
	b.inlet.Fail = func([]*engine.Event) error {
		if calls.Add(1)%2 == 1 {
			return engine.ErrFull
		}
		return nil
	}
	b.start()
	b.add(b.path("-a", "simple.jsonl"), readFile(t, "testdata/simple.jsonl"))
	b.want(expected(t, "simple"))
}

func TestEventsThatWereNotStoredComeAfterTheRestart(t *testing.T) {
	b := newBench(t, fromEnd)
	b.inlet.Fail = func([]*engine.Event) error { return engine.ErrFull }
	b.start()
	lines := slices.Collect(bytes.Lines(readFile(t, "testdata/simple.jsonl")))
	for _, part := range [][][]byte{lines[:1], lines[1:2], lines[2:]} { // the first two tell nothing, and are not saved at once
		b.add(b.path("-a", "simple.jsonl"), bytes.Join(part, nil))
		b.wait(0)
	}
	b.stop()
	b.inlet.Fail = nil
	b.start()
	b.want(expected(t, "simple"))
}

func TestAFileWrittenAnewTellsOnlyWhatIsNew(t *testing.T) {
	p := readFile(t, "testdata/tools.jsonl")
	half := bytes.Index(p, []byte(`"subtype":"stop_hook_summary"`))
	half = bytes.LastIndexByte(p[:half], '\n') + 1 // the first answer is there, but not confirmed
	for _, down := range []bool{false, true} {
		for _, cut := range []int{0, half / 2, half} {
			b := newBench(t, fromEnd)
			b.start()
			path := b.path("-a", "tools.jsonl")
			b.add(path, p[:half])
			b.wait(2)
			if down {
				b.stop()
			}
			b.write(path, p[:cut])
			if !down {
				time.Sleep(30 * time.Millisecond)
			}
			b.add(path, p[cut:])
			if down {
				b.start()
			}
			b.want(expected(t, "tools"))
		}
	}
}

func TestAnotherFileInItsPlaceIsReadWhole(t *testing.T) {
	b := newBench(t, fromEnd)
	b.start()
	path := b.path("-a", "simple.jsonl")
	b.add(path, readFile(t, "testdata/simple.jsonl"))
	b.want(expected(t, "simple"))
	other := strings.NewReplacer("cc048e20", "11111111", "4c335e5e", "22222222", "ee35aaeb", "33333333", "msg_", "new_", "07:30", "07:40")
	b.write(path, []byte(other.Replace(string(readFile(t, "testdata/simple.jsonl")))))
	b.wait(5) // a prompt and an answer more; the session was told
}

func TestAFileThatMovesGoesOn(t *testing.T) {
	p := readFile(t, "testdata/tools.jsonl")
	cut := len(p) / 2
	for _, down := range []bool{false, true} {
		b := newBench(t, fromEnd)
		b.start()
		b.add(b.path("-a", "tools.jsonl"), p[:cut])
		b.wait(2)
		if down {
			b.stop()
		}
		b.rename(b.path("-a", "tools.jsonl"), b.path("-b", "tools.jsonl"))
		b.add(b.path("-b", "tools.jsonl"), p[cut:])
		if down {
			b.start()
		}
		b.want(expected(t, "tools"))
	}
}

func TestAFileSavedByRenamingGoesOn(t *testing.T) {
	p := readFile(t, "testdata/tools.jsonl")
	b := newBench(t, fromEnd)
	b.start()
	path := b.path("-a", "tools.jsonl")
	b.add(path, p[:len(p)/2])
	b.wait(2)
	b.write(path+".tmp", p)
	b.rename(path+".tmp", path)
	b.want(expected(t, "tools"))
}

func TestWhatIsDeletedIsForgotten(t *testing.T) {
	b := newBench(t, fromEnd)
	b.start()
	b.add(b.path("-a", "simple.jsonl"), readFile(t, "testdata/simple.jsonl"))
	b.add(b.path("-b", "tools.jsonl"), readFile(t, "testdata/tools.jsonl"))
	b.wait(8)
	if err := os.RemoveAll(filepath.Join(b.config.Dir, "-a")); err != nil {
		t.Fatal(err)
	}
	has := func(key string) bool {
		value, err := b.env.Checkpoints.Load(t.Context(), b.source.key(key))
		if err != nil {
			t.Fatal(err)
		}
		return value != nil
	}
	gone := filePrefix + filepath.Join("-a", sessionOf(t, "simple.jsonl")+".jsonl")
	for deadline := time.Now().Add(time.Minute); has(gone); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the checkpoint of a deleted file is still there")
		}
	}
	if !has(filePrefix + filepath.Join("-b", sessionOf(t, "tools.jsonl")+".jsonl")) {
		t.Error("the checkpoint of the other file is gone too")
	}
	b.add(b.path("-a", "interrupt.jsonl"), readFile(t, "testdata/interrupt.jsonl")) // the folder comes again
	b.wait(8 + 7)
}

func TestADiskThatIsNotMountedIsNotForgotten(t *testing.T) {
	b := newBench(t, fromEnd)
	b.start()
	b.add(b.path("-a", "simple.jsonl"), readFile(t, "testdata/simple.jsonl"))
	b.wait(3)
	b.rename(b.config.Dir, b.config.Dir+".away")
	time.Sleep(2 * b.source.pace.grace)
	b.restart()
	time.Sleep(2 * b.source.pace.grace)
	b.rename(b.config.Dir+".away", b.config.Dir)
	b.restart()
	b.want(expected(t, "simple"))
}

func TestCopiesOfOtherSessionsAreNotToldAfterARestart(t *testing.T) {
	b := newBench(t, fromEnd)
	b.start()
	b.add(b.path("-a", "simple.jsonl"), readFile(t, "testdata/simple.jsonl"))
	b.wait(3)
	b.restart()
	b.add(b.path("-a", "resumed.jsonl"), readFile(t, "testdata/resumed.jsonl"))
	b.want(append(expected(t, "simple"), expected(t, "resumed")...))
}

func TestDamagedLinesAreSkipped(t *testing.T) {
	b := newBench(t, fromEnd)
	b.start()
	lines := slices.Collect(bytes.Lines(readFile(t, "testdata/simple.jsonl")))
	path := b.path("-a", "simple.jsonl")
	b.add(path, append(bytes.Repeat([]byte{0}, 4096), '\n'))
	for _, l := range lines {
		b.add(path, append(append([]byte("{\"type\":\"user\",\"uuid\":\"cut"), l...), "}\n"...))
	}
	b.want(expected(t, "simple"))
}
