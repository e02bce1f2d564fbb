package files

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// start opens the files that are there, those that have lost their path since
// they were read last before the others.
func (r *follower) start(ctx context.Context) error {
	first, err := r.cps.first(ctx, r.config.Path)
	if err != nil {
		return err
	}
	if err := r.findMoved(ctx); err != nil {
		return err
	}
	how := born
	if first {
		how = present
		if r.config.atEnd() {
			how = presentAtEnd
		}
	}
	r.scan(ctx, how)
	if len(r.files) == 0 && !r.config.Follow {
		r.env.Log.Warn("there is no file to read", "path", r.config.Path)
	}
	if !first {
		return nil
	}
	return r.cps.begun(ctx, r.config.Path)
}

// findMoved opens the files of the pattern that were being read and are not at
// their path any more, but still in the same folder: they were rotated while
// nobody looked. It forgets those that were not found for long.
func (r *follower) findMoved(ctx context.Context) error {
	all, err := r.cps.all(ctx)
	if err != nil {
		return err
	}
	folders := map[string]map[string]string{} // paths by identity, by folder
	var away []string
	for id, cp := range all {
		if info, err := os.Stat(cp.Path); err == nil && identify(cp.Path, info) == id {
			continue
		}
		folder := filepath.Dir(cp.Path)
		if folders[folder] == nil {
			folders[folder] = filesIn(folder)
		}
		if path, ok := folders[folder][id]; ok {
			if ours, _ := filepath.Match(r.config.Path, cp.Path); ours {
				away = append(away, path)
			}
			continue
		}
		if time.Since(cp.Saved) > keepFor {
			if err := r.cps.remove(ctx, id); err != nil {
				return err
			}
		}
	}
	r.openAll(ctx, away, moved)
	for _, f := range r.files {
		f.found(all[f.id].Path)
		f.gone = time.Now()
	}
	return nil
}

// filesIn returns the paths of the files of a folder by their identity; none
// if it can't be read.
func filesIn(folder string) map[string]string {
	paths := map[string]string{}
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			paths[identify(path, info)] = path
		}
	}
	return paths
}

// scan looks which files there are, opens new ones and marks those that are
// gone.
func (r *follower) scan(ctx context.Context, how arrival) {
	paths, _ := filepath.Glob(r.config.Path) // the pattern was checked
	at := map[string]string{}                // where each file is, by identity
	var fresh []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || info.IsDir() {
			continue
		}
		id := identify(path, info)
		_, twice := at[id]
		f := r.known[id]
		if !twice || f != nil && f.path == path { // two names of one file: it keeps the one it had
			at[id] = path
		}
		if f == nil && !twice {
			fresh = append(fresh, path)
		}
	}
	for _, f := range r.files {
		if path, ok := at[f.id]; ok {
			f.found(path)
			f.gone = time.Time{}
		} else if f.gone.IsZero() {
			f.gone = time.Now()
		}
	}
	r.openAll(ctx, fresh, how)
}

// openAll opens files that are new, the one that was changed longest ago first.
func (r *follower) openAll(ctx context.Context, paths []string, how arrival) {
	changed := func(path string) time.Time {
		info, err := os.Stat(path)
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortStableFunc(paths, func(a, b string) int { return changed(a).Compare(changed(b)) })
	for _, path := range paths {
		f, err := openTailed(ctx, r.cps, path, how)
		if err != nil {
			if how != moved && r.told[path] != err.Error() && ctx.Err() == nil {
				r.told[path] = err.Error()
				r.env.Log.Warn("this file can't be read", "path", path, "error", err)
			}
			continue
		}
		delete(r.told, path)
		if r.known[f.id] != nil { // it was swapped between two looks
			f.file.Close()
			continue
		}
		r.known[f.id] = f
		r.files = append(r.files, f)
	}
}
