package files

import (
	"bytes"
	"slices"
)

// maxLine is the longest line that becomes an event; longer ones are skipped.
const maxLine = 16 << 20

// A framer cuts a stream of bytes into lines. It looks at each byte once,
// copies none but those of a line that is not complete yet, and holds never
// more than max bytes and one read.
type framer struct {
	max     int
	buf     []byte
	start   int   // of what was not given out yet
	seen    int   // up to here there is no line end
	skipped int64 // bytes of a line beyond max that were thrown away
}

// A line is one line of a stream.
type line struct {
	text []byte // without its line end; valid until there is room for more
	size int64  // how many bytes of the stream it took up
	long bool   // it was longer than max, and its text is lost
}

// room returns n bytes for what follows, which add then takes. All lines must
// have been taken before.
func (f *framer) room(n int) []byte {
	if f.start > 0 {
		f.seen -= f.start
		f.buf = f.buf[:copy(f.buf, f.buf[f.start:])]
		f.start = 0
	}
	f.buf = slices.Grow(f.buf, n)
	return f.buf[len(f.buf) : len(f.buf)+n]
}

// add takes the first n bytes of the room.
func (f *framer) add(n int) { f.buf = f.buf[:len(f.buf)+n] }

// next takes the next complete line.
func (f *framer) next() (line, bool) {
	i := bytes.IndexByte(f.buf[f.seen:], '\n')
	if i < 0 {
		f.seen = len(f.buf)
		if f.seen-f.start > f.max {
			f.skipped += int64(f.seen - f.start)
			f.reset()
		}
		return line{}, false
	}
	return f.take(f.seen+i, 1), true
}

// rest takes what is left, as the line that a stream without a line end at its
// end ends in.
func (f *framer) rest() (line, bool) {
	if len(f.buf) == f.start && f.skipped == 0 {
		return line{}, false
	}
	return f.take(len(f.buf), 0), true
}

func (f *framer) take(end, lineEnd int) line {
	l := line{text: f.buf[f.start:end], size: f.skipped + int64(end-f.start+lineEnd)}
	if f.skipped > 0 || len(l.text) > f.max {
		l.text, l.long = nil, true
	}
	f.skipped = 0
	f.start = end + lineEnd
	f.seen = f.start
	return l
}

// pending is how much of the stream was read beyond the last line taken.
func (f *framer) pending() int64 { return f.skipped + int64(len(f.buf)-f.start) }

// reset forgets what was not taken, and a large buffer.
func (f *framer) reset() {
	f.start, f.seen = 0, 0
	if f.buf = f.buf[:0]; cap(f.buf) > 1<<20 {
		f.buf = nil
	}
}
