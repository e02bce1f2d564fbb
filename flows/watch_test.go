package flows

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
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

func expectChange(t *testing.T, changes <-chan *Document) *Document {
	t.Helper()
	select {
	case doc := <-changes:
		return doc
	case <-time.After(time.Minute):
		t.Fatal("no change was told")
		return nil
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
				if doc := expectChange(t, changes); len(doc.Flows) != 1 || doc.Flows[0].Name != n {
					t.Errorf("flow %s: %v", n, doc.Flows)
				}
			}
			expectNone(t, changes)
		})
	}
}

func TestASaveThatChangesNothingIsNotTold(t *testing.T) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	changes := d.start("flows.yaml")
	d.write("flows.yaml", aFlow)
	d.write("other.yaml", "x: 1")
	d.write("new.tmp", aFlow)
	d.rename("new.tmp", "flows.yaml")
	expectNone(t, changes)
}

func TestOneSaveIsOneChange(t *testing.T) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	changes := d.start("flows.yaml")
	for i := range 5 {
		d.write("flows.yaml", strings.Repeat("# more\n", i+1)+aFlow)
		time.Sleep(20 * time.Millisecond)
	}
	expectChange(t, changes)
	expectNone(t, changes)
}

func TestWritingWithoutAPauseIsToldNevertheless(t *testing.T) {
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	changes := d.start("flows.yaml")
	begin := time.Now()
	for i := 0; len(changes) == 0; i++ {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("not told while it went on")
		}
		d.write("flows.yaml", strings.Repeat("# more\n", i%100+1)+aFlow)
		time.Sleep(10 * time.Millisecond)
	}
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
	if doc := expectChange(t, changes); len(doc.Flows) != 2 {
		t.Errorf("%d flows", len(doc.Flows))
	}
	d.write("conf/b.yml", strings.ReplaceAll(aFlow, "a:", "c:"))
	expectChange(t, changes)
	d.remove("conf/b.yml")
	if doc := expectChange(t, changes); len(doc.Flows) != 1 {
		t.Errorf("%d flows", len(doc.Flows))
	}
}

func TestAFolderMadeAnewIsWatched(t *testing.T) {
	d := newTree(t)
	d.mkdir("deep/conf")
	d.write("deep/conf/a.yaml", aFlow)
	changes := d.start("deep/conf")
	d.remove("deep")
	expectChange(t, changes)
	d.mkdir("deep/conf")
	d.write("deep/conf/a.yaml", strings.ReplaceAll(aFlow, "a:", "b:"))
	expectChange(t, changes)
	d.mkdir("deep/next")
	d.write("deep/next/a.yaml", aFlow)
	d.rename("deep/conf", "deep/before")
	d.rename("deep/next", "deep/conf")
	expectChange(t, changes)
	d.write("deep/conf/a.yaml", strings.ReplaceAll(aFlow, "a:", "c:"))
	if doc := expectChange(t, changes); doc.Flows[0].Name != "c" {
		t.Error(doc.Flows[0].Name)
	}
}

func TestAFileThatIsNotThereYetIsWatchedFor(t *testing.T) {
	d := newTree(t)
	changes := d.start("later/flows.yaml")
	d.mkdir("later")
	d.write("later/flows.yaml", aFlow)
	if doc := expectChange(t, changes); len(doc.Flows) != 1 {
		t.Error("no flow")
	}
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
				if doc := expectChange(t, changes); len(doc.Flows) != 1 || doc.Flows[0].Name != n {
					t.Errorf("flow %s: %v", n, doc.Flows)
				}
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
	expectChange(t, changes)
	d.link("releases/2", "next")
	d.rename("next", "current")
	if doc := expectChange(t, changes); doc.Flows[0].Name != "b" {
		t.Error(doc.Flows[0].Name)
	}
}

func TestAFileWithASecretIsWatched(t *testing.T) {
	d := newTree(t)
	d.mkdir("secrets")
	d.write("secrets/token", "one")
	d.write("flows.yaml", "admin: {token: \"${file:${ROOT}/secrets/token}\"}\n"+aFlow)
	changes := d.start("flows.yaml")
	d.write("secrets/token", "two")
	if doc := expectChange(t, changes); doc.Admin.Get("token").Text != "two" {
		t.Error("the secret is the one before")
	}
	d.write("flows.yaml", "admin: {token: \"${file:${ROOT}/secrets/other}\"}\n"+aFlow)
	expectChange(t, changes)
	d.write("secrets/other", "three")
	if doc := expectChange(t, changes); doc.Admin.Get("token").Text != "three" {
		t.Error("the secret is the one before")
	}
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
	d := newTree(t)
	d.write("flows.yaml", aFlow)
	ctx, cancel := context.WithCancel(t.Context())
	var running, calls atomic.Int32
	over := make(chan error)
	load := func() *Document {
		doc, _ := Load([]string{d.in("flows.yaml")}, os.LookupEnv)
		return doc
	}
	doc := load()
	go func() {
		over <- doc.Watch(ctx, func() *Document {
			doc := load()
			if running.Add(1) > 1 {
				t.Error("two at a time")
			}
			if calls.Add(1) == 1 {
				d.write("flows.yaml", "# three\n"+aFlow)
			}
			time.Sleep(300 * time.Millisecond)
			running.Add(-1)
			return doc
		})
	}()
	time.Sleep(150 * time.Millisecond)
	d.write("flows.yaml", "# two\n"+aFlow)
	for end := time.Now().Add(time.Minute); calls.Load() < 2 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond)
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d calls", n)
	}
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
