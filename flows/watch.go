package flows

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	quiet     = 100 * time.Millisecond // how long nothing must happen for writing to have paused
	patience  = time.Second            // how long writing may go on
	polling   = time.Second            // between looks, where the system does not tell of changes
	recheck   = 10 * time.Second       // between looks otherwise: of a network share's changes nothing is told
	mostLinks = 40                     // symbolic links on the way to a file, as in the kernel
)

// Watch calls changed whenever the files and folders that d was read from, and
// those it [Document.DependsOn], no longer hold what was read, be it since
// before Watch was called: once for a save, when writing has paused, and not at
// all for one that changes nothing. Changed returns the document as it is now, with mistakes or without: that one
// is watched from then on. Calls never overlap. Watch returns nil once ctx is
// done.
//
// It watches folders rather than files, and those of every symbolic link on
// the way, because editors save by renaming, git by deleting, and Kubernetes by
// turning a link: of a watched file nothing more would be heard.
func (d *Document) Watch(ctx context.Context, changed func() *Document) error {
	w := &watcher{seen: d.depends(), folders: map[string]os.FileInfo{}}
	if told, err := fsnotify.NewWatcher(); err == nil {
		defer told.Close()
		w.told = told
	}
	return w.run(ctx, changed)
}

func (w *watcher) run(ctx context.Context, changed func() *Document) error {
	var events chan fsnotify.Event
	var errs chan error
	if w.told != nil {
		events, errs = w.told.Events, w.told.Errors
	}
	due := time.NewTimer(0)
	defer due.Stop()
	var deadline time.Time // by which to look although events still come
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-events:
			if !ok {
				events, w.told = nil, nil
			}
			if ok && !w.matters(event) {
				continue
			}
			if deadline.IsZero() {
				deadline = time.Now().Add(patience)
			}
			due.Reset(max(0, min(quiet, time.Until(deadline))))
		case _, ok := <-errs: // of lost events, for one
			if !ok {
				errs = nil
			}
			due.Reset(quiet)
		case <-due.C:
			deadline = time.Time{}
			if maps.Equal(w.look(), w.seen) {
				due.Reset(w.interval())
				continue
			}
			w.seen = changed().depends()
			due.Reset(quiet) // what is new in it is not watched yet
		}
	}
}

type watcher struct {
	seen    Fingerprints           // what each path held when it was read
	told    *fsnotify.Watcher      // nil where the system offers none
	folders map[string]os.FileInfo // that told watches, to know one that was made anew
	files   map[string]bool        // that hold what is watched, symbolic links followed
	blind   bool                   // whether some folder can't be watched
}

// matters reports whether an event may be of what is watched. The events that
// a flow writes beside its document are not.
func (w *watcher) matters(event fsnotify.Event) bool {
	return event.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) || w.files[event.Name]
}

// interval is how long to wait to be told of a change before looking.
func (w *watcher) interval() time.Duration {
	if w.told == nil || w.blind {
		return polling
	}
	return recheck
}

// look returns what the paths hold now. It first watches the folders on the
// way, and goes over them again if that was too late for one that came up
// meanwhile.
func (w *watcher) look() Fingerprints {
	for range 3 {
		folders := map[string]bool{}
		w.files = map[string]bool{}
		for path := range w.seen {
			real := trace(path, folders)
			w.files[real] = true
			if inside, _, err := filesOf(real); err == nil {
				for _, file := range inside {
					w.files[trace(file, folders)] = true
				}
			}
		}
		if !w.follow(folders) {
			break
		}
	}
	return fingerprints(slices.Collect(maps.Keys(w.seen)))
}

// follow watches folders, and nothing else, and reports whether it watches one
// that it did not.
func (w *watcher) follow(folders map[string]bool) (more bool) {
	if w.told == nil {
		return false
	}
	w.blind = false
	for folder := range folders {
		info, err := os.Stat(folder)
		before := w.folders[folder]
		if err == nil && before != nil && os.SameFile(before, info) {
			continue
		}
		if before != nil {
			_ = w.told.Remove(folder) // it is gone, or another has its name
			delete(w.folders, folder)
		}
		if err != nil || w.told.Add(folder) != nil {
			w.blind = true
			continue
		}
		w.folders[folder] = info
		more = true
	}
	for folder := range w.folders {
		if !folders[folder] {
			_ = w.told.Remove(folder)
			delete(w.folders, folder)
		}
	}
	return more
}

// trace follows a path with its symbolic links and returns where it leads. It
// adds the folders in which a change would make it lead elsewhere, or change
// what is there.
func trace(path string, folders map[string]bool) (real string) {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	root := filepath.VolumeName(path) + string(filepath.Separator)
	at := root
	todo := strings.Split(path[len(root):], string(filepath.Separator))
	for links := 0; len(todo) > 0 && links <= mostLinks; {
		name := todo[0]
		todo = todo[1:]
		if name == "" {
			continue
		}
		next := filepath.Join(at, name) // of "..", the parent: at has no links
		info, err := os.Lstat(next)
		if err != nil {
			folders[at] = true
			return next
		}
		if info.Mode()&os.ModeSymlink == 0 {
			if len(todo) == 0 && !info.IsDir() {
				folders[at] = true
			} else if len(todo) == 0 {
				folders[next] = true
			}
			at = next
			continue
		}
		links++
		folders[at] = true
		target, err := os.Readlink(next)
		if err != nil {
			return next
		}
		if filepath.IsAbs(target) {
			at = root
		}
		todo = append(strings.Split(filepath.Clean(target), string(filepath.Separator)), todo...)
	}
	return at
}
