package files

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/flows"
)

// tailOf is a tail of text lines from the beginning, changed by with.
func tailOf(path string, with ...func(*TailConfig)) engine.Source {
	c := Tail.Default
	c.Path, c.Format, c.StartAt = path, formatText, "beginning"
	for _, w := range with {
		w(&c)
	}
	source, _ := Tail.New(c)
	return source
}

func once(c *TailConfig)   { c.Follow = false }
func asJSON(c *TailConfig) { c.Format = formatJSON }

func TestAFileIsReadToItsEndAndFinished(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "one\r\ntwo\n\nlast")
	var got enginetest.Inlet
	run(t, tailOf(path, once), newEnv(t), &got)
	if diff := cmp.Diff([]string{"one", "two", "", "last"}, values(t, got.Events())); diff != "" {
		t.Error(diff)
	}
	e := got.Events()[1]
	if e.Source != "tail" || e.Type != "line" || e.Subject != path || e.Meta["path"] != path || !strings.Contains(e.ID, "-5-") {
		t.Errorf("the event is %+v", e)
	}
}

func TestTheEndIsTheBeginningForAFileThatIsReadOnce(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "one\n")
	var got enginetest.Inlet
	run(t, tailOf(path, once, func(c *TailConfig) { c.StartAt = "" }), newEnv(t), &got)
	if len(got.Events()) != 1 {
		t.Errorf("%d events, want 1", len(got.Events()))
	}
}

func TestALineOfJSONIsItsValueAndABrokenOneHasFailed(t *testing.T) {
	path := in(t.TempDir(), "a.jsonl")
	appendTo(t, path, "\xef\xbb\xbf{\"n\": 12345678901234567}\n\n  \n{\"n\": \n[\"caf\xe9\"]\n\x00\x00{\"n\":3}\n")
	var got enginetest.Inlet
	run(t, tailOf(path, once, asJSON), newEnv(t), &got)
	events := got.Events()
	want := []string{"map[n:12345678901234567]", `{"n": `, "[caf\uFFFD]", "map[n:3]"}
	if diff := cmp.Diff(want, values(t, events)); diff != "" {
		t.Fatal(diff)
	}
	for i, e := range events {
		if failed := e.Failure != nil; failed != (i == 1) {
			t.Errorf("event %d: failure %v", i, e.Failure)
		}
	}
}

func TestOnlyWholeLinesAreRead(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "half")
	var got enginetest.Inlet
	start(t, tailOf(path), newEnv(t), &got)
	time.Sleep(50 * time.Millisecond)
	if n := len(got.Events()); n != 0 {
		t.Fatalf("%d events of half a line", n)
	}
	appendTo(t, path, " a line\nand")
	if diff := cmp.Diff([]string{"half a line"}, texts(t, &got, 1)); diff != "" {
		t.Error(diff)
	}
}

// waitBegun waits until a tail knows which files were there at its start.
func waitBegun(t *testing.T, env *engine.Env, pattern string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		first, err := checkpoints{env.Checkpoints}.first(t.Context(), pattern)
		must(t, err)
		if !first {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it has not begun")
		}
	}
}

func TestAFileMayComeLater(t *testing.T) {
	dir := t.TempDir()
	var got enginetest.Inlet
	env := newEnv(t)
	start(t, tailOf(in(dir, "sub", "*.log"), func(c *TailConfig) { c.StartAt = "end" }), env, &got)
	waitBegun(t, env, in(dir, "sub", "*.log"))
	must(t, os.Mkdir(in(dir, "sub"), 0o755))
	appendTo(t, in(dir, "sub", "a.log"), "first\n")
	appendTo(t, in(dir, "sub", "a.txt"), "no match\n")
	if diff := cmp.Diff([]string{"first"}, texts(t, &got, 1)); diff != "" {
		t.Error(diff)
	}
}

func TestFromTheEndMeansFromTheLastLineEndOn(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "old\nbegun")
	env := newEnv(t)
	var got enginetest.Inlet
	atEnd := func(c *TailConfig) { c.StartAt = "end" }
	stop := start(t, tailOf(path, atEnd), env, &got)
	waitBegun(t, env, path)
	stop() // nothing has come, and still it is known where the end was
	appendTo(t, path, " and ended\nnew\n")
	start(t, tailOf(path, atEnd), env, &got)
	if diff := cmp.Diff([]string{"begun and ended", "new"}, texts(t, &got, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestARenamedFileIsReadToItsEndBeforeItsSuccessor(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "1\n")
	var got enginetest.Inlet
	start(t, tailOf(path), newEnv(t), &got)
	texts(t, &got, 1)
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path+".1", "2\n")
	appendTo(t, path, "3\n")
	if diff := cmp.Diff([]string{"1", "2", "3"}, texts(t, &got, 3)); diff != "" {
		t.Error(diff)
	}
}

func TestAFileRotatedWhileNobodyLookedIsReadToItsEnd(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	env := newEnv(t)
	appendTo(t, path, "1\n")
	var got enginetest.Inlet
	stop := start(t, tailOf(path), env, &got)
	texts(t, &got, 1)
	stop()
	appendTo(t, path, "2\n")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, "3\n")
	stop = start(t, tailOf(path), env, &got)
	if diff := cmp.Diff([]string{"1", "2", "3"}, texts(t, &got, 3)); diff != "" {
		t.Error(diff)
	}
	stop()
	start(t, tailOf(path), env, &got)
	appendTo(t, path, "4\n")
	if diff := cmp.Diff([]string{"1", "2", "3", "4"}, texts(t, &got, 4)); diff != "" {
		t.Error(diff)
	}
}

func TestATruncatedFileIsReadFromItsBeginning(t *testing.T) {
	for name, second := range map[string]string{"shorter": "b\n", "as long": "bbb\n", "longer": "bbb\nccc\n"} {
		t.Run(name, func(t *testing.T) {
			path := in(t.TempDir(), "a.log")
			appendTo(t, path, "aaa\n")
			var got enginetest.Inlet
			start(t, tailOf(path), newEnv(t), &got)
			texts(t, &got, 1)
			time.Sleep(20 * time.Millisecond) // the clock of a file system is coarse
			must(t, os.WriteFile(path, []byte(second), 0o644))
			want := append([]string{"aaa"}, strings.Fields(second)...)
			if diff := cmp.Diff(want, texts(t, &got, len(want))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAHalfLineThatIsTakenBackDoublesNothing(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "one\ntw")
	var got enginetest.Inlet
	start(t, tailOf(path), newEnv(t), &got)
	texts(t, &got, 1)
	time.Sleep(20 * time.Millisecond)
	must(t, os.Truncate(path, 4))
	appendTo(t, path, "2\n")
	if diff := cmp.Diff([]string{"one", "2"}, texts(t, &got, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameLineAfterATruncationIsAnotherEvent(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "same\nsame\n")
	var got enginetest.Inlet
	start(t, tailOf(path), newEnv(t), &got)
	texts(t, &got, 2)
	must(t, os.Truncate(path, 0))
	texts(t, &got, 2)
	time.Sleep(20 * time.Millisecond)
	appendTo(t, path, "same\n")
	texts(t, &got, 3)
	must(t, os.Remove(path))
	appendTo(t, path, "same\n")
	texts(t, &got, 4)
	ids := map[string]bool{}
	for _, e := range got.Events() {
		ids[e.ID] = true
	}
	if len(ids) != 4 {
		t.Errorf("%d ids for 4 lines", len(ids))
	}
}

func TestADeletedFileIsReadToItsEnd(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "1\n")
	var got enginetest.Inlet
	start(t, tailOf(path), newEnv(t), &got)
	texts(t, &got, 1)
	old, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer old.Close()
	must(t, os.Remove(path))
	_, err = old.WriteString("2\n")
	must(t, err)
	texts(t, &got, 2)
	appendTo(t, path, "3\n")
	if diff := cmp.Diff([]string{"1", "2", "3"}, texts(t, &got, 3)); diff != "" {
		t.Error(diff)
	}
}

func TestALinkIsFollowedToWhereItPoints(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, in(dir, "a-1"), "1\n")
	must(t, os.Symlink("a-1", in(dir, "a.log")))
	must(t, os.Symlink("a-1", in(dir, "b.log")))
	var got enginetest.Inlet
	start(t, tailOf(in(dir, "*.log")), newEnv(t), &got)
	texts(t, &got, 1)
	appendTo(t, in(dir, "a-2"), "2\n")
	must(t, os.Symlink("a-2", in(dir, "new")))
	must(t, os.Rename(in(dir, "new"), in(dir, "a.log")))
	if diff := cmp.Diff([]string{"1", "2"}, texts(t, &got, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestALineThatIsTooLongIsSkipped(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "1\n"+strings.Repeat("x", maxLine+1)+"\n2\n")
	var got enginetest.Inlet
	run(t, tailOf(path, once), newEnv(t), &got)
	if diff := cmp.Diff([]string{"1", "2"}, values(t, got.Events())); diff != "" {
		t.Error(diff)
	}
}

// A stop after any line, and a crash between a line and its checkpoint, bring
// each line again with the id it had, or not at all.
func TestARestartAtAnyLineLosesAndDoublesNothing(t *testing.T) {
	const lines = 40
	path := in(t.TempDir(), "a.log")
	env := newEnv(t)
	var got enginetest.Inlet
	for i := range lines {
		appendTo(t, path, "equal\n")
		if i%5 == 0 {
			appendTo(t, path, "par") // and half a line
		}
		stop := start(t, tailOf(path), env, &got)
		texts(t, &got, i+1)
		stop()
		if i%5 == 0 {
			must(t, os.Truncate(path, size(t, path)-3))
		}
	}
	ids := map[string]bool{}
	for _, e := range got.Events() {
		ids[e.ID] = true
	}
	if len(ids) != lines {
		t.Fatalf("%d ids for %d lines", len(ids), lines)
	}

	forgetful := *env
	forgetful.Checkpoints = unsaved{env.Checkpoints}
	appendTo(t, path, "equal\nequal\n")
	for run := range 2 {
		stop := start(t, tailOf(path), &forgetful, &got)
		texts(t, &got, lines+2*(run+1))
		stop()
	}
	again := got.Events()[lines:]
	if len(again) != 4 || again[0].ID != again[2].ID || again[1].ID != again[3].ID || again[0].ID == again[1].ID {
		t.Errorf("after a crash the lines do not have the ids they had")
	}
}

type unsaved struct{ engine.Checkpoints }

func (unsaved) Save(context.Context, string, []byte) error { return errors.New("no") }

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

func TestAnInletThatFailsIsGivenTheSameLinesAgain(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "1\n2\n")
	fails := 1
	got := enginetest.Inlet{Fail: func(batch []*engine.Event) error {
		for _, e := range batch {
			if e.Offset != 0 {
				t.Error("an event that an inlet was given comes again as itself")
			}
			e.Offset = 1 // as a log does
		}
		if fails--; fails >= 0 {
			return engine.ErrFull
		}
		return nil
	}}
	start(t, tailOf(path), newEnv(t), &got)
	if diff := cmp.Diff([]string{"1", "2"}, texts(t, &got, 2)); diff != "" {
		t.Error(diff)
	}
}

// A slowInlet takes what it is given at once, and is long in saying so.
type slowInlet struct {
	enginetest.Inlet
	began chan struct{}
}

func (in *slowInlet) Put(ctx context.Context, batch ...*engine.Event) error {
	if err := in.Inlet.Put(ctx, batch...); err != nil {
		return err
	}
	in.began <- struct{}{}
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestWhatIsBeingPutInWhenItIsToStopDoesNotComeAgain(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, numbers(0, 3))
	env := newEnv(t)
	slow := &slowInlet{began: make(chan struct{}, 1)}
	stop := start(t, tailOf(path), env, slow)
	<-slow.began
	stop()
	appendTo(t, path, "3\n")
	var got enginetest.Inlet
	start(t, tailOf(path), env, &got)
	if diff := cmp.Diff([]string{"3"}, texts(t, &got, 1)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"0", "1", "2"}, values(t, slow.Events())); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsReadAheadOfPut(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, numbers(0, 10_000))
	env := newEnv(t)
	waiting := make(chan int, 1)
	got := blockedInlet{waiting}
	start(t, tailOf(path), env, got)
	if n := <-waiting; n > batchLines {
		t.Errorf("a batch of %d", n)
	}
	all, err := checkpoints{env.Checkpoints}.all(t.Context())
	must(t, err)
	for _, cp := range all {
		if cp.Offset != 0 {
			t.Errorf("the checkpoint is at %d before anything is safe", cp.Offset)
		}
	}
}

type blockedInlet struct{ waiting chan int }

func (in blockedInlet) Put(ctx context.Context, batch ...*engine.Event) error {
	in.waiting <- len(batch)
	<-ctx.Done()
	return ctx.Err()
}

func (in blockedInlet) Ask(context.Context, *engine.Event) (engine.Answer, error) {
	return engine.Answer{}, engine.ErrNoAnswer
}

// turnInlet takes a batch whenever it is told to.
type turnInlet struct {
	enginetest.Inlet
	began chan struct{}
	turn  chan struct{}
}

func (in *turnInlet) Put(ctx context.Context, batch ...*engine.Event) error {
	in.began <- struct{}{}
	select {
	case <-in.turn:
	case <-ctx.Done():
	}
	return in.Inlet.Put(ctx, batch...)
}

func TestACheckpointIsBehindWhatIsInWhileMoreIsRead(t *testing.T) {
	const batches = 3
	path := in(t.TempDir(), "a.log")
	line := "0123456789abcde\n"
	appendTo(t, path, strings.Repeat(line, batches*batchLines))
	env := newEnv(t)
	got := &turnInlet{began: make(chan struct{}, batches), turn: make(chan struct{}, batches)}
	start(t, tailOf(path), env, got)
	offset := func() int64 {
		all, err := checkpoints{env.Checkpoints}.all(t.Context())
		must(t, err)
		for _, cp := range all {
			return cp.Offset
		}
		return 0
	}
	for n := range batches {
		<-got.began
		want := int64(n * batchLines * len(line))
		for begin := time.Now(); offset() != want; time.Sleep(time.Millisecond) {
			if time.Since(begin) > 10*time.Second {
				t.Fatalf("with %d batches in, the checkpoint is at %d, want %d", n, offset(), want)
			}
		}
		got.turn <- struct{}{}
	}
	for i, e := range got.Wait(t.Context(), batches*batchLines) {
		if want := "-" + strconv.Itoa(i*len(line)) + "-"; !strings.Contains(e.ID, want) {
			t.Fatalf("event %d has the id %q, want %s in it", i, e.ID, want)
		}
	}
}

// countingInlet forgets what it is given.
type countingInlet struct {
	blockedInlet
	n int
}

func (in *countingInlet) Put(_ context.Context, batch ...*engine.Event) error {
	in.n += len(batch)
	return nil
}

func TestALargeFileTakesLinearTimeAndLittleMemory(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	text := strings.Repeat(`{"room": "support-1", "n": 1}`+"\n", 10_000)
	took := func(n int) time.Duration {
		must(t, os.WriteFile(path, []byte(strings.Repeat(text, n)), 0o644))
		var got countingInlet
		begin := time.Now()
		run(t, tailOf(path, once, asJSON), newEnv(t), &got)
		if got.n != n*10_000 {
			t.Fatalf("%d events, want %d", got.n, n*10_000)
		}
		return time.Since(begin)
	}
	took(1)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	one, five := took(1), took(5)
	runtime.ReadMemStats(&after)
	for try := 0; five > 15*one && try < 20; try++ { // the machine may be busy with others just then
		five = min(five, took(5))
	}
	if five > 15*one {
		t.Errorf("five times the lines took %v instead of %v", five, one)
	}
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// A writer appends, and rotates in the ways programs do, as fast as it can.
func TestAWriterThatRotatesLosesAndDoublesNothing(t *testing.T) {
	const lines, each = 6000, 300
	dir := t.TempDir()
	path := in(dir, "a.log")
	env := newEnv(t)
	var got enginetest.Inlet
	var writer sync.WaitGroup
	writer.Go(func() {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		must(t, err)
		for i := range lines {
			if i > 0 && i%each == 0 {
				// A rotation once a second at most, in life: leave the time to see the new file.
				time.Sleep(20 * time.Millisecond)
				must(t, os.Rename(path, path+"."+strconv.Itoa(i)))
				fmt.Fprintln(f, i) // a late line in the old file
				f.Close()
				f, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
				must(t, err)
				continue
			}
			text := strconv.Itoa(i) + "\n"
			f.WriteString(text[:1]) // torn in two
			f.WriteString(text[1:])
		}
		f.Close()
	})
	for range 5 {
		stop := start(t, tailOf(path+"*"), env, &got)
		time.Sleep(60 * time.Millisecond)
		stop()
	}
	stop := start(t, tailOf(path+"*"), env, &got)
	writer.Wait()
	texts(t, &got, lines)
	stop()
	if diff := cmp.Diff(strings.Fields(numbers(0, lines)), sorted(values(t, got.Events()))); diff != "" {
		t.Error(diff)
	}
}

func sorted(numbers []string) []string {
	slices.SortFunc(numbers, func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
	return numbers
}

// copytruncate can lose what is written between the copy and the truncation;
// what was read before must not come twice, and what comes after must come.
func TestAWriterThatTruncatesDoublesNothing(t *testing.T) {
	const rounds, each = 20, 100
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "")
	var got enginetest.Inlet
	start(t, tailOf(path), newEnv(t), &got)
	for i := range rounds {
		appendTo(t, path, numbers(i*each, (i+1)*each))
		texts(t, &got, (i+1)*each)
		must(t, os.Truncate(path, 0))
	}
	if diff := cmp.Diff(strings.Fields(numbers(0, rounds*each)), values(t, got.Events())); diff != "" {
		t.Error(diff)
	}
}

func TestAFileThatCannotBeReadDoesNotStopTheOthers(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(in(dir, "a.log"), 0o755))
	must(t, os.Symlink("nowhere", in(dir, "b.log")))
	appendTo(t, in(dir, "c.log"), "fine\n")
	var got enginetest.Inlet
	run(t, tailOf(in(dir, "*.log"), once), newEnv(t), &got)
	if diff := cmp.Diff([]string{"fine"}, values(t, got.Events())); diff != "" {
		t.Error(diff)
	}
}

func TestAnotherFileWithTheInodeOfAMovedOneIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := in(dir, "a.log")
	appendTo(t, path, "mine\n")
	env := newEnv(t)
	var got enginetest.Inlet
	stop := start(t, tailOf(path), env, &got)
	texts(t, &got, 1)
	stop()
	must(t, os.Rename(path, in(dir, "other"))) // stands for an inode that is used again
	must(t, os.WriteFile(in(dir, "other"), []byte("not yours\nat all\n"), 0o600))
	appendTo(t, path, "next\n")
	start(t, tailOf(path), env, &got)
	if diff := cmp.Diff([]string{"mine", "next"}, texts(t, &got, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestANewPatternBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, in(dir, "a.log"), "a\n")
	appendTo(t, in(dir, "b.log"), "b\n")
	env := newEnv(t)
	var got enginetest.Inlet
	stop := start(t, tailOf(in(dir, "a.log")), env, &got)
	texts(t, &got, 1)
	stop()
	appendTo(t, in(dir, "a.log"), "not wanted any more\n")
	must(t, os.Rename(in(dir, "a.log"), in(dir, "a.log.1")))
	start(t, tailOf(in(dir, "b.log"), func(c *TailConfig) { c.StartAt = "end" }), env, &got)
	waitBegun(t, env, in(dir, "b.log"))
	appendTo(t, in(dir, "b.log"), "c\n")
	if diff := cmp.Diff([]string{"a", "c"}, texts(t, &got, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestAPatternThatIsNoneIsAMistake(t *testing.T) {
	for _, c := range []TailConfig{
		{Path: "a[", Type: "line"}, {Path: "", Type: "line"}, {Path: "a", Type: ""}, {Path: "a", Type: "line", StartAt: "middle"},
	} {
		said := 0
		c.Validate(func(string, string, ...any) *flows.Diagnostic { said++; return new(flows.Diagnostic) })
		if said != 1 {
			t.Errorf("%+v: %d mistakes, want 1", c, said)
		}
	}
	if _, err := filepath.Match(Tail.Default.Path, ""); err != nil {
		t.Error(err)
	}
}

// BenchmarkTail is the cost of a line of JSON, from the file to the inlet.
func BenchmarkTail(b *testing.B) {
	const line = `{"event":"participant_joined","room":{"name":"support-1042","metadata":"訪問予約"},"participant":{"identity":"user-77"}}` + "\n"
	path := in(b.TempDir(), "a.jsonl")
	if err := os.WriteFile(path, []byte(strings.Repeat(line, b.N)), 0o600); err != nil {
		b.Fatal(err)
	}
	t := tailOf(path, once, asJSON).(*tail)
	t.env = &engine.Env{Log: slog.New(slog.DiscardHandler), Checkpoints: &enginetest.Checkpoints{}}
	var got countingInlet
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	b.ResetTimer()
	if err := t.Run(b.Context(), &got); err != nil || got.n != b.N {
		b.Fatalf("%d lines, %v", got.n, err)
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), byte(2), byte(3))
	f.Add([]byte("\n\n\n"), byte(1), byte(1))
	f.Add([]byte("0123456789\n0123456789\nx\n"), byte(3), byte(4))
	f.Fuzz(func(t *testing.T, stream []byte, step, most byte) {
		fr := framer{max: int(most)}
		var got []string
		var total int64
		take := func(l line) {
			total += l.size
			if l.long != (l.text == nil) && len(l.text) == 0 && l.long {
				t.Error("a long line has a text")
			}
			if l.long {
				got = append(got, "too long")
			} else {
				got = append(got, string(l.text))
			}
		}
		for rest := stream; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			fr.add(copy(fr.room(n), rest[:n]))
			rest = rest[n:]
			for l, ok := fr.next(); ok; l, ok = fr.next() {
				take(l)
			}
			if total+fr.pending() != int64(len(stream)-len(rest)) {
				t.Fatalf("%d bytes taken and %d pending of %d", total, fr.pending(), len(stream)-len(rest))
			}
		}
		if l, ok := fr.rest(); ok {
			take(l)
		}
		var want []string
		for s := range strings.Lines(string(stream)) {
			s = strings.TrimSuffix(s, "\n")
			if len(s) > int(most) {
				s = "too long"
			}
			want = append(want, s)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if total != int64(len(stream)) {
			t.Errorf("%d bytes taken of %d", total, len(stream))
		}
	})
}

func TestAFileThatIsGoneAndQuietIsLeft(t *testing.T) {
	path := in(t.TempDir(), "a.log")
	appendTo(t, path, "1\nlast")
	env := newEnv(t)
	var got enginetest.Inlet
	r := newFollower(TailConfig{Path: path, Format: formatText, Type: "line", StartAt: "beginning"}, env, &got)
	defer r.close(t.Context())
	must(t, r.start(t.Context()))
	round := func(want int) {
		t.Helper()
		_, err := r.round(t.Context())
		must(t, err)
		must(t, r.leave(t.Context()))
		if len(r.files) != want {
			t.Fatalf("%d files are open, want %d", len(r.files), want)
		}
	}
	round(1)
	must(t, os.Remove(path))
	r.scan(t.Context(), born)
	round(1) // its writer may still have it open
	long := time.Now().Add(-2 * linger)
	r.files[0].gone, r.files[0].grown = long, long
	round(0)
	if diff := cmp.Diff([]string{"1", "last"}, values(t, got.Events())); diff != "" {
		t.Error(diff)
	}
	if all, err := r.cps.all(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("checkpoints: %v, %v", all, err)
	}
}
