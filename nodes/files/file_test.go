package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// openFile is a file sink from YAML, in which DIR stands for a folder.
func openFile(t *testing.T, env *engine.Env, dir, yaml string) engine.Sink {
	t.Helper()
	config, said := decodeFile(t, strings.ReplaceAll(yaml, "DIR", dir))
	if said != nil {
		t.Fatalf("%s: %q", yaml, said)
	}
	sink, err := File.New(config)
	must(t, err)
	must(t, sink.(engine.Opener).Open(t.Context(), env))
	closed := sync.OnceFunc(func() { must(t, sink.(io.Closer).Close()) })
	t.Cleanup(closed)
	return sink
}

func decodeFile(t *testing.T, yaml string) (FileConfig, []string) {
	t.Helper()
	v, diags := flows.ParseValue(yaml)
	if diags.Failed() {
		t.Fatal(diags)
	}
	config := File.Default
	var said []string
	for _, d := range flows.Decode(v, &config) {
		said = append(said, d.Message)
	}
	return config, said
}

func write(t *testing.T, sink engine.Sink, data ...string) {
	t.Helper()
	must(t, sink.Write(t.Context(), events(data...)))
}

func events(data ...string) []*engine.Event {
	var batch []*engine.Event
	for i, d := range data {
		batch = append(batch, &engine.Event{
			ID: fmt.Sprint(i), Source: "test", Type: "made", Subject: "room",
			Time: time.Date(2026, 9, 1, 7, 30, 5, 0, time.UTC), Data: engine.JSON([]byte(d)),
		})
	}
	return batch
}

func TestEachFormatWritesItsLines(t *testing.T) {
	const data = "{\n \"a\": [1, 9007199254740993],\n \"h\": \"<&>\"\n}"
	for yaml, want := range map[string]string{
		`DIR/f`: `{"a":[1,9007199254740993],"h":"<&>"}` + "\n",
		`{path: DIR/f, line: {type: type, first: "data.a[0]"}}`:        `{"first":1,"type":"made"}` + "\n",
		`{path: DIR/f, line: data.nothing}`:                            "null\n",
		`{path: DIR/f, format: text}`:                                  `{"a":[1,9007199254740993],"h":"<&>"}` + "\n",
		`{path: DIR/f, format: text, line: "{{ type }} {{ data.h }}"}`: "made <&>\n",
		`{path: DIR/f, format: text, line: data.h}`:                    "<&>\n",
		`{path: DIR/f, format: text, line: "## {{ id }}\n\n"}`:         "## 0\n\n",
		`{path: DIR/f, format: text, line: data.nothing}`:              "\n",
		`{path: DIR/f, format: text, line: data.a}`:                    "[1,9007199254740993]\n",
		`{path: DIR/f, format: cloudevents}`: `{"specversion":"1.0","id":"0","source":"test","type":"made","subject":"room",` +
			`"time":"2026-09-01T07:30:05Z","datacontenttype":"application/json","data":{"a":[1,9007199254740993],"h":"<&>"}}` + "\n",
	} {
		dir := t.TempDir()
		write(t, openFile(t, newEnv(t), dir, yaml), data)
		if diff := cmp.Diff(want, read(t, in(dir, "f"))); diff != "" {
			t.Errorf("%s: %s", yaml, diff)
		}
	}
}

func TestOneEventThatCannotBeWrittenDoesNotHoldTheOthers(t *testing.T) {
	for _, format := range []string{"jsonl", "text", "cloudevents"} {
		dir := t.TempDir()
		sink := openFile(t, newEnv(t), dir, `{path: DIR/f, format: `+format+`}`)
		err := sink.Write(t.Context(), events(`1`, `{"a":`, `3`))
		var failed engine.Failures
		if !errors.As(err, &failed) || len(failed) != 1 || failed[0].Event.ID != "1" || !engine.IsPermanent(failed[0].Err) {
			t.Errorf("%s: failed: %v", format, err)
		}
		if n := strings.Count(read(t, in(dir, "f")), "\n"); n != 2 {
			t.Errorf("%s: %d lines", format, n)
		}
	}
}

func TestMistakesInAFileAreTold(t *testing.T) {
	for yaml, want := range map[string]string{
		`{}`:                     `"path" is missing`,
		`{path: ""}`:             "want the path of a file",
		`{path: logs/}`:          "want the path of a file",
		`{path: a/..}`:           "want the path of a file",
		`{path: f, format: xml}`: "want jsonl, text or cloudevents",
		`{path: f, format: cloudevents, line: id}`: "a line of cloudevents",
		`{path: f, rotate: {keep: 3}}`:             "to say when to rotate",
		`{path: f, rotate: {size: 1MB, keep: -1}}`: "keep is a number of files",
		`{path: f, rotate: {every: weekly}}`:       "want hourly, daily or a duration",
		`{path: f, rotate: {size: much}}`:          "want a size",
		`{path: f, fsync: sometimes}`:              "want always, never or a duration",
		`{path: f, fsync: 0s}`:                     "want always, never or a duration",
	} {
		_, said := decodeFile(t, yaml)
		if len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%s: %q, want %q", yaml, said, want)
		}
	}
}

func TestAPathThatCannotBeWrittenToIsToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, in(dir, "taken"), "")
	must(t, os.Mkdir(in(dir, "folder"), 0o755))
	for _, path := range []string{"DIR/taken/f", "DIR/folder"} {
		config, _ := decodeFile(t, strings.ReplaceAll(path, "DIR", dir))
		sink, err := File.New(config)
		must(t, err)
		if err := sink.(engine.Opener).Open(t.Context(), newEnv(t)); err == nil {
			t.Errorf("%s was opened", path)
		}
		must(t, sink.(io.Closer).Close())
	}
}

func TestPathsAreMadeFromEvents(t *testing.T) {
	dir := t.TempDir()
	sink := openFile(t, newEnv(t), dir, `"DIR/by room/{{ data.room }}/{{ type }}.jsonl"`)
	write(t, sink, `{"room":"応答 1"}`, `{"room":"a/b"}`, `{"room":"応答 1","n":2}`, `{}`)
	for path, want := range map[string]string{
		"応答 1":  "{\"room\":\"応答 1\"}\n{\"room\":\"応答 1\",\"n\":2}\n",
		"a%2Fb": "{\"room\":\"a/b\"}\n",
		"_":     "{}\n",
	} {
		if got := read(t, in(dir, "by room", path, "made.jsonl")); got != want {
			t.Errorf("%s holds %q", path, got)
		}
	}
}

func TestATornLastLineIsEndedBeforeTheNext(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, in(dir, "f"), "1\n{\"to")
	sink := openFile(t, newEnv(t), dir, `DIR/f`)
	write(t, sink, `2`)
	write(t, sink, `3`)
	if got := read(t, in(dir, "f")); got != "1\n{\"to\n2\n3\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestAFileThatWasMovedAwayIsBegunAnew(t *testing.T) {
	dir := t.TempDir()
	sink := openFile(t, newEnv(t), dir, `DIR/sub/f`)
	write(t, sink, `1`)
	must(t, os.Rename(in(dir, "sub", "f"), in(dir, "sub", "f.1")))
	write(t, sink, `2`)
	must(t, os.Rename(in(dir, "sub"), in(dir, "old")))
	write(t, sink, `3`)
	must(t, os.RemoveAll(in(dir, "sub")))
	write(t, sink, `4`)
	must(t, os.Truncate(in(dir, "sub", "f"), 0))
	write(t, sink, `5`)
	for path, want := range map[string]string{"old/f.1": "1\n", "old/f": "2\n", "sub/f": "5\n"} {
		if got := read(t, in(dir, path)); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
}

func TestTwoSinksOfOneFileDoNotWriteIntoEachOthersLines(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("f", in(dir, "link")))
	appendTo(t, in(dir, "f"), "")
	env := newEnv(t)
	const each = 40
	sinks := []engine.Sink{
		openFile(t, env, dir, `{path: DIR/f, fsync: never, rotate: {size: 1MiB}}`),
		openFile(t, env, dir, `{path: "DIR/{{ 'f' }}", fsync: never}`),
		openFile(t, env, dir, `{path: DIR/../`+filepath.Base(dir)+`/f, fsync: 1ms}`),
		openFile(t, env, dir, `{path: DIR/link, fsync: never}`),
	}
	var all sync.WaitGroup
	for n, sink := range sinks {
		all.Go(func() {
			for i := range each {
				data := fmt.Sprintf(`{"sink":%d,"i":%d,"x":%q}`, n, i, strings.Repeat("x", 20_000))
				if err := sink.Write(context.Background(), events(data, data)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	last := map[float64]float64{}
	lines := 0
	paths, _ := filepath.Glob(in(dir, "f*"))
	for _, path := range append(paths[1:], paths[0]) { // those put aside first
		for line := range strings.Lines(read(t, path)) {
			var v map[string]any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatalf("a line is not whole: %v", err)
			}
			sink, i := v["sink"].(float64), v["i"].(float64)
			if i < last[sink] {
				t.Errorf("sink %v wrote %v behind %v", sink, i, last[sink])
			}
			last[sink] = i
			lines++
		}
	}
	if lines != 2*each*len(sinks) {
		t.Errorf("%d lines, want %d", lines, 2*each*len(sinks))
	}
	if used := env.Share; used == nil || sinks[0].(*file).pool != sinks[3].(*file).pool {
		t.Error("the sinks do not share their files")
	}
}

func TestAFileOutlivesTheSinkOfThePlanBefore(t *testing.T) {
	dir := t.TempDir()
	env := newEnv(t)
	old := openFile(t, env, dir, `DIR/f`)
	write(t, old, `1`)
	next := openFile(t, env, dir, `{path: DIR/f, fsync: never}`)
	write(t, next, `2`)
	must(t, old.(io.Closer).Close())
	write(t, next, `3`)
	if got := read(t, in(dir, "f")); got != "1\n2\n3\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	sink := openFile(t, newEnv(t), dir, `{path: "DIR/{{ data }}", fsync: never}`)
	for round := range 2 {
		for i := range mostOpen + 50 {
			write(t, sink, fmt.Sprint(i))
		}
		if n := len(sink.(*file).pool.files); n > mostOpen {
			t.Errorf("round %d: %d files are open", round, n)
		}
	}
	for i := range mostOpen + 50 {
		if got, want := read(t, in(dir, fmt.Sprint(i))), fmt.Sprintf("%d\n%d\n", i, i); got != want {
			t.Errorf("%d holds %q", i, got)
		}
	}
}

func TestIdleFilesAreClosed(t *testing.T) {
	dir := t.TempDir()
	sink := openFile(t, newEnv(t), dir, `{path: "DIR/{{ data }}", fsync: 1h}`)
	write(t, sink, `1`)
	write(t, sink, `2`)
	p := sink.(*file).pool
	p.files[in(resolved(t, dir), "1")].used = time.Now().Add(-idleAfter)
	p.closeIdle()
	if len(p.files) != 1 || p.sweep == nil {
		t.Errorf("%d files are open", len(p.files))
	}
	write(t, sink, `1`)
	if got := read(t, in(dir, "1")); got != "1\n1\n" {
		t.Errorf("the file holds %q", got)
	}
}

func resolved(t *testing.T, dir string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	must(t, err)
	return dir
}

func TestADiskThatIsFullIsWaitedFor(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	sink := openFile(t, newEnv(t), "", `/dev/full`)
	err := sink.Write(t.Context(), events(`1`, `2`))
	var failed engine.Failures
	if !errors.As(err, &failed) || len(failed) != 2 {
		t.Fatalf("failed: %v", err)
	}
	for _, f := range failed {
		if _, ok := engine.IsUnavailable(f.Err); !ok {
			t.Errorf("%v is given up", f.Err)
		}
	}
}

func BenchmarkFile(b *testing.B) {
	for _, fsync := range []string{"always", "1s", "never"} {
		b.Run(fsync, func(b *testing.B) {
			v, _ := flows.ParseValue(`{path: ` + b.TempDir() + `/f, fsync: ` + fsync + `}`)
			config := File.Default
			if diags := flows.Decode(v, &config); diags.Failed() {
				b.Fatal(diags)
			}
			sink, _ := File.New(config)
			if err := sink.(engine.Opener).Open(b.Context(), &engine.Env{Share: &engine.Share{}}); err != nil {
				b.Fatal(err)
			}
			defer sink.(io.Closer).Close()
			batch := events(strings.Split(strings.TrimSpace(strings.Repeat(`{"room":"support-1","n":1} `, 256)), " ")...)
			b.ReportAllocs()
			for b.Loop() {
				if err := sink.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(batch)*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
