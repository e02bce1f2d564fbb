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
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/flowd/flowd/engine/admin"
)

// tailCommand prints live events of a running flowd.
func tailCommand() *command {
	t := &tail{}
	return &command{
		name: "tail", args: "[FLOW[.NODE]]... [-f PATH]... [-n N] [--save NAME_test.yaml]",
		summary: "print the events that nodes pass on, as they happen: those of a node, of a flow, or all",
		most:    1 << 10,
		flags: func(set *flag.FlagSet, o *options) {
			fileFlag(set, o)
			set.IntVar(&t.most, "n", 0, "end after `N` events; with --save, when N have come in")
			set.StringVar(&t.save, "save", "", "write a test into the new `FILE` NAME_test.yaml at the end: what came in, without secrets, and what the sinks get of it")
		},
		run: func(ctx context.Context, o *options, args []string) error {
			t.options = o
			return t.run(ctx, args)
		},
	}
}

// A tail follows nodes of a running flowd.
type tail struct {
	*options
	most int
	save string

	print func(w io.Writer, data []byte) error
	kept  *recorder // nil without --save

	mu   sync.Mutex
	came int // events, as most counts them
}

var errEnded = errors.New("flowd has ended the connection")

// run prints until ctx ends, flowd does, or most events have come.
func (t *tail) run(ctx context.Context, of []string) error {
	doc, diags, err := t.document()
	if err != nil {
		return err
	}
	if t.save != "" {
		if t.kept, err = newRecorder(t.options, t.save, of); err != nil {
			return err
		}
	}
	client, err := newAdminClient(doc)
	if err != nil {
		return err
	}
	defer client.http.CloseIdleConnections()
	if len(of) == 0 {
		for _, f := range doc.Flows {
			of = append(of, f.Name)
		}
	}
	if len(of) == 0 { // for the document could not be read so far
		return diags
	}
	if t.print = printLine; isTerminal(t.out) {
		t.print = printForPerson
	}
	err = t.follow(ctx, client, of)
	if err != nil && diags.Failed() && !errors.Is(err, errNotRunning) && !errors.Is(err, errEnded) { // a token that is missing, perhaps
		return diags
	}
	if t.kept != nil && (err == nil || errors.Is(err, errEnded)) {
		return t.kept.write()
	}
	return err
}

// follow prints what the given flows and nodes pass on, until that is enough,
// one of them can't be followed, or somebody interrupts it.
func (t *tail) follow(ctx context.Context, client *adminClient, of []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, len(of))
	for _, name := range of {
		go func() { ended <- t.one(ctx, client, name) }()
	}
	err := <-ended
	interrupted := ctx.Err() != nil
	stop()
	for range of[1:] {
		<-ended
	}
	if interrupted {
		return nil
	}
	return err
}

// one prints what a flow or a node passes on. It returns nil when that is
// enough.
func (t *tail) one(ctx context.Context, client *adminClient, of string) error {
	where := apiPath("flows", of, "events")
	if flow, node, ok := strings.Cut(of, "."); ok {
		where = apiPath("flows", flow, "nodes", node, "events")
	}
	resp, err := client.send(ctx, "GET", where, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = messages(resp.Body, t.event)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errEnded
	}
	return err
}

// event prints an event, and keeps it if it is to be saved.
func (t *tail) event(data []byte) (more bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.most > 0 && t.came == t.most { // of another flow came the last
		return false, nil
	}
	counts := true
	if t.kept != nil {
		if counts, err = t.kept.keep(data); err != nil {
			return false, err
		}
	}
	if counts {
		t.came++
	}
	return t.came != t.most || !counts, t.print(t.out, data)
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
	if e.Dropped > 0 {
		fmt.Fprintf(&b, "  (%d events before it were too many to be shown)\n", e.Dropped)
	}
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
