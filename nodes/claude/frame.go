package claude

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// maxLine is the longest line that is read; tool output and images make lines
// of several MB. A longer one is skipped and counted.
const maxLine = 64 << 20

// A framer cuts the bytes of a file into lines. Only what ends in a line feed
// is a line: the writer may be in the middle of the last one.
type framer struct {
	rest []byte // of the line that has no end yet; empty if that is too long
	size int64  // of that line so far
}

// feed calls line for every line that p completes, with its size in the file,
// line feed included. The text of a line that is too long is nil. It belongs to
// the framer: it is good until line returns.
func (f *framer) feed(p []byte, line func(text []byte, size int64)) {
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			f.keep(p)
			return
		}
		text := p[:end]
		if f.size > 0 {
			f.keep(text)
			text = f.rest
		}
		size := f.size + 1
		if f.size == 0 {
			size += int64(end)
		}
		if size-1 > maxLine {
			text = nil
		}
		line(text, size)
		f.rest, f.size = nil, 0
		p = p[end+1:]
	}
}

func (f *framer) keep(p []byte) {
	f.size += int64(len(p))
	if f.size > maxLine {
		f.rest = nil
		return
	}
	f.rest = append(f.rest, p...)
}

// beginnings are how records begin: where to look for the next good one behind a
// damaged one.
var beginnings = [][]byte{[]byte(`{"parentUuid":`), []byte(`{"type":`)}

// maxTries bounds the search in one damaged line, since every try may read the
// line to its end.
const maxTries = 64

// records calls yield for each record of a line and returns how many damaged
// places it passed over. A line is one record, but for what crashes leave
// behind: runs of NULs, two records without a line feed between, and a record
// cut short with the next one right behind it.
func records(line []byte, yield func(record []byte)) (damaged int) {
	if bytes.IndexByte(line, 0) >= 0 {
		line = bytes.ReplaceAll(line, []byte{0}, nil)
		damaged++
	}
	if !utf8.Valid(line) {
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	}
	line = bytes.TrimSpace(line)
	if len(line) > 0 && line[0] == '{' && json.Valid(line) {
		yield(line)
		return damaged
	}
	for range maxTries {
		if len(line) == 0 {
			return damaged
		}
		dec := json.NewDecoder(bytes.NewReader(line))
		var record json.RawMessage
		if err := dec.Decode(&record); err == nil && record[0] == '{' {
			yield(record)
			line = bytes.TrimSpace(line[dec.InputOffset():])
			continue
		}
		damaged++
		next := nextRecord(line[1:])
		if next < 0 {
			return damaged
		}
		line = line[1+next:]
	}
	return damaged
}

// nextRecord is where the next record may begin, or -1.
func nextRecord(line []byte) int {
	var found []int
	for _, beginning := range beginnings {
		if i := bytes.Index(line, beginning); i >= 0 {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return -1
	}
	return slices.Min(found)
}
