package claude

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowd/flowd/engine"
)

// A watcher follows the transcripts of a folder. It belongs to the goroutine
// of Run. It hears of changes by the system's notifications where there are
// some, looks at files touched lately every second, since notifications get
// lost and don't come from network file systems, and through all folders now
// and then.
type watcher struct {
	*source
	in      engine.Inlet
	helpers bool // their files are read
	base    baseline
	uuids   *seen
	files   map[string]*file
	saved   map[string]checkpoint // of files that were not seen since the start
	notify  *fsnotify.Watcher     // nil if there is none

	marked  map[string]bool // files to look at soon
	missing []*file         // that the last scan did not find
	blind   bool            // some folder is not watched
	whole   bool            // every folder could be read
	buf     []byte          // to read with

	lookAt, pollAt, scanAt time.Time

	warnBlind sync.Once
}

// A confirmation is a Stop hook that asks whether the transcript has the end of
// the answer.
type confirmation struct {
	session, agent string
	sum            string        // of what was said, or empty if that does not matter
	done           chan struct{} // closed when the transcript was read
}

// readSize is how many bytes are read, and put in, at a time.
const readSize = 1 << 20

// watchTranscripts follows the transcripts until ctx is done.
func (s *source) watchTranscripts(ctx context.Context, in engine.Inlet) error {
	w := &watcher{
		source: s, in: in, helpers: s.config.Subagents || s.config.Mode == "line",
		uuids: newSeen(maxSeen), files: map[string]*file{}, marked: map[string]bool{}, buf: make([]byte, readSize),
	}
	if err := w.start(ctx); err != nil {
		return err
	}
	defer w.stop()
	err := w.loop(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	// What was read and told nothing is saved only now and then.
	return errors.Join(err, w.flush(ctx))
}

// noteFiles notes on the first start which files there are.
func (s *source) noteFiles(ctx context.Context) error {
	var base baseline
	known, err := s.load(ctx, baselineKey, &base)
	if err != nil || known {
		return err
	}
	base = baseline{Cutoff: s.config.StartAt.cutoff(), Sizes: map[string]int64{}}
	// Of helpers too, so that they are not all new when they are asked for.
	for path, info := range (&watcher{source: s, helpers: true}).list() {
		base.Sizes[path] = info.Size()
	}
	return s.save(ctx, baselineKey, base)
}

func (w *watcher) start(ctx context.Context) (err error) {
	if w.saved, err = w.checkpoints(ctx); err != nil {
		return err
	}
	if _, err = w.load(ctx, baselineKey, &w.base); err != nil {
		return err
	}
	if _, err := os.Stat(w.dir); err != nil {
		w.env.Log.Info("there are no transcripts yet", "dir", w.dir)
	}
	if w.notify, err = w.newNotify(); err != nil {
		w.notify = nil
		w.env.Log.Warn("the system does not tell of changes, looking for them instead", "error", err)
	}
	return nil
}

func (w *watcher) stop() {
	if w.notify != nil {
		w.notify.Close()
	}
	w.followed.Clear()
}

// flush saves what is not saved yet.
func (w *watcher) flush(ctx context.Context) error {
	for _, f := range w.files {
		if f.dirty {
			if err := w.saveFile(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watcher) loop(ctx context.Context) error {
	var changes <-chan fsnotify.Event
	var troubles <-chan error
	if w.notify != nil {
		changes, troubles = w.notify.Events, w.notify.Errors
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := w.due(ctx, time.Now()); err != nil {
			return err
		}
		timer.Reset(time.Until(w.next()))
		select {
		case <-ctx.Done():
			return nil
		case change := <-changes:
			w.mark(change)
		case err := <-troubles:
			w.env.Log.Warn("changes may have been missed, looking for them", "error", err)
			w.scanAt = time.Time{}
		case c := <-w.confirms:
			if err := w.confirm(ctx, c); err != nil {
				return err
			}
		case <-timer.C:
		}
	}
}

// next is when something is due.
func (w *watcher) next() time.Time {
	next := earlier(w.pollAt, w.scanAt)
	if len(w.marked) > 0 {
		next = earlier(next, w.lookAt)
	}
	for _, f := range w.files {
		if due, ok := f.t.Due(); ok {
			next = earlier(next, due)
		}
	}
	return next
}

// due does what is due.
func (w *watcher) due(ctx context.Context, now time.Time) error {
	if !now.Before(w.scanAt) {
		if err := w.scan(ctx, now); err != nil {
			return err
		}
	}
	if !now.Before(w.pollAt) {
		w.pollAt = now.Add(w.pace.poll)
		for path, f := range w.files {
			if now.Sub(f.grown) < w.pace.recent {
				w.marked[path] = true
			}
		}
		w.lookAt = now
	}
	if len(w.marked) > 0 && !now.Before(w.lookAt) {
		if err := w.lookAtMarked(ctx); err != nil {
			return err
		}
	}
	for _, f := range w.files {
		if due, ok := f.t.Due(); ok && !now.Before(due) {
			if err := w.tell(ctx, f, f.t.Quiet(now)); err != nil {
				return err
			}
		}
	}
	return nil
}

// mark notes a change.
func (w *watcher) mark(change fsnotify.Event) {
	if change.Op == fsnotify.Chmod {
		return
	}
	soon := time.Now().Add(w.pace.settle)
	path, err := filepath.Rel(w.dir, change.Name)
	if _, known := w.files[path]; err == nil && known && change.Has(fsnotify.Write) {
		if len(w.marked) == 0 {
			w.lookAt = soon
		}
		w.marked[path] = true
		return
	}
	if !change.Has(fsnotify.Write) || strings.HasSuffix(path, ".jsonl") {
		w.scanAt = earlier(w.scanAt, soon)
	}
}

func (w *watcher) lookAtMarked(ctx context.Context) error {
	marked := slices.Sorted(maps.Keys(w.marked))
	clear(w.marked)
	for _, path := range marked {
		f := w.files[path]
		if f == nil {
			continue
		}
		info, err := os.Stat(filepath.Join(w.dir, path))
		if err != nil {
			w.scanAt = time.Time{}
			continue
		}
		if err := w.look(ctx, f, info); err != nil {
			return err
		}
	}
	return nil
}

// look reads f if it has changed. What can't be read is tried again later.
func (w *watcher) look(ctx context.Context, f *file, info fs.FileInfo) error {
	if !f.changed(info) {
		return nil
	}
	damaged := f.t.damaged
	var failed error
	err := f.read(ctx, filepath.Join(w.dir, f.path), w.buf, func(events []found) error {
		failed = w.tell(ctx, f, events)
		return failed
	})
	if failed != nil || ctx.Err() != nil {
		return errors.Join(failed, ctx.Err())
	}
	if err != nil {
		if !f.wrong && !errors.Is(err, fs.ErrNotExist) {
			w.env.Log.Warn("a transcript can't be read, trying again later", "file", f.path, "error", err)
		}
		f.wrong = true
		return nil
	}
	f.wrong = false
	if n := f.t.damaged - damaged; n > 0 {
		w.env.Log.Warn("a transcript has damaged lines; what could be read of them was", "file", f.path, "places", n)
	}
	f.info, f.size, f.time = info, info.Size(), info.ModTime()
	return nil
}

// tell puts in the events of f and then saves how far it was read.
func (w *watcher) tell(ctx context.Context, f *file, events []found) error {
	if len(events) == 0 {
		return nil
	}
	for i := range events {
		events[i].event.Meta = engine.Meta{"file": filepath.Join(w.dir, f.path)}
	}
	if err := w.put(ctx, w.in, viaTranscript, events...); err != nil {
		f.dirty = false // or it would be saved as read
		return err
	}
	return w.saveFile(ctx, f)
}

// confirm reads the session's transcript and takes what it has as complete.
func (w *watcher) confirm(ctx context.Context, c confirmation) error {
	defer close(c.done)
	for _, f := range w.files {
		if f.session() != c.session && filepath.Base(f.path) != "agent-"+c.agent+".jsonl" {
			continue
		}
		if info, err := os.Stat(filepath.Join(w.dir, f.path)); err == nil {
			if err := w.look(ctx, f, info); err != nil {
				return err
			}
		}
		if err := w.tell(ctx, f, f.t.Confirm(c.session, c.agent, c.sum)); err != nil {
			return err
		}
	}
	return nil
}
