package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// An FS is the folder of a journal. Tests put one in its place that fails or
// forgets; see the package memfs.
type FS interface {
	// Lock keeps other processes out until it is given back. The error says
	// who holds it.
	Lock() (unlock func() error, err error)
	// List returns the names in the folder.
	List() ([]string, error)
	// Create makes a file that must not exist. Its name lasts only after Sync.
	Create(name string) (File, error)
	// Open opens a file to read and write.
	Open(name string) (File, error)
	// Rename renames a file, over another one if need be. It lasts only after
	// Sync, and then wholly.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// Sync makes the names last.
	Sync() error
}

// A File is a file of an [FS].
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes what was written last. After an error it is unknown what
	// does.
	Sync() error
	// Allocate takes room up to size, where the system can; it may grow the
	// file to size. It fails like a write where there is none.
	Allocate(size int64) error
	Size() (int64, error)
}

// folder is the FS of a folder on disk.
type folder string

func openFolder(dir string) (FS, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// The folder's own name lasts too. Who may not open its parent can't help it.
	if parent, err := os.Open(filepath.Dir(filepath.Clean(dir))); err == nil {
		parent.Sync()
		parent.Close()
	}
	return folder(dir), nil
}

func (d folder) path(name string) string { return filepath.Join(string(d), name) }

func (d folder) Lock() (func() error, error) {
	f, err := os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("it is in use by process %s: stop that one, or use another folder", strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("locking it: %w", err)
	}
	// The lock is what counts: on a full disk the id stays unwritten.
	if f.Truncate(0) == nil {
		f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f.Close, nil
}

func (d folder) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d folder) Create(name string) (File, error) {
	return openFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (d folder) Open(name string) (File, error) { return openFile(d.path(name), os.O_RDWR) }

func (d folder) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d folder) Remove(name string) error { return os.Remove(d.path(name)) }

func (d folder) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// A diskFile is an os.File that syncs no more than it must.
type diskFile struct{ *os.File }

func openFile(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
