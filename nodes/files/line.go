package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowd/flowd/engine"
)

const (
	batchLines = 256
	batchBytes = 4 << 20
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
	if !json.Valid(text) {
		now := time.Now()
		return &engine.Event{
			Data:    engine.Value(strings.ToValidUTF8(string(text), "\uFFFD")),
			Failure: &engine.Failure{Message: "the line is not JSON", Attempts: 1, First: now, Last: now},
		}
	}
	if utf8.Valid(text) {
		return &engine.Event{Data: engine.JSON(bytes.Clone(text))}
	}
	return &engine.Event{Data: engine.JSON(bytes.ToValidUTF8(text, []byte("\uFFFD")))}
}

// lineID is the id of the event of a line: the same for the same line of the
// same stream, another for each other.
func lineID(stream string, offset int64, text []byte) string {
	h := sha256.New()
	h.Write([]byte(stream))
	h.Write(strconv.AppendInt([]byte{0}, offset, 10))
	h.Write([]byte{0})
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// put puts a batch in, and tries again until it is safe: what was read of a
// file that is gone, or of standard input, can't be read a second time. It
// returns an error only when ctx has ended.
func put(ctx context.Context, in engine.Inlet, log *slog.Logger, batch []*engine.Event) error {
	const first, most = time.Second, 30 * time.Second
	late, cancel := outlast(ctx)
	defer cancel()
	for wait := first; len(batch) > 0; wait = min(2*wait, most) {
		copies := make([]*engine.Event, len(batch)) // an inlet keeps what it is given, also when it fails
		for i, e := range batch {
			copies[i] = e.Copy()
		}
		err := in.Put(late, copies...)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn("waiting to put lines in", "error", err, "events", len(batch), "in", wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// outlast is ctx with some time left after its end: what is being put in then
// would else be in, and come again since nobody knows.
func outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	const left = time.Second
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(left, cancel) })
	return late, func() {
		stop()
		cancel()
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
