package flows

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const aFlow = "flows: {a: {nodes: [debug]}}\n"

// A tree is a folder of its own for a test that runs beside others.
type tree struct {
	*testing.T
	root string
}

func newTree(t *testing.T) tree {
	t.Parallel()
	return tree{t, t.TempDir()}
}

func (t tree) in(path string) string { return filepath.Join(t.root, path) }

func (t tree) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t tree) write(path, text string) { t.must(os.WriteFile(t.in(path), []byte(text), 0o644)) }
func (t tree) mkdir(path string)       { t.must(os.MkdirAll(t.in(path), 0o755)) }
func (t tree) rename(from, to string)  { t.must(os.Rename(t.in(from), t.in(to))) }
func (t tree) link(target, at string)  { t.must(os.Symlink(target, t.in(at))) }
func (t tree) remove(path string)      { t.must(os.RemoveAll(t.in(path))) }

// start watches the document that a path makes, and returns the channel that
// tells of changes. It returns when what is there now is being watched.
func (t tree) start(path string) <-chan *Document {
	t.Helper()
	load := func() *Document {
		doc, _ := Load([]string{t.in(path)}, func(string) (string, bool) { return t.root, true })
		return doc
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan *Document, 100)
	over := make(chan error)
	doc := load()
	go func() {
		over <- doc.Watch(ctx, func() *Document {
			doc := load()
			changes <- doc
			return doc
		})
	}()
	t.Cleanup(func() {
		cancel()
		t.must(<-over)
	})
	time.Sleep(150 * time.Millisecond)
	return changes
}

// expectFlows waits for a document with these flows, in their order. On a busy
// machine those on the way to it may be told too.
func expectFlows(t *testing.T, changes <-chan *Document, want ...string) {
	t.Helper()
	expect(t, changes, fmt.Sprintf("flows %q", want), func(doc *Document) bool {
		return slices.EqualFunc(doc.Flows, want, func(f *Flow, name string) bool { return f.Name == name })
	})
}

func expect(t *testing.T, changes <-chan *Document, what string, is func(*Document) bool) {
	t.Helper()
	over := time.After(time.Minute)
	for {
		select {
		case doc := <-changes:
			if is(doc) {
				return
			}
		case <-over:
			t.Fatalf("no change to %s was told", what)
		}
	}
}

func expectNone(t *testing.T, changes <-chan *Document) {
	t.Helper()
	select {
	case <-changes:
		t.Fatal("a change was told where there was none")
	case <-time.After(400 * time.Millisecond):
	}
}

func TestASaveIsNoticedHoweverItIsDone(t *testing.T) {
	for name, save := range map[string]func(d tree, text string){
		"in place":      func(d tree, text string) { d.write("flows.yaml", text) },
		"by a rename":   func(d tree, text string) { d.write("x.tmp", text); d.rename("x.tmp", "flows.yaml") },
		"deleted first": func(d tree, text string) { d.remove("flows.yaml"); d.write("flows.yaml", text) },
		"with a backup": func(d tree, text string) {
			d.rename("flows.yaml", "flows.yaml~")
			d.write("flows.yaml", text)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTree(t)
			d.write("flows.yaml", aFlow)
			changes := d.start("flows.yaml")
			for _, n := range []string{"b", "c", "d"} {
				save(d, strings.ReplaceAll(aFlow, "a:", n+":"))
				expectFlows(t, changes, n)
			}
			expectNone(t, changes)
		})
	}
}

// inABubble watches flows.yaml and counts the calls of changed, where time
// passes when all wait and what the system tells is told by the test.
func inABubble(t *testing.T, changed func(d tree, tell func()), test func(d tree, tell func(), calls *atomic.Int32)) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	load := func() *Document {
		doc, _ := Load([]string{d.in("flows.yaml")}, os.LookupEnv)
		return doc
	}
	synctest.Test(t, func(t *testing.T) {
		w := &watcher{
			seen: load().seen, folders: map[string]os.FileInfo{},
			told: &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)},
		}
		folders := map[string]bool{}
		trace(d.in("flows.yaml"), folders)
		for folder := range folders { // so that told is never asked to watch one
			info, err := os.Stat(folder)
			d.must(err)
			w.folders[folder] = info
		}
		tell := func() { w.told.Events <- fsnotify.Event{Name: d.in("flows.yaml"), Op: fsnotify.Write} }
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		var calls atomic.Int32
		go func() {
			over <- w.run(ctx, func() *Document {
				doc := load()
				calls.Add(1)
				if changed != nil {
					changed(d, tell)
				}
				return doc
			})
		}()
		synctest.Wait()
		test(d, tell, &calls)
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

func TestASaveThatChangesNothingIsNotTold(t *testing.T) {
	inABubble(t, nil, func(d tree, tell func(), calls *atomic.Int32) {
		d.write("flows.yaml", aFlow)
		tell()
		time.Sleep(time.Minute)
		d.write("new.tmp", aFlow)
		d.rename("new.tmp", "flows.yaml")
		tell()
		time.Sleep(time.Minute)
		if n := calls.Load(); n != 0 {
			d.Errorf("%d changes were told where there was none", n)
		}
	})
}

func TestOneSaveIsOneChange(t *testing.T) {
	inABubble(t, nil, func(d tree, tell func(), calls *atomic.Int32) {
		for i := range 5 {
			d.write("flows.yaml", strings.Repeat("# more\n", i+1)+aFlow)
			tell()
			time.Sleep(quiet / 2)
		}
		if n := calls.Load(); n != 0 {
			d.Errorf("told %d times before writing has paused", n)
		}
		time.Sleep(time.Minute)
		if n := calls.Load(); n != 1 {
			d.Errorf("told %d times, want once", n)
		}
	})
}

func TestWritingWithoutAPauseIsToldNevertheless(t *testing.T) {
	inABubble(t, nil, func(d tree, tell func(), calls *atomic.Int32) {
		begin := time.Now()
		for i := 0; calls.Load() == 0; i++ {
			if time.Since(begin) > patience+quiet {
				d.Fatal("not told while it went on")
			}
			d.write("flows.yaml", strings.Repeat("# more\n", i%100+1)+aFlow)
			tell()
			time.Sleep(quiet / 10)
		}
	})
}

func TestAFolderIsWatchedForItsDocuments(t *testing.T) {
	d := newTree(t)
	d.mkdir("conf")
	d.write("conf/a.yaml", aFlow)
	changes := d.start("conf")
	d.write("conf/a_test.yaml", "tests: []")
	d.write("conf/notes.txt", "x")
	expectNone(t, changes)
	d.write("conf/b.yml", strings.ReplaceAll(aFlow, "a:", "b:"))
	expectFlows(t, changes, "a", "b")
	d.write("conf/b.yml", strings.ReplaceAll(aFlow, "a:", "c:"))
	expectFlows(t, changes, "a", "c")
	d.remove("conf/b.yml")
	expectFlows(t, changes, "a")
}

func TestAFolderMadeAnewIsWatched(t *testing.T) {
	d := newTree(t)
	d.mkdir("deep/conf")
	d.write("deep/conf/a.yaml", aFlow)
	changes := d.start("deep/conf")
	d.remove("deep")
	expectFlows(t, changes)
	d.mkdir("deep/conf")
	d.write("deep/conf/a.yaml", strings.ReplaceAll(aFlow, "a:", "b:"))
	expectFlows(t, changes, "b")
	d.mkdir("deep/next")
	d.write("deep/next/a.yaml", aFlow)
	d.rename("deep/conf", "deep/before")
	d.rename("deep/next", "deep/conf")
	expectFlows(t, changes, "a")
	d.write("deep/conf/a.yaml", strings.ReplaceAll(aFlow, "a:", "c:"))
	expectFlows(t, changes, "c")
}

func TestAFileThatIsNotThereYetIsWatchedFor(t *testing.T) {
	d := newTree(t)
	changes := d.start("later/flows.yaml")
	d.mkdir("later")
	d.write("later/flows.yaml", aFlow)
	expectFlows(t, changes, "a")
}

// Kubernetes mounts a ConfigMap as links to ..data, itself a link to a folder
// that is never changed but replaced by a rename of another link.
func TestASwapByKubernetesIsNoticed(t *testing.T) {
	for name, path := range map[string]string{"of a file": "mount/flows.yaml", "of a folder": "mount"} {
		t.Run(name, func(t *testing.T) {
			d := newTree(t)
			d.mkdir("mount/..1")
			d.write("mount/..1/flows.yaml", aFlow)
			d.link("..1", "mount/..data")
			d.link("..data/flows.yaml", "mount/flows.yaml")
			changes := d.start(path)
			for i, n := range []string{"b", "c"} {
				folder := "mount/..next" + n
				d.mkdir(folder)
				d.write(folder+"/flows.yaml", strings.ReplaceAll(aFlow, "a:", n+":"))
				d.link(filepath.Base(folder), "mount/..tmp")
				d.rename("mount/..tmp", "mount/..data")
				d.remove([]string{"mount/..1", "mount/..nextb"}[i])
				expectFlows(t, changes, n)
			}
		})
	}
}

func TestALinkOnTheWayIsWatched(t *testing.T) {
	d := newTree(t)
	d.mkdir("releases/1")
	d.mkdir("releases/2")
	d.write("releases/1/flows.yaml", aFlow)
	d.write("releases/2/flows.yaml", strings.ReplaceAll(aFlow, "a:", "b:"))
	d.link("releases/1", "current")
	changes := d.start("current/flows.yaml")
	d.write("releases/1/flows.yaml", strings.ReplaceAll(aFlow, "a:", "c:"))
	expectFlows(t, changes, "c")
	d.link("releases/2", "next")
	d.rename("next", "current")
	expectFlows(t, changes, "b")
}

func TestAFileWithASecretIsWatched(t *testing.T) {
	d := newTree(t)
	d.mkdir("secrets")
	d.write("secrets/token", "one")
	d.write("flows.yaml", "admin: {token: \"${file:${ROOT}/secrets/token}\"}\n"+aFlow)
	changes := d.start("flows.yaml")
	d.write("secrets/token", "two")
	token := func(want string) {
		t.Helper()
		expect(t, changes, "token "+want, func(doc *Document) bool {
			token := doc.Admin.Get("token")
			return token != nil && token.Text == want
		})
	}
	token("two")
	d.write("flows.yaml", "admin: {token: \"${file:${ROOT}/secrets/other}\"}\n"+aFlow)
	expect(t, changes, "a secret that is not there", func(doc *Document) bool { return len(doc.Flows) == 1 })
	d.write("secrets/other", "three")
	token("three")
}

func TestAChangeSinceTheDocumentWasReadIsNoticed(t *testing.T) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	doc, _ := Load([]string{d.in("flows.yaml")}, os.LookupEnv)
	d.write("flows.yaml", strings.ReplaceAll(aFlow, "a:", "b:"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	told := false
	doc.Watch(ctx, func() *Document {
		told = true
		cancel()
		return doc
	})
	if !told {
		t.Error("not told")
	}
}

func TestCallsNeverOverlapAndAChangeMeanwhileIsNotForgotten(t *testing.T) {
	var running, times atomic.Int32
	inABubble(t, func(d tree, tell func()) {
		if running.Add(1) > 1 {
			t.Error("two at a time")
		}
		if times.Add(1) == 1 {
			d.write("flows.yaml", "# three\n"+aFlow)
			go tell()
		}
		time.Sleep(3 * quiet)
		running.Add(-1)
	}, func(d tree, tell func(), calls *atomic.Int32) {
		d.write("flows.yaml", "# two\n"+aFlow)
		tell()
		time.Sleep(time.Minute)
		if n := calls.Load(); n != 2 {
			d.Errorf("%d calls, want 2", n)
		}
	})
}

func TestWhereTheSystemTellsNothingItLooksItself(t *testing.T) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	doc, _ := Load([]string{d.in("flows.yaml")}, os.LookupEnv)
	w := &watcher{seen: doc.seen}
	if got := w.interval(); got != polling {
		t.Errorf("looks every %v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	time.AfterFunc(200*time.Millisecond, func() { d.write("flows.yaml", "# two\n"+aFlow) })
	told := false
	w.run(ctx, func() *Document {
		told = true
		cancel()
		return doc
	})
	if !told {
		t.Error("not told")
	}
}

func TestWhatFlowsWriteBesideTheirDocumentIsNoReasonToLook(t *testing.T) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	doc, _ := Load([]string{d.in("flows.yaml")}, os.LookupEnv)
	w := &watcher{seen: doc.seen}
	w.look()
	for name, want := range map[string]bool{"flows.yaml": true, "events.jsonl": false} {
		if got := w.matters(fsnotify.Event{Name: d.in(name), Op: fsnotify.Write}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAPipeIsReadOnceAndNotWatched(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString(aFlow); err != nil {
		t.Fatal(err)
	}
	w.Close()
	path := "/dev/fd/" + itoa(int(r.Fd()))
	doc, diags := Load([]string{path}, os.LookupEnv)
	if len(doc.Flows) != 1 {
		t.Skip("this system has no /dev/fd: ", diags)
	}
	if got := fingerprints([]string{path}); got[path] != doc.seen[path] {
		t.Error("it would be read again")
	}
}

func TestAFileThatTheDocumentDependsOnIsWatched(t *testing.T) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	d.write("one", "1")
	d.write("three", "3")
	names := []string{"one", "two"}
	load := func() *Document {
		doc, _ := Load([]string{d.in("flows.yaml")}, os.LookupEnv)
		for _, name := range names {
			doc.DependsOn(Path(d.in(name)).Files())
		}
		return doc
	}
	doc := load()
	changes := make(chan *Document, 100)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() {
		over <- doc.Watch(ctx, func() *Document {
			names = []string{"two", "three"}
			doc := load()
			changes <- doc
			return doc
		})
	}()
	t.Cleanup(func() {
		cancel()
		d.must(<-over)
	})
	holds := func(name, text string) func(*Document) bool {
		return func(doc *Document) bool { return doc.depends()[d.in(name)] == digest(text) }
	}
	d.write("two", "2")
	expect(t, changes, "the file that was missing", holds("two", "2"))
	d.write("three", "4")
	expect(t, changes, "the file that the next document depends on", holds("three", "4"))
	time.Sleep(3 * quiet)
	for len(changes) > 0 { // of what was written in steps
		<-changes
	}
	d.write("one", "no longer watched")
	expectNone(t, changes)
}
