package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/flowd/flowd/engine"
)

// A tailed is one file that is being read, from its checkpoint on.
type tailed struct {
	checkpoints
	id         string // of the file itself
	path       string // where it was found last
	file       *os.File
	generation string
	lines      series      // of what it holds now
	meta       engine.Meta // of its events
	head       []byte      // the first bytes that were read of it, at most headBytes
	given      int64       // up to here its lines were given on, to be put in
	next       int64       // up to here its lines were taken; the framer holds what follows
	framer     framer

	ended os.FileInfo // as it was when its end was reached; nil while there may be more
	grown time.Time   // when something was read of it last
	gone  time.Time   // since when its path is not its own any more; zero while it is
	told  string      // the trouble with it that was logged
}

// So much is read at a time, at least and at most.
const (
	leastRead = 512
	mostRead  = 128 << 10
)

// An arrival is how a file came to be read. It matters where the file has no
// checkpoint.
type arrival int

const (
	present      arrival = iota // it was there when the node ran first, and is read whole
	presentAtEnd                // the same, but only what comes from now on is read
	born                        // it has come since
	moved                       // it is where no file is looked for, and only its checkpoint says that it is one
)

var (
	errNotRegular = errors.New("it is not a regular file")
	errAnother    = errors.New("it is another file than the one that was read")
)

// openTailed opens the file at path, to be read on from its checkpoint.
func openTailed(ctx context.Context, cps checkpoints, path string, how arrival) (*tailed, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &tailed{checkpoints: cps, file: file, framer: framer{max: maxLine}, grown: time.Now()}
	f.found(path)
	if err := f.resume(ctx, how); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

func (f *tailed) resume(ctx context.Context, how arrival) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errNotRegular
	}
	f.id = identify(f.path, info)
	f.hold("")
	head, err := f.readHead(headBytes)
	if err != nil {
		return err
	}
	cp, err := f.load(ctx, f.id)
	if err != nil {
		return err
	}
	known := cp != nil && cp.describes(head, info.Size())
	switch {
	case how == moved && (!known || cp.Head == 0):
		return errAnother
	case known:
		f.next = cp.Offset
		f.hold(cp.Generation)
	case cp != nil, how == born:
		f.hold(newGeneration())
	case how == presentAtEnd:
		if f.next, err = lastLineEnd(f.file, info.Size()); err != nil {
			return err
		}
	}
	f.head = head
	f.head = f.taken(f.next)
	if known {
		f.given = f.next
		return nil
	}
	return f.keep(ctx, f.mark())
}

// found says where the file is now.
func (f *tailed) found(path string) {
	if path != f.path {
		f.path, f.meta = path, engine.Meta{"path": path}
	}
}

// hold says what the file holds from now on.
func (f *tailed) hold(generation string) {
	f.generation = generation
	f.lines = newSeries(f.id + "/" + generation)
}

// A mark is a place in what a file holds.
type mark struct {
	file       *tailed
	generation string
	at         int64
}

// mark says that every line taken is given on.
func (f *tailed) mark() mark {
	f.given = f.next
	return mark{f, f.generation, f.next}
}

// keep saves that every line before m is safe, unless the file holds something
// else now.
func (f *tailed) keep(ctx context.Context, m mark) error {
	if m.generation != f.generation {
		return nil
	}
	head := f.taken(m.at)
	err := f.save(ctx, f.id, checkpoint{
		Path: f.path, Generation: m.generation, Offset: m.at, Head: len(head), Sum: sum(head),
	})
	if err != nil {
		return fmt.Errorf("saving how far %s was read: %w", f.path, err)
	}
	return nil
}

// fill reads on, and reports whether there was more.
func (f *tailed) fill(ctx context.Context) (more bool, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	if f.ended != nil && f.ended.Size() == info.Size() && f.ended.ModTime().Equal(info.ModTime()) {
		return false, nil
	}
	at := f.next + f.framer.pending()
	buf := f.framer.room(int(min(max(info.Size()-at, leastRead), mostRead)))
	n, err := f.file.ReadAt(buf, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	// What was read counts only if the file still is what it was, afterwards.
	same, err := f.unchanged(f.head, at+int64(n))
	if err != nil {
		return false, err
	}
	if !same {
		return true, f.goBack(ctx)
	}
	f.ended = nil
	if n == 0 {
		f.ended = info
		if f.framer.pending() == 0 {
			f.framer = framer{max: f.framer.max} // idle files need no buffer
		}
		return false, nil
	}
	f.grown = time.Now()
	if at == int64(len(f.head)) {
		f.head = append(f.head, buf[:min(n, headBytes-len(f.head))]...)
	}
	f.framer.add(n)
	return true, nil
}

// unchanged reports whether the file begins with head and is size bytes long or
// longer.
func (f *tailed) unchanged(head []byte, size int64) (bool, error) {
	info, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	found, err := f.readHead(len(head))
	return info.Size() >= size && bytes.Equal(found, head), err
}

// goBack goes back in a file that was truncated: to the last line taken, if
// only what was written of the next one is gone, else to the beginning, where
// lines have other ids than those that stood there before.
func (f *tailed) goBack(ctx context.Context) error {
	f.framer = framer{max: f.framer.max}
	f.head, f.ended = f.taken(f.next), nil
	same, err := f.unchanged(f.head, f.next)
	if err != nil || same && f.next > 0 {
		return err
	}
	f.hold(newGeneration())
	f.head, f.next = nil, 0
	return f.keep(ctx, f.mark())
}

// taken is what of head is before a place.
func (f *tailed) taken(at int64) []byte { return f.head[:min(int64(len(f.head)), at)] }

func (f *tailed) readHead(n int) ([]byte, error) {
	head := make([]byte, n)
	n, err := f.file.ReadAt(head, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

// lastLineEnd returns the place just behind the last line end before size,
// looking back as far as a line may be long.
func lastLineEnd(r io.ReaderAt, size int64) (int64, error) {
	const step = 64 << 10
	buf := make([]byte, step)
	for end := size; end > max(0, size-maxLine); end -= step {
		from := max(0, end-step)
		part := buf[:end-from]
		if n, err := r.ReadAt(part, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		} else if i := bytes.LastIndexByte(part[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
	}
	return max(0, size-maxLine), nil
}
