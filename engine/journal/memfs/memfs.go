// Package memfs is a folder in memory for tests of the journal: it forgets what
// was not synced when the power is cut, fails when it is told to, and fills up.
//
// It is as unkind as a disk may be: after a power cut any 512 bytes of a write
// that was not synced may be there or not, new names may be lost, and what was
// written before a failed sync is never written by a later one.
package memfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"

	"github.com/flowd/flowd/engine/journal"
)

// ErrCut is what every operation returns after the power was cut.
var ErrCut = errors.New("the power is cut")

const sector = 512

// An FS is a folder in memory. It is safe for concurrent use.
type FS struct {
	mu      sync.Mutex
	names   map[string]*file // now
	lasting map[string]*file // after a power cut
	pending []rename         // what changed from lasting to names, in order
	locked  bool
	ops     int
	cutAt   int
	room    int64
	fault   func(Op) error
}

// An Op is what is about to happen.
type Op struct {
	N    int    // counted from 1
	Kind string // lock, list, create, open, rename, remove, sync names, read, write, sync, allocate
	Name string
}

// rename is a change of names: to nothing if to is empty.
type rename struct {
	from, to string
	file     *file
}

type file struct {
	fs     *FS
	name   string
	data   []byte // now
	synced []byte // after a power cut
	writes []write
}

type write struct {
	pos  int64
	data []byte
}

// New returns an empty folder.
func New() *FS {
	return &FS{names: map[string]*file{}, lasting: map[string]*file{}, room: 1 << 62}
}

var _ journal.FS = (*FS)(nil)

// CutAfter cuts the power in the n-th operation from now on.
func (m *FS) CutAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cutAt = m.ops + n
}

// Fault has f asked before every operation, which fails with its error.
func (m *FS) Fault(f func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = f
}

// Room sets how many bytes there are for all files.
func (m *FS) Room(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = bytes
}

// Ops is how many operations there were.
func (m *FS) Ops() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// Crash returns the folder as it is found after the power is back. What was not
// synced is there by chance, or not at all if chance is nil.
func (m *FS) Crash(chance *rand.Rand) *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := New()
	after.room = m.room
	names := maps.Clone(m.lasting)
	if chance != nil {
		for _, r := range m.pending[:chance.IntN(len(m.pending)+1)] {
			r.apply(names)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		data := slices.Clone(names[name].synced)
		if chance != nil {
			data = names[name].survivors(data, chance)
		}
		f := &file{fs: after, name: name, data: data, synced: slices.Clone(data)}
		after.names[name], after.lasting[name] = f, f
	}
	return after
}

// Kill returns the folder as a killed process leaves it: with all that was
// written.
func (m *FS) Kill() *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := New()
	after.room = m.room
	for name, f := range m.names {
		f := &file{fs: after, name: name, data: slices.Clone(f.data), synced: slices.Clone(f.data)}
		after.names[name], after.lasting[name] = f, f
	}
	return after
}

// Corrupt changes the bytes of a file, behind everybody's back.
func (m *FS) Corrupt(name string, change func(data []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.names[name]
	f.data = change(f.data)
	f.synced = slices.Clone(f.data)
}

func (r rename) apply(names map[string]*file) {
	if r.from != "" {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.file
	}
}

func (f *file) survivors(data []byte, chance *rand.Rand) []byte {
	for _, w := range f.writes {
		for at := 0; at < len(w.data); {
			// Up to the next boundary of a sector of the file.
			n := min(len(w.data)-at, sector-int((w.pos+int64(at))%sector))
			if chance.IntN(2) == 0 {
				data = put(data, w.data[at:at+n], w.pos+int64(at))
			}
			at += n
		}
	}
	return data
}

func put(data, b []byte, pos int64) []byte {
	if end := pos + int64(len(b)); end > int64(len(data)) {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[pos:], b)
	return data
}

// begin counts an operation. With ErrCut the power goes in the midst of it: cut
// says that it may have had an effect.
func (m *FS) begin(kind, name string) (cut bool, err error) {
	m.ops++
	if m.cutAt > 0 && m.ops >= m.cutAt {
		return m.ops == m.cutAt, ErrCut
	}
	if m.fault != nil {
		return false, m.fault(Op{m.ops, kind, name})
	}
	return false, nil
}

// Lock keeps others out.
func (m *FS) Lock() (func() error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.begin("lock", "lock"); err != nil {
		return nil, err
	}
	if m.locked {
		return nil, errors.New("it is in use")
	}
	m.locked = true
	return func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.locked = false
		return nil
	}, nil
}

// List returns the names.
func (m *FS) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.begin("list", "")
	return slices.Sorted(maps.Keys(m.names)), err
}

// Create makes a file.
func (m *FS) Create(name string) (journal.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	cut, err := m.begin("create", name)
	if err != nil && !cut {
		return nil, err
	}
	if m.names[name] != nil {
		return nil, fs.ErrExist
	}
	f := &file{fs: m, name: name}
	m.change(rename{to: name, file: f})
	return f, err
}

// Open opens a file.
func (m *FS) Open(name string) (journal.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.begin("open", name); err != nil {
		return nil, err
	}
	if f := m.names[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

// Rename renames a file.
func (m *FS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	cut, err := m.begin("rename", from)
	if err != nil && !cut {
		return err
	}
	if m.names[from] == nil {
		return fs.ErrNotExist
	}
	m.change(rename{from, to, m.names[from]})
	return err
}

// Remove removes a file.
func (m *FS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	cut, err := m.begin("remove", name)
	if err != nil && !cut {
		return err
	}
	if m.names[name] == nil {
		return fs.ErrNotExist
	}
	m.change(rename{from: name})
	return err
}

func (m *FS) change(r rename) {
	r.apply(m.names)
	if r.to != "" {
		r.file.name = r.to
	}
	m.pending = append(m.pending, r)
}

// Sync makes the names last.
func (m *FS) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.begin("sync names", ""); err != nil {
		return err
	}
	m.lasting, m.pending = maps.Clone(m.names), nil
	return nil
}

func (f *file) ReadAt(b []byte, pos int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if _, err := f.fs.begin("read", f.name); err != nil {
		return 0, err
	}
	if pos >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[pos:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(b []byte, pos int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	cut, err := f.fs.begin("write", f.name)
	if err != nil && !cut {
		return 0, err
	}
	if grow := pos + int64(len(b)) - int64(len(f.data)); grow > 0 && grow > f.fs.left() {
		b = b[:max(0, int64(len(b))-grow+f.fs.left())]
		err = syscall.ENOSPC
	}
	f.data = put(f.data, b, pos)
	f.writes = append(f.writes, write{pos, slices.Clone(b)})
	return len(b), err
}

func (m *FS) left() int64 {
	left := m.room
	for _, f := range m.names {
		left -= int64(len(f.data))
	}
	return max(left, 0)
}

func (f *file) Allocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	cut, err := f.fs.begin("allocate", f.name)
	if err != nil && !cut {
		return err
	}
	grow := size - int64(len(f.data))
	if grow <= 0 {
		return err
	}
	if grow > f.fs.left() {
		return syscall.ENOSPC
	}
	f.writes = append(f.writes, write{int64(len(f.data)), make([]byte, grow)})
	f.data = append(f.data, make([]byte, grow)...)
	return err
}

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	_, err := f.fs.begin("sync", f.name)
	if err == nil {
		for _, w := range f.writes {
			f.synced = put(f.synced, w.data, w.pos)
		}
	}
	if !errors.Is(err, ErrCut) {
		f.writes = nil // also after an error: the system takes them for written
	}
	return err
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *file) Close() error { return nil }
