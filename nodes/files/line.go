package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// A Format says what a line is.
type Format string

const (
	formatJSON Format = "json"
	formatText Format = "text"
)

// UnmarshalText reads the name of a format.
func (f *Format) UnmarshalText(text []byte) error {
	switch name := Format(text); name {
	case formatJSON, formatText:
		*f = name
		return nil
	}
	return fmt.Errorf("want json or text, got %q", text)
}

// schema is what is known of the events of a source of lines.
func (f Format) schema(source, kind string, files engine.SchemaFiles) engine.Schema {
	v := engine.Variant{
		Of: "a " + source + " event", Source: engine.OneOf(source), Type: engine.OneOf(kind), Data: files.Shape(),
	}
	if f == formatText {
		v.Data = engine.Shape{Kinds: engine.CanBeText}
	}
	return engine.Schema{v}
}

// clean takes off what is no part of a line's text: the carriage return of
// other systems, a byte order mark, and the NULs that a writer leaves when its
// file is truncated under it or the machine goes down.
func clean(text []byte) []byte {
	text = bytes.TrimLeft(text, "\x00")
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	return bytes.TrimSuffix(text, []byte("\r"))
}

// event makes the event of a line, whose text it copies; nil if the line says
// nothing. A line that can't be read makes an event that has failed.
func (f Format) event(text []byte) *engine.Event {
	text = clean(text)
	if f == formatText {
		return &engine.Event{Data: engine.Value(strings.ToValidUTF8(string(text), "\uFFFD"))}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	data := engine.JSON(bytes.Clone(text))
	if !data.IsUTF8() {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
		data = engine.JSON(text)
	}
	if data.Valid() {
		return &engine.Event{Data: data}
	}
	now := time.Now()
	return &engine.Event{
		Data:    engine.Value(string(text)),
		Failure: &engine.Failure{Message: "the line is not JSON", Attempts: 1, First: now, Last: now},
	}
}

// A series names the lines of one stream.
type series string

// newSeries is the series of the streams of that name, which no other has.
func newSeries(name string) series {
	h := sha256.Sum256([]byte(name))
	return series(hex.EncodeToString(h[:8]))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// id is the id of the event of a line: the same for the same line of the same
// stream, another for each other. The place says which line it is; the sum is
// for a file that was written over and seems to be the one it was.
func (s series) id(offset int64, text []byte) string {
	b := make([]byte, 0, 64)
	b = append(append(b, s...), '-')
	b = append(strconv.AppendInt(b, offset, 10), '-')
	b = hex.AppendEncode(b, binary.BigEndian.AppendUint32(nil, crc32.Checksum(text, castagnoli)))
	return string(b)
}
