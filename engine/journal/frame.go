package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

const (
	frameHeader = 16
	// maxFrame bounds what is read and written in one piece.
	maxFrame = 1 << 30
	// scanWindow is how much of a segment is in memory while it is scanned.
	scanWindow = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A mark begins every frame of a segment, and is in every checksum.
type mark [8]byte

func newMark(number, salt uint32) (m mark) {
	binary.LittleEndian.PutUint32(m[:4], number)
	binary.LittleEndian.PutUint32(m[4:], salt)
	return m
}

func (m mark) number() uint32 { return binary.LittleEndian.Uint32(m[:4]) }
func (m mark) salt() uint32   { return binary.LittleEndian.Uint32(m[4:]) }

// sum is the checksum of bytes that belong to a place in the segment.
func (m mark) sum(at int64, b []byte) uint32 {
	var place [16]byte
	copy(place[:], m[:])
	binary.LittleEndian.PutUint64(place[8:], uint64(at))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, b)
}

// seal fills in the header of a frame whose records are in place.
func (m mark) seal(frame []byte, at int64) {
	copy(frame, m[:])
	binary.LittleEndian.PutUint32(frame[8:], uint32(len(frame)-frameHeader))
	binary.LittleEndian.PutUint32(frame[12:], m.sum(at, frame[frameHeader:]))
}

// A span is a range of bytes of a segment.
type span struct{ from, to int64 }

// A scanner walks over the frames of a segment.
type scanner struct {
	file  io.ReaderAt
	mark  mark
	pos   int64  // behind the last good frame
	limit int64  // of the segment
	bad   []span // what was skipped on the way to the last good frame

	buf []byte
	off int64 // of buf in the file
}

// next returns the records of the next good frame and where they are, or
// io.EOF when none follows. The records are good until the next call.
func (s *scanner) next() (records []byte, at int64, err error) {
	for pos := s.pos; ; {
		frame, err := s.frame(pos)
		if err != nil {
			return nil, 0, err
		}
		if frame != nil {
			if pos > s.pos {
				s.bad = append(s.bad, span{s.pos, pos})
			}
			s.pos = pos + int64(len(frame))
			return frame[frameHeader:], pos + frameHeader, nil
		}
		if pos, err = s.find(pos + 1); err != nil {
			return nil, 0, err
		}
	}
}

// frame returns the frame at pos, or nil if there is no good one.
func (s *scanner) frame(pos int64) ([]byte, error) {
	head, err := s.window(pos, frameHeader)
	if err != nil || len(head) < frameHeader || mark(head[:8]) != s.mark {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(head[8:])) + frameHeader
	if size > maxFrame || pos+size > s.limit {
		return nil, nil
	}
	frame, err := s.window(pos, int(size))
	if err != nil || len(frame) < int(size) {
		return nil, err
	}
	if s.mark.sum(pos, frame[frameHeader:]) != binary.LittleEndian.Uint32(frame[12:]) {
		return nil, nil
	}
	return frame, nil
}

// find returns where the mark is next, from pos on.
func (s *scanner) find(pos int64) (int64, error) {
	for {
		b, err := s.window(pos, scanWindow)
		if err != nil {
			return 0, err
		}
		if i := bytes.Index(b, s.mark[:]); i >= 0 {
			return pos + int64(i), nil
		}
		if len(b) < scanWindow {
			return 0, io.EOF
		}
		pos += int64(len(b) - len(s.mark) + 1)
	}
}

// window returns n bytes from pos, or fewer at the end of the segment.
func (s *scanner) window(pos int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.limit-pos))
	if n <= 0 {
		return nil, nil
	}
	if pos < s.off || pos+int64(n) > s.off+int64(len(s.buf)) {
		size := int(min(int64(max(n, scanWindow)), s.limit-pos))
		if cap(s.buf) < size {
			s.buf = make([]byte, size)
		}
		got, err := s.file.ReadAt(s.buf[:size], pos)
		if err != nil && !errors.Is(err, io.EOF) {
			s.buf = s.buf[:0]
			return nil, err
		}
		s.off, s.buf = pos, s.buf[:got]
		n = min(n, got)
	}
	return s.buf[pos-s.off:][:n], nil
}
