package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"
)

// version is that of the folder's format, and of the frames.
const version = 1

// A segment is one file of the log.
type segment struct {
	mark    mark
	file    File
	size    int64     // of the file; guarded by Journal.mu
	first   int64     // end of the first frame
	newest  int64     // of the last frame, as Open found it
	end     int64     // of the last frame; of the committer
	summary span      // of the last summary, if any
	begun   time.Time // when it was opened
	sealed  time.Time // when the next one was opened

	mu   sync.RWMutex // held to read the file, and to let it go
	gone bool
}

func (s *segment) name() string {
	return fmt.Sprintf("%08d-%08x.log", s.mark.number(), s.mark.salt())
}

// parseName is the inverse of name.
func parseName(name string) (mark, bool) {
	number, rest, _ := strings.Cut(name, "-")
	salt, ok := strings.CutSuffix(rest, ".log")
	if !ok {
		return mark{}, false
	}
	n, err := strconv.ParseUint(number, 10, 32)
	m, err2 := strconv.ParseUint(salt, 16, 32)
	if err != nil || err2 != nil {
		return mark{}, false
	}
	return newMark(uint32(n), uint32(m)), true
}

// errGone says that a segment was let go before it was read.
var errGone = errors.New("the segment is gone")

// read fills b from pos on, as far as there is something.
func (s *segment) read(b []byte, pos int64) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.gone {
		return nil, errGone
	}
	return readFull(s.file, b, pos)
}

// ReadAt makes a segment an io.ReaderAt for a scanner.
func (s *segment) ReadAt(b []byte, pos int64) (int, error) {
	got, err := s.read(b, pos)
	return len(got), err
}

func (s *segment) scan(from, to int64) *scanner {
	return &scanner{file: s, mark: s.mark, pos: from, limit: to}
}

func (s *segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil
	}
	s.gone = true
	return s.file.Close()
}

// A spare is a file that waits to be a segment again.
type spare struct {
	name string
	file File
	size int64
}

// step is how much room is taken at a time, ahead of the events.
func (j *Journal) step() int64 { return max(j.opt.SegmentSize/64, 4<<10) }

// reserve is the room behind the events that only cursors and the like may use
// when there is no more.
func (j *Journal) reserve() int64 { return j.step() / 4 }

// size is that of all files.
func (j *Journal) size() (n int64) {
	for _, s := range j.segments {
		n += s.size
	}
	if j.spare != nil {
		n += j.spare.size
	}
	return n
}

// openSegment makes a new segment the active one. After an error the active one
// stays what it was, or is none if it must not be written to any more. The file
// is made first: on a full disk nothing else is tried.
func (j *Journal) openSegment() error {
	var salt [4]byte
	rand.Read(salt[:])
	j.number++ // never given twice, whatever happens
	s := &segment{mark: newMark(j.number, binary.LittleEndian.Uint32(salt[:])), begun: j.now()}
	if err := j.openFile(s); err != nil {
		return fmt.Errorf("opening a new segment: %w", err)
	}
	if j.active != nil {
		j.conclude(j.active)
	}
	f := &frame{j: j, seg: s, buf: append(j.buf[:0], make([]byte, frameHeader)...)}
	j.mu.Lock()
	f.opening(j.segments)
	j.mu.Unlock()
	s.mark.seal(f.buf, 0)
	j.buf = f.buf
	err := j.write(s, f.buf, 0)
	if err == nil {
		err = j.sync(s)
	}
	if err != nil {
		// Were the first frame found later, it would end the segment before:
		// that one goes on only if the new one is surely gone.
		s.file.Close()
		j.leftover = append(j.leftover, s.name())
		if j.sweep() != nil {
			j.active = nil
		}
		return fmt.Errorf("opening a new segment: %w", err)
	}
	s.first = int64(len(f.buf))
	s.end = s.first
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.segments); n > 0 {
		j.segments[n-1].sealed = s.begun
	}
	s.size = max(s.size, s.end)
	j.segments = append(j.segments, s)
	j.active = s
	j.keys.seal()
	j.removedHere = nil
	return nil
}

// openFile gives s its file, which lasts under its name.
func (j *Journal) openFile(s *segment) (err error) {
	name := s.name()
	if sp := j.spare; sp != nil {
		if err := j.fs.Rename(sp.name, name); err != nil {
			return err
		}
		s.file, s.size = sp.file, sp.size
		j.setSpare(nil)
	} else if s.file, err = j.fs.Create(name); err != nil {
		return err
	} else if err = s.file.Allocate(j.step()); err == nil {
		s.size, err = s.file.Size()
	}
	if err == nil {
		err = j.fs.Sync()
	}
	if err != nil {
		s.file.Close()
		j.leftover = append(j.leftover, name)
		j.sweep() // else later: it has no frame
	}
	return err
}

// sweep removes the files of segments that were given up.
func (j *Journal) sweep() error {
	for len(j.leftover) > 0 {
		if err := j.fs.Remove(j.leftover[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", j.leftover[0], err)
		}
		if err := j.fs.Sync(); err != nil {
			return err
		}
		j.leftover = j.leftover[1:]
	}
	return nil
}

func (j *Journal) setSpare(s *spare) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spare = s
}

// conclude ends the active segment: with its summary, and surely on disk. If
// the summary can't be written, the next Open reads all of the segment.
func (j *Journal) conclude(a *segment) {
	at := a.end
	if at != a.summary.to && j.put(summaryOp{}) == nil {
		a.summary = span{at, a.end}
	}
	if j.active != nil && j.dirty {
		if err := j.sync(a); err != nil {
			j.setHealth(err)
		}
	}
}

// summaryOp writes the summary of a segment.
type summaryOp struct{}

func (summaryOp) bulky() bool    { return false }
func (summaryOp) size() int      { return 0 }
func (summaryOp) write(f *frame) { f.summary() }
func (summaryOp) written(error)  {}
