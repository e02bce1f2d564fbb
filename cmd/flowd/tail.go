package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/flowd/flowd/engine/admin"
)

// tailCommand prints live events of a running flowd.
func tailCommand() *command {
	var most int
	return &command{
		name: "tail", args: "FLOW[.NODE] [-f PATH]... [-n N]",
		summary: "print the events that a node passes on, or all nodes of a flow, as they happen",
		least:   1, most: 1,
		flags: func(set *flag.FlagSet, o *options) {
			fileFlag(set, o)
			set.IntVar(&most, "n", 0, "end after `N` events")
		},
		run: func(ctx context.Context, o *options, args []string) error {
			return o.tail(ctx, args[0], most)
		},
	}
}

// tail prints until ctx ends, flowd does, or most events are printed.
func (o *options) tail(ctx context.Context, of string, most int) error {
	doc, diags, err := o.document()
	if err != nil {
		return err
	}
	client, err := newAdminClient(doc)
	if err != nil {
		return err
	}
	defer client.http.CloseIdleConnections()
	where := apiPath("flows", of, "events")
	if flow, node, ok := strings.Cut(of, "."); ok {
		where = apiPath("flows", flow, "nodes", node, "events")
	}
	resp, err := client.send(ctx, "GET", where, nil)
	if err != nil {
		if diags.Failed() && !errors.Is(err, errNotRunning) { // a token that is missing, perhaps
			return diags
		}
		return err
	}
	defer resp.Body.Close()
	print := printLine
	if isTerminal(o.out) {
		print = printForPerson
	}
	n := 0
	err = messages(resp.Body, func(data []byte) (more bool, err error) {
		n++
		return n != most, print(o.out, data)
	})
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("flowd has ended the connection")
	}
	return err
}

// messages calls each with the data of every server-sent event that r brings,
// until it wants no more.
func messages(r io.Reader, each func(data []byte) (more bool, err error)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return err
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok { // an empty line, or a comment: the connection lives
			continue
		}
		if more, err := each(data); err != nil || !more {
			return err
		}
	}
}

// printLine writes an event as it came: one line of JSON.
func printLine(w io.Writer, data []byte) error {
	_, err := w.Write(data)
	return err
}

// printForPerson writes a line of attributes, and the data below it.
func printForPerson(w io.Writer, data []byte) error {
	var e admin.Tapped
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	var b strings.Builder
	at, _ := time.Parse(time.RFC3339, e.Time) // flowd writes no other
	fmt.Fprintf(&b, "%s %s.%s %s", at.Local().Format("15:04:05.000"), e.Flow, e.Node, seen(e.Type))
	for _, attribute := range []string{e.Subject, e.Source, e.Event.ID} {
		if attribute != "" {
			b.WriteString(" " + seen(attribute))
		}
	}
	b.WriteByte('\n')
	if f := e.Error; f != nil {
		fmt.Fprintf(&b, "  %s failed after %d attempts: %s\n", seen(f.Node), f.Attempts, seen(f.Message))
	}
	var shown bytes.Buffer
	if err := json.Indent(&shown, e.Data, "", "  "); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	for line := range strings.Lines(shown.String()) {
		b.WriteString("  " + seen(strings.TrimSuffix(line, "\n")) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// seen is text of others for a terminal: what can't be seen, and could move the
// cursor or turn the direction of writing, is written as JSON escapes it.
func seen(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
