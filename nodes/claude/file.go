package claude

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	headSize = 1 << 10 // of the beginning of a file that identify it
	tailSize = 1 << 8  // of the bytes last read
)

// A file is a transcript on disk.
type file struct {
	path string // relative to the folder of transcripts
	t    *transcript

	info  fs.FileInfo // as it was when last looked at; nil before
	size  int64       // then, as is the next
	time  time.Time   // of its last change
	print fingerprint // of what was read
	fresh bool        // from a checkpoint: the uuids of what was read are not known
	grown time.Time   // when it was last seen to grow
	wrong bool        // it could not be read the last time
	gone  time.Time   // since when it is missing, or zero
	dirty bool        // there is more to save than the checkpoint has
}

// A fingerprint identifies what was read of a file: its first and its last
// bytes.
type fingerprint struct{ Head, Tail string }

func fingerprintOf(r io.ReaderAt, offset int64) (fingerprint, error) {
	head, err := sumAt(r, 0, min(headSize, offset))
	if err != nil {
		return fingerprint{}, err
	}
	from := max(0, offset-tailSize)
	tail, err := sumAt(r, from, offset-from)
	return fingerprint{head, tail}, err
}

func sumAt(r io.ReaderAt, from, size int64) (string, error) {
	p := make([]byte, size)
	if _, err := r.ReadAt(p, from); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:8]), nil
}

var (
	sessionName = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	helperName  = regexp.MustCompile(`^agent-[^.]+$`)
)

// transcriptOf says whether a path is that of a transcript, and the session it
// is named after, if it is: PROJECT/SESSION.jsonl is a session,
// PROJECT/SESSION/subagents/**/agent-ID.jsonl and, by older versions,
// PROJECT/agent-ID.jsonl are helpers.
func transcriptOf(path string, helpers bool) (session string, ok bool) {
	base, isLines := strings.CutSuffix(filepath.Base(path), ".jsonl")
	parts := strings.Split(filepath.ToSlash(path), "/")
	switch {
	case !isLines || len(parts) < 2:
		return "", false
	case len(parts) == 2 && sessionName.MatchString(base):
		return base, true
	case !helpers || !helperName.MatchString(base) || strings.HasPrefix(base, "agent-acompact"):
		return "", false
	case len(parts) == 2:
		return "", true
	case len(parts) >= 4 && parts[2] == "subagents" && sessionName.MatchString(parts[1]):
		return parts[1], true
	}
	return "", false
}

// session is the id of the session whose own file it is; helpers' files have
// none.
func (f *file) session() string {
	base := strings.TrimSuffix(filepath.Base(f.path), ".jsonl")
	if sessionName.MatchString(base) {
		return base
	}
	return ""
}

// changed reports whether the file may have more than was read.
func (f *file) changed(info fs.FileInfo) bool {
	return info.Size() != f.size || !info.ModTime().Equal(f.time)
}

// read reads what is new in the file, as much at a time as buf takes, and gives
// what it tells to put. What put was given is safe when it returns nil, and only then more is
// read.
func (f *file) read(ctx context.Context, name string, buf []byte, put func([]found) error) error {
	r, err := os.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := f.check(r, buf); err != nil {
		return err
	}
	for ctx.Err() == nil {
		n, err := r.ReadAt(buf, f.t.position())
		if n > 0 {
			now := time.Now()
			f.t.Touch(now)
			f.grown = now
			events := f.t.Feed(now, buf[:n])
			// Without a new one, the file is found changed and is read anew.
			if print, err := fingerprintOf(r, f.t.state.Offset); err == nil {
				f.print = print
			}
			if err := put(events); err != nil {
				return err
			}
			f.dirty = true
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check finds out whether the file is still the one that was read, and begins
// it anew if it is not.
func (f *file) check(r *os.File, buf []byte) error {
	info, err := r.Stat()
	if err != nil {
		return err
	}
	now, err := fingerprintOf(r, f.t.state.Offset)
	if err != nil {
		return err
	}
	same := now == f.print && info.Size() >= f.t.position()
	switch {
	case f.t.state.Offset == 0 && f.t.frame.size == 0:
	case same && f.fresh:
		if err := f.remember(r, buf); err != nil {
			return err
		}
	case !same:
		f.t.Again(f.fresh && f.sameHead(r))
	}
	f.fresh = false
	return nil
}

// sameHead reports whether the file begins as it did, whatever became of the
// rest of it.
func (f *file) sameHead(r io.ReaderAt) bool {
	head, err := sumAt(r, 0, min(headSize, f.t.state.Offset))
	return err == nil && head == f.print.Head
}

// remember learns the uuids of what was read before a restart.
func (f *file) remember(r io.ReaderAt, buf []byte) error {
	var lines framer
	read := io.NewSectionReader(r, 0, f.t.state.Offset)
	for {
		n, err := read.Read(buf)
		lines.feed(buf[:n], func(text []byte, _ int64) {
			if bytes.Contains(text, []byte(`"uuid"`)) {
				f.t.Remember(text)
			}
		})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
