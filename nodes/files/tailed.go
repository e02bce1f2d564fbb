package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// A tailed is one file that is being read, from its checkpoint on.
type tailed struct {
	checkpoints
	id         string // of the file itself
	path       string // where it was found last
	file       *os.File
	generation string
	head       []byte // the first bytes that were read of it, at most headBytes
	safe       int64  // up to here its lines were put in
	next       int64  // up to here its lines were taken; the framer holds what follows
	framer     framer

	ended os.FileInfo // as it was when its end was reached; nil while there may be more
	grown time.Time   // when something was read of it last
	gone  time.Time   // since when its path is not its own any more; zero while it is
	told  string      // the trouble with it that was logged
}

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
	f := &tailed{checkpoints: cps, path: path, file: file, framer: framer{max: maxLine}, grown: time.Now()}
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
		f.safe, f.next, f.generation = cp.Offset, cp.Offset, cp.Generation
	case cp != nil, how == born:
		f.generation = newGeneration()
	case how == presentAtEnd:
		if f.next, err = lastLineEnd(f.file, info.Size()); err != nil {
			return err
		}
	}
	f.head = head
	f.head = f.taken()
	if known {
		return nil
	}
	return f.keep(ctx)
}

// keep saves that every line taken is safe.
func (f *tailed) keep(ctx context.Context) error {
	f.safe = f.next
	head := f.taken()
	err := f.save(ctx, f.id, checkpoint{
		Path: f.path, Generation: f.generation, Offset: f.safe, Head: len(head), Sum: sum(head),
	})
	if err != nil {
		return fmt.Errorf("saving how far %s was read: %w", f.path, err)
	}
	return nil
}

// stream names what the file holds now, for the ids of its lines.
func (f *tailed) stream() string { return f.id + "/" + f.generation }

// fill reads on, by way of buf, and reports whether there was more.
func (f *tailed) fill(ctx context.Context, buf []byte) (more bool, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	if f.ended != nil && f.ended.Size() == info.Size() && f.ended.ModTime().Equal(info.ModTime()) {
		return false, nil
	}
	at := f.next + f.framer.pending()
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
	f.framer.write(buf[:n])
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
	f.head, f.ended = f.taken(), nil
	same, err := f.unchanged(f.head, f.next)
	if err != nil || same && f.next > 0 {
		return err
	}
	f.generation = newGeneration()
	f.head, f.next = nil, 0
	return f.keep(ctx)
}

// taken is what of head belongs to lines that were taken.
func (f *tailed) taken() []byte { return f.head[:min(int64(len(f.head)), f.next)] }

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
