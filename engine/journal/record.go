package journal

import (
	"encoding/binary"
	"errors"
	"iter"
)

// The kinds of records. Numbers are never used for something else.
const (
	kindOpening    = 1
	kindFlow       = 2
	kindEvent      = 3
	kindCursor     = 4
	kindKeys       = 5
	kindCheckpoint = 6
	kindLetter     = 7
	kindRemoved    = 8
	kindSummary    = 9
	kindPages      = 10 // in a summary: the pages of a flow
	kindLetters    = 11 // in a summary: where the letters are
	kindNextLetter = 12 // in a first frame: the next dead letter's id
)

var errRecord = errors.New("a record is damaged")

// appendRecord adds a record of a kind whose payload, of about so many bytes,
// is made by fill.
func appendRecord(b []byte, kind byte, about int, fill func(b []byte) []byte) []byte {
	// The length is put in place when it is known. If it is wider than was
	// thought, or less wide, the payload moves.
	var length [binary.MaxVarintLen64]byte
	room := binary.PutUvarint(length[:], uint64(about))
	b = append(append(b, kind), length[:room]...)
	start := len(b)
	b = fill(b)
	size := len(b) - start
	n := binary.PutUvarint(length[:], uint64(size))
	if n > room {
		b = append(b, length[:n-room]...)
	}
	if n != room {
		copy(b[start-room+n:], b[start:start+size])
	}
	copy(b[start-room:], length[:n])
	return b[:start-room+n+size]
}

// A record is one of a frame, or of the bytes from its beginning on.
type record struct {
	kind    byte
	payload []byte
	size    int // with kind and length
}

// firstRecord reads the record at the beginning of b.
func firstRecord(b []byte) (record, bool) {
	if len(b) < 2 {
		return record{}, false
	}
	length, n := binary.Uvarint(b[1:])
	if n <= 0 || length > uint64(len(b)-1-n) {
		return record{}, false
	}
	size := 1 + n + int(length)
	return record{b[0], b[1+n : size], size}, true
}

// eachRecord yields the records of a frame and where each begins. A frame with
// a good checksum has nothing else; what does not parse is left out.
func eachRecord(records []byte, at int64) iter.Seq2[int64, record] {
	return func(yield func(int64, record) bool) {
		for len(records) > 0 {
			r, ok := firstRecord(records)
			if !ok || !yield(at, r) {
				return
			}
			records, at = records[r.size:], at+int64(r.size)
		}
	}
}

// A reader takes a payload apart. After the first thing that is not there
// everything is zero, and bad is set.
type reader[B ~[]byte | ~string] struct {
	rest B
	bad  bool
}

func (r *reader[B]) take(n uint64) (b B) {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return b
	}
	b, r.rest = r.rest[:n], r.rest[n:]
	return b
}

func (r *reader[B]) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *reader[B]) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader[B]) fixed64() uint64 {
	b := r.take(8)
	if r.bad {
		return 0
	}
	var v uint64
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func (r *reader[B]) fixed32() uint32 {
	b := r.take(4)
	if r.bad {
		return 0
	}
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func (r *reader[B]) byte() byte {
	b := r.take(1)
	if r.bad {
		return 0
	}
	return b[0]
}

// text reads a length and so many bytes.
func (r *reader[B]) text() B { return r.take(r.uvarint()) }

// count reads a number of things that take at least size bytes each.
func (r *reader[B]) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/size) {
		r.bad = true
		return 0
	}
	return int(n)
}

func appendText[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
