package claude

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// The keys of the checkpoints, behind what [source.key] puts before them.
const (
	baselineKey  = "baseline"
	processesKey = "processes"
	filePrefix   = "file/"
)

// key is the key of a checkpoint. Each folder of transcripts has its own: in
// another one, everything is there for the first time.
func (s *source) key(name string) string { return identify(s.dir)[:8] + "/" + name }

// A baseline is what was there on the first start. Files that it names and
// that have no checkpoint were never read.
type baseline struct {
	Cutoff time.Time        // records older than this tell nothing
	Sizes  map[string]int64 // of the files
}

// forever is the cutoff of start_at: end.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// cutoff is the time before which nothing is told of what was there already.
func (s StartAt) cutoff() time.Time {
	if s.End {
		return forever
	}
	return s.Time
}

// A checkpoint is how far a file was read. It is saved once what was read is
// safe; a crash before brings the same events, with the same ids, again.
type checkpoint struct {
	fingerprint
	Size  int64 // of the file, when it was last read to its end
	Time  time.Time
	State state
}

// load decodes a checkpoint, if there is one.
func (s *source) load(ctx context.Context, name string, into any) (found bool, err error) {
	value, err := s.env.Checkpoints.Load(ctx, s.key(name))
	if err == nil && value != nil {
		err = json.Unmarshal(value, into)
	}
	if err != nil {
		return false, fmt.Errorf("reading checkpoint %q: %w", name, err)
	}
	return value != nil, nil
}

// save saves v, or removes the checkpoint if v is nil, also when ctx has just
// ended: what it tells has happened.
func (s *source) save(ctx context.Context, name string, v any) error {
	ctx, cancel := engine.Outlast(ctx)
	defer cancel()
	var value []byte
	if v != nil {
		value = encode(v)
	}
	if err := s.env.Checkpoints.Save(ctx, s.key(name), value); err != nil {
		return fmt.Errorf("saving checkpoint %q: %w", name, err)
	}
	return nil
}

// checkpoints loads those of all files, by path. One that can't be read is left
// out: its file is read anew.
func (s *source) checkpoints(ctx context.Context) (map[string]checkpoint, error) {
	all := map[string]checkpoint{}
	err := s.env.Checkpoints.Range(ctx, func(key string, value []byte) bool {
		path, ok := strings.CutPrefix(key, s.key(filePrefix))
		if !ok {
			return true
		}
		var c checkpoint
		if err := json.Unmarshal(value, &c); err != nil {
			s.env.Log.Warn("a checkpoint can't be read; its file is read anew", "file", path, "error", err)
			return true
		}
		all[path] = c
		return true
	})
	return all, err
}

// saveFile saves how far f was read.
func (w *watcher) saveFile(ctx context.Context, f *file) error {
	c := checkpoint{fingerprint: f.print, Size: f.size, Time: f.time, State: f.t.state}
	if err := w.save(ctx, filePrefix+f.path, c); err != nil {
		return err
	}
	f.dirty = false
	return nil
}
