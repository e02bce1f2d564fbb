package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/flowd/flowd/engine"
)

// A place is a file below a folder that it can't leave.
type place struct {
	base string // absolute, without links
	rel  string
}

func (p place) path() string { return filepath.Join(p.base, p.rel) }

// lines are whole lines, one after the other.
type lines struct {
	text []byte
	ends []int // of each in text
}

// part is lines from … to-1.
func (l lines) part(from, to int) []byte { return l.text[l.start(from):l.start(to)] }

func (l lines) start(i int) int {
	if i == 0 {
		return 0
	}
	return l.ends[i-1]
}

// An appender appends to one file. It is opened when it is written to, and
// again when its path has become another file's.
type appender struct {
	pool  *pool
	at    place
	users int       // guarded by the pool
	used  time.Time // the same

	mu   sync.Mutex
	dir  *os.Root // of the file
	file *os.File
	info os.FileInfo // as it was opened
	sync *time.Timer // will sync it; nil if all is synced
}

// write appends whole lines, as one piece unless the file is rotated between
// them, and returns how many of them are written, and safe as the settings say.
func (a *appender) write(l lines, s settings) (done int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for done < len(l.ends) {
		info, err := a.ready(s)
		if err != nil {
			return done, err
		}
		to := len(l.ends)
		if info.Mode().IsRegular() {
			if to = s.rotate.fits(info, l, done); to == done {
				if err := a.rotate(s); err != nil {
					return done, engine.Unavailable(err, 0)
				}
				continue
			}
		}
		if err := a.append(l.part(done, to), info.Size()); err != nil {
			return done, err
		}
		if err := a.settle(s.fsync); err != nil {
			return done, err
		}
		done = to
	}
	return done, nil
}

// ready opens the file, if that is not done or it was moved away or removed,
// and returns what it is now.
func (a *appender) ready(s settings) (os.FileInfo, error) {
	if a.file != nil {
		there, err := os.Stat(a.at.path())
		if err == nil && os.SameFile(there, a.info) {
			return there, nil
		}
		if err := a.close(); err != nil {
			a.pool.log.Error("closing a file that was moved away", "path", a.at.path(), "error", err)
		}
	}
	if err := a.open(s); err != nil {
		return nil, errors.Join(classify(err), a.close())
	}
	return a.info, nil
}

// open opens the file, makes it and its folders if need be, and ends a line
// that a crash or a full disk has torn.
func (a *appender) open(s settings) (err error) {
	if err := os.MkdirAll(a.at.base, 0o755); err != nil {
		return err
	}
	base, err := os.OpenRoot(a.at.base)
	if err != nil {
		return err
	}
	defer base.Close()
	folder, name := filepath.Dir(a.at.rel), filepath.Base(a.at.rel)
	if err := base.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if a.dir, err = base.OpenRoot(folder); err != nil {
		return err
	}
	_, err = a.dir.Stat(name)
	made := errors.Is(err, fs.ErrNotExist)
	if a.file, err = a.dir.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		return err
	}
	if a.info, err = a.file.Stat(); err != nil || !a.info.Mode().IsRegular() {
		return err
	}
	if made && s.fsync == syncAlways {
		if err := a.syncFolder(); err != nil {
			return err
		}
	}
	if size := a.info.Size(); size > 0 {
		last := make([]byte, 1)
		if _, err := a.file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			if _, err := a.file.Write([]byte("\n")); err != nil {
				return err
			}
			a.info, err = a.file.Stat()
		}
	}
	return err
}

// append writes p, or, as far as that can be, nothing.
func (a *appender) append(p []byte, size int64) error {
	n, err := a.file.Write(p)
	if err == nil {
		return nil
	}
	// What is torn is cut off, if nobody else has written behind it; else the
	// next one to open the file ends its line.
	if info, statErr := a.file.Stat(); n > 0 && statErr == nil && info.Size() == size+int64(n) {
		err = errors.Join(err, a.file.Truncate(size))
	}
	return engine.Unavailable(errors.Join(err, a.close()), 0)
}

// settle makes what was written safe, now or later.
func (a *appender) settle(f Fsync) error {
	switch {
	case f == syncNever || !a.info.Mode().IsRegular():
	case f == syncAlways:
		if err := a.file.Sync(); err != nil {
			return engine.Unavailable(err, 0)
		}
	case a.sync == nil:
		a.sync = time.AfterFunc(time.Duration(f), func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			if err := a.syncNow(); err != nil {
				a.pool.log.Error("what was written to a file may not be on the disk", "path", a.at.path(), "error", err)
			}
		})
	}
	return nil
}

// syncNow does what settle has put off.
func (a *appender) syncNow() error {
	if a.sync == nil {
		return nil
	}
	a.sync.Stop()
	a.sync = nil
	return a.file.Sync()
}

func (a *appender) syncFolder() error {
	dir, err := a.dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// close closes what is open.
func (a *appender) close() error {
	var errs []error
	if a.file != nil {
		errs = append(errs, a.syncNow(), a.file.Close())
	}
	if a.dir != nil {
		errs = append(errs, a.dir.Close())
	}
	a.file, a.dir = nil, nil
	return errors.Join(errs...)
}

// classify says of an error of opening a file whether it is about the disk, and
// is waited for, or about this path, and stays: a name that is a folder, a link
// that leads elsewhere. A lack of rights may be either.
func classify(err error) error {
	is := func(kinds ...error) bool {
		return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ESTALE):
		return engine.Unavailable(err, 0)
	case is(fs.ErrPermission, fs.ErrNotExist):
		return err
	}
	return engine.Permanent(err)
}
