package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/flowd/flowd/engine"
)

// A screen is standard output, which all debug nodes share so that none writes
// into another's lines.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	person bool // whether a person looks at it
	colour bool
}

// newScreen finds out who reads out. NO_COLOR: https://no-color.org.
func newScreen(out *os.File, getenv func(string) string) *screen {
	person := term.IsTerminal(int(out.Fd()))
	return &screen{
		out: out, person: person,
		colour: person && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb",
	}
}

// write writes whole lines.
func (s *screen) write(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.out.Write(p)
	return err
}

// Close leaves standard output open.
func (s *screen) Close() error { return nil }

// Colours of a terminal, as ECMA-48 has them.
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

// in is text in a colour, if the screen has any. Text of an event must be
// visible.
func (s *screen) in(colour, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return colour + text + plain
}

// longestShown is how much of a payload a person is shown.
const longestShown = 16 << 10

// forPerson writes e as a person reads it: a line of attributes and the data
// below it.
func (s *screen) forPerson(to *bytes.Buffer, label string, e *engine.Event) {
	fmt.Fprintf(to, "%s %s %s", s.in(dim, e.Time.Local().Format("15:04:05.000")), s.in(cyan, seen(label)), s.in(bold, seen(e.Type)))
	for _, attribute := range []string{e.Subject, e.Source, e.ID} {
		if attribute != "" {
			to.WriteString(" " + s.in(dim, seen(attribute)))
		}
	}
	to.WriteByte('\n')
	if f := e.Failure; f != nil {
		fmt.Fprintf(to, "  %s\n", s.in(red, fmt.Sprintf("%s failed after %d attempts: %s", seen(f.Node), f.Attempts, seen(f.Message))))
	}
	var shown bytes.Buffer
	raw, err := e.Data.Bytes()
	if err != nil || json.Indent(&shown, raw, "  ", "  ") != nil {
		shown.Reset()
		shown.WriteString(strconv.Quote(string(raw)))
	}
	text := visible(shown.Bytes())
	more := 0
	if len(text) > longestShown {
		more = len(text) - longestShown
		text = bytes.ToValidUTF8(text[:longestShown], nil)
	}
	to.WriteString("  ")
	s.paint(to, text)
	if more > 0 {
		fmt.Fprintf(to, "\n  %s", s.in(dim, fmt.Sprintf("… and %d bytes more", more)))
	}
	to.WriteByte('\n')
}

// paint writes JSON with its keys, texts and other values in colours.
func (s *screen) paint(to *bytes.Buffer, text []byte) {
	for len(text) > 0 {
		n, colour := 1, ""
		switch c := text[0]; {
		case c == '"':
			n, colour = stringEnd(text), green
			if n < len(text) && text[n] == ':' {
				colour = cyan
			}
		case c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z':
			for n < len(text) && bytes.IndexByte([]byte(",]}\n "), text[n]) < 0 {
				n++
			}
			colour = yellow
		}
		if colour == "" {
			to.Write(text[:n])
		} else {
			to.WriteString(s.in(colour, string(text[:n])))
		}
		text = text[n:]
	}
}

// stringEnd is the length of the JSON string that text begins with.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// forProgram writes e as one line of JSON.
func forProgram(to *bytes.Buffer, label string, e *engine.Event) error {
	fields := e.Fields()
	fields["debug"] = label
	if raw, err := e.Data.Bytes(); err != nil || !e.Data.Valid() {
		fields["data"] = string(raw)
	}
	line, err := engine.AppendJSON(nil, fields)
	if err != nil {
		return engine.Permanent(err)
	}
	to.Write(visible(append(line, '\n')))
	return nil
}

// seen is visible for one line of text.
func seen(text string) string {
	return string(bytes.ReplaceAll(visible([]byte(text)), []byte("\n"), []byte(`\n`)))
}

// visible writes what can't be seen, but for line ends, as JSON escapes it.
// Such characters could move the cursor of a terminal, set its title, or turn
// the direction of writing. JSON text stays the same JSON.
func visible(text []byte) []byte {
	var b []byte // text up to i, if anything had to be changed
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		ok := r == '\n' || unicode.IsGraphic(r) && (r != utf8.RuneError || n > 1)
		if !ok && b == nil {
			b = append(make([]byte, 0, len(text)+16), text[:i]...)
		}
		switch {
		case ok && b != nil:
			b = append(b, text[i:i+n]...)
		case ok:
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += n
	}
	if b == nil {
		return text
	}
	return b
}
