package files

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowd/flowd/engine"
)

const (
	pollEvery = time.Second
	linger    = time.Minute // how long a file is read on after it has lost its path and gone quiet
)

// A follower goes round the files of a glob.
type follower struct {
	config TailConfig
	env    *engine.Env
	cps    checkpoints

	files []*tailed          // the older before the newer
	known map[string]*tailed // the same, by identity
	told  map[string]string  // the troubles with paths that were logged
	long  int                // lines that were too long

	poll  <-chan time.Time // says when to look for files; nil if that is done once
	batch []*engine.Event  // taken, to be put in
	bytes int              // of them
	putter
	marks []mark // how far the files are read with what is on its way in
}

func newFollower(c TailConfig, env *engine.Env, in engine.Inlet) *follower {
	return &follower{
		config: c, env: env, cps: checkpoints{env.Checkpoints}, putter: putter{in: in, log: env.Log},
		known: map[string]*tailed{}, told: map[string]string{},
	}
}

// close waits for what is on its way in, and closes the files.
func (r *follower) close(ctx context.Context) {
	if marks, err := r.arrive(func() {}); err == nil {
		r.keep(ctx, marks)
	}
	for _, f := range r.files {
		f.file.Close()
	}
}

// follow reads until ctx ends.
func (r *follower) follow(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		r.env.Log.Warn("files are only looked at once a second", "error", err)
		watcher = &fsnotify.Watcher{} // its channels are nil: nothing ever comes
	} else {
		defer watcher.Close()
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	r.poll = poll.C
	for look := true; ; {
		if look {
			r.watch(watcher)
			r.scan(ctx, born)
		}
		more, err := r.round(ctx)
		if err != nil {
			return err
		}
		if err := r.leave(ctx); err != nil {
			return err
		}
		look = false
		if !more {
			select {
			case <-ctx.Done():
				return nil
			case <-r.poll:
				look = true
			case change := <-watcher.Events:
				look = change.Op != fsnotify.Write
			case <-watcher.Errors: // some events were lost
				look = true
			}
		}
		look = drain(watcher, r.poll) || look
	}
}

// drain takes what the watcher and the ticker have to say already, and reports
// whether the folders must be looked at.
func drain(w *fsnotify.Watcher, poll <-chan time.Time) (look bool) {
	for {
		select {
		case change := <-w.Events:
			look = look || change.Op != fsnotify.Write
		case <-w.Errors:
			look = true
		case <-poll:
			look = true
		default:
			return look
		}
	}
}

// watch has the watcher tell of changes in the folders of the glob. Where it
// can't, looking once a second must do.
func (r *follower) watch(w *fsnotify.Watcher) {
	if w.Events == nil {
		return
	}
	folders, _ := filepath.Glob(filepath.Dir(r.config.Path))
	for _, folder := range folders {
		if err := w.Add(folder); err != nil && r.told["watch "+folder] == "" {
			r.told["watch "+folder] = err.Error()
			r.env.Log.Warn("a folder is only looked at once a second", "path", folder, "error", err)
		}
	}
}

// round reads at most a batch of each file and reports whether there is more. If
// there is not, all is in.
func (r *follower) round(ctx context.Context) (more bool, err error) {
	behind := map[string]bool{} // paths with a file that is not at its end
	for _, f := range r.files {
		if behind[f.path] {
			continue
		}
		end, err := r.take(ctx, f)
		if err != nil {
			return false, err
		}
		if !end {
			behind[f.path], more = true, true
		}
	}
	if !more {
		return false, r.settle(ctx)
	}
	if len(r.batch) > 0 {
		return true, r.flush(ctx)
	}
	return true, nil
}

// take takes lines of f until its end is reached, or they are a full batch,
// which it has put in.
func (r *follower) take(ctx context.Context, f *tailed) (end bool, err error) {
	for {
		l, ok := f.framer.next()
		if !ok {
			more, err := f.fill(ctx)
			if err != nil {
				if f.told != err.Error() {
					f.told = err.Error()
					r.env.Log.Warn("this file can't be read on at the moment", "path", f.path, "error", err)
				}
				return true, nil
			}
			f.told = ""
			if !more {
				return true, nil
			}
			continue
		}
		r.add(f, l)
		if len(r.batch) >= batchLines || r.bytes >= batchBytes {
			return false, r.flush(ctx)
		}
	}
}

// add makes a line an event of the batch.
func (r *follower) add(f *tailed, l line) {
	at := f.next
	f.next += l.size
	if l.long {
		r.long++
		r.env.Log.Warn("skipped a line that is too long", "path", f.path, "offset", at, "bytes", l.size, "skipped", r.long)
		return
	}
	e := r.config.Format.event(l.text)
	if e == nil {
		return
	}
	e.ID = f.lines.id(at, l.text)
	e.Source, e.Type, e.Subject, e.Meta = "tail", r.config.Type, f.path, f.meta
	r.batch = append(r.batch, e)
	r.bytes += len(l.text)
}

// flush begins to put in what was taken, once what was taken before is in, and
// saves how far that is. It returns an error only when ctx has ended.
func (r *follower) flush(ctx context.Context) error {
	// Meanwhile new files are opened, since they may be rotated away.
	safe, err := r.arrive(func() { r.scan(ctx, born) })
	if err != nil {
		return err
	}
	for _, f := range r.files {
		if f.next != f.given {
			r.marks = append(r.marks, f.mark())
		}
	}
	if len(r.batch) > 0 {
		r.begin(ctx, r.batch)
		r.batch, r.bytes = nil, 0
	}
	r.keep(ctx, safe)
	return ctx.Err()
}

// settle puts in what was taken.
func (r *follower) settle(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.flush(ctx)
}

// arrive waits until what is on its way is in, and returns how far that is. While
// that takes its time it works whenever it is time to.
func (r *follower) arrive(work func()) ([]mark, error) {
	marks := r.marks
	r.marks = nil
	return marks, r.end(r.poll, work)
}

// keep saves how far the files are read. A checkpoint that can't be saved costs
// no event: at worst some come again, as themselves.
func (r *follower) keep(ctx context.Context, marks []mark) {
	if len(marks) == 0 {
		return
	}
	late, cancel := engine.Outlast(ctx)
	defer cancel()
	for _, m := range marks {
		if err := m.file.keep(late, m); err != nil {
			r.env.Log.Error("some lines will come again after a restart", "error", err)
		}
	}
}

// leave closes the files that have lost their path and said nothing for long.
func (r *follower) leave(ctx context.Context) error {
	var left []*tailed
	for _, f := range r.files {
		if !f.gone.IsZero() && f.ended != nil && time.Since(f.gone) > linger && time.Since(f.grown) > linger {
			left = append(left, f)
			r.takeRest(f)
		}
	}
	if len(left) == 0 {
		return nil
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.files = slices.DeleteFunc(r.files, func(f *tailed) bool { return slices.Contains(left, f) })
	for _, f := range left {
		if deleted(f.file) {
			if err := r.cps.remove(ctx, f.id); err != nil {
				r.env.Log.Warn("removing the checkpoint of a file that is gone", "path", f.path, "error", err)
			}
		}
		delete(r.known, f.id)
		f.file.Close()
	}
	return nil
}

// takeRest takes the last line of a file that will not grow any more, which
// may lack its line end.
func (r *follower) takeRest(f *tailed) {
	if l, ok := f.framer.rest(); ok {
		r.add(f, l)
	}
}

// finish reads every file to its end.
func (r *follower) finish(ctx context.Context) error {
	for {
		more, err := r.round(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	for _, f := range r.files {
		r.takeRest(f)
	}
	return r.settle(ctx)
}
