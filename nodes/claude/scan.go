package claude

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scan goes through all folders: it watches those that are new, reads what has
// changed, and finds what was moved or deleted.
func (w *watcher) scan(ctx context.Context, now time.Time) error {
	w.blind, w.whole = w.notify == nil, true
	listed := w.list()
	wait := w.pace.rescan
	if w.blind {
		wait = w.pace.blind
	}
	w.scanAt = now.Add(wait)

	w.missing = nil
	for path, f := range w.files {
		if listed[path] != nil {
			continue
		}
		if f.gone.IsZero() {
			f.gone = now
		}
		w.missing = append(w.missing, f)
	}
	// In the order of their last change, which is about that of what happened.
	paths := slices.SortedFunc(maps.Keys(listed), func(a, b string) int {
		return cmp.Or(listed[a].ModTime().Compare(listed[b].ModTime()), cmp.Compare(a, b))
	})
	for _, path := range paths {
		f, err := w.file(ctx, path, listed, now)
		if err != nil {
			return err
		}
		f.gone = time.Time{}
		if err := w.look(ctx, f, listed[path]); err != nil {
			return err
		}
	}
	if err := w.drop(ctx, listed, now); err != nil {
		return err
	}
	return w.flush(ctx)
}

// list lists the transcripts by path, and watches the folders they are in.
func (w *watcher) list() map[string]fs.FileInfo {
	listed := map[string]fs.FileInfo{}
	w.listFolder(".", listed)
	return listed
}

func (w *watcher) listFolder(folder string, listed map[string]fs.FileInfo) {
	name := filepath.Join(w.dir, folder)
	if w.notify != nil {
		// Before it is read, so that nothing falls between. Watching a folder
		// twice does nothing.
		if err := w.notify.Add(name); err != nil {
			w.blind = true
			if !errors.Is(err, fs.ErrNotExist) {
				w.warnBlind.Do(func() {
					w.env.Log.Warn("a folder can't be watched, looking for changes instead", "dir", name, "error", err)
				})
			}
		}
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		w.blind, w.whole = true, false
		return
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		_, ok := transcriptOf(path, w.helpers)
		if entry.Type().IsRegular() && !ok {
			continue
		}
		info, err := os.Stat(filepath.Join(w.dir, path)) // follows links
		switch {
		case err != nil:
		case info.IsDir():
			if w.holds(path) {
				w.listFolder(path, listed)
			}
		case info.Mode().IsRegular() && ok:
			listed[path] = info
		}
	}
}

// maxDepth bounds how deep folders are gone into: a link may make a loop.
const maxDepth = 8

// holds reports whether a folder may hold transcripts.
func (w *watcher) holds(path string) bool {
	parts := strings.Split(filepath.ToSlash(path), "/")
	switch {
	case len(parts) == 1:
		return true
	case !w.helpers || len(parts) > maxDepth || !sessionName.MatchString(parts[1]):
		return false
	}
	return len(parts) == 2 || parts[2] == "subagents"
}

// slack is how much older than its file a record may be and not be a copy: it
// gets its time before it is written.
const slack = 10 * time.Second

// file returns the file of a path. One not known yet goes on from where it was
// moved from, or from its checkpoint, or else is read from its beginning.
func (w *watcher) file(ctx context.Context, path string, listed map[string]fs.FileInfo, now time.Time) (*file, error) {
	if f := w.files[path]; f != nil {
		return f, nil
	}
	info := listed[path]
	for _, f := range w.missing {
		if listed[f.path] != nil {
			continue // found already
		}
		if filepath.Base(f.path) == filepath.Base(path) || f.info != nil && os.SameFile(f.info, info) {
			delete(w.files, f.path)
			return f, w.rename(ctx, f, path)
		}
	}
	session, _ := transcriptOf(path, true)
	f := &file{path: path, t: newTranscript(&w.config, session, w.uuids, w.ways, now.Add(-slack))}
	w.files[path] = f
	was, c, known := before(w.saved, path, listed)
	if known {
		delete(w.saved, was)
		f.fresh, f.print, f.size, f.time = true, c.fingerprint, c.Size, c.Time
		f.t.resume(c.State)
	} else if _, size, ok := before(w.base.Sizes, path, listed); ok {
		known = true
		f.t.state.Base, f.t.state.Cutoff = size, w.base.Cutoff
		if info.Size() == size && info.ModTime().Before(w.base.Cutoff) {
			f.size, f.time = size, info.ModTime() // nothing to tell of before it grows
		}
	}
	if f.session() != "" {
		w.followed.Store(f.session(), known)
	}
	if known && was != "" && was != path {
		f.path = was
		return f, w.rename(ctx, f, path)
	}
	return f, nil
}

// before finds what is known of a path from before the start, or of the file
// of its name that was elsewhere then.
func before[T any](known map[string]T, path string, listed map[string]fs.FileInfo) (was string, v T, ok bool) {
	if v, ok := known[path]; ok {
		return path, v, true
	}
	for was, v := range known {
		if listed[was] == nil && filepath.Base(was) == filepath.Base(path) {
			return was, v, true
		}
	}
	return "", v, false
}

// rename gives f its new path, and its checkpoint with it.
func (w *watcher) rename(ctx context.Context, f *file, path string) error {
	old := f.path
	f.path = path
	w.files[path] = f
	if err := w.saveFile(ctx, f); err != nil {
		return err
	}
	return w.save(ctx, filePrefix+old, nil)
}

// drop forgets what is gone for good. Where a folder could not be read, or
// nothing is there at all, it may be a disk that is not mounted.
func (w *watcher) drop(ctx context.Context, listed map[string]fs.FileInfo, now time.Time) error {
	if !w.whole || len(listed) == 0 {
		return nil
	}
	for path, f := range w.files {
		if f.gone.IsZero() || now.Sub(f.gone) < w.pace.grace {
			continue
		}
		delete(w.files, path)
		w.followed.Delete(f.session())
		if err := w.save(ctx, filePrefix+path, nil); err != nil {
			return err
		}
	}
	for path := range w.saved { // gone while we were
		delete(w.saved, path)
		if err := w.save(ctx, filePrefix+path, nil); err != nil {
			return err
		}
	}
	return nil
}
