package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/flowd/flowd/flows"
)

// logger writes text on a terminal and JSON elsewhere, or what the flags say.
func (o *options) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, usage("--log-level is debug, info, warn or error, not %q", o.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch o.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(o.err, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(o.err, opts)), nil
	case "":
		if isTerminal(o.err) {
			return slog.New(slog.NewTextHandler(o.err, opts)), nil
		}
		return slog.New(slog.NewJSONHandler(o.err, opts)), nil
	}
	return nil, usage("--log-format is text or json, not %q", o.logFormat)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// report tells diagnostics: in full where a person reads, one record each
// where a machine does.
func (o *options) report(log *slog.Logger, diags flows.Diagnostics) {
	if o.logFormat == "text" || o.logFormat == "" && isTerminal(o.err) {
		fmt.Fprint(o.err, diags.Format())
		return
	}
	for _, d := range diags.Sorted() {
		level := slog.LevelError
		if d.Severity == flows.Warning {
			level = slog.LevelWarn
		}
		var more []any
		for _, a := range [][2]string{{"place", d.Span.String()}, {"hint", d.Hint}, {"snippet", snippet(d)}} {
			if a[1] != "" {
				more = append(more, a[0], a[1])
			}
		}
		log.Log(context.Background(), level, d.Message, more...)
	}
}

// snippet is the source line of a diagnostic and its caret.
func snippet(d flows.Diagnostic) string {
	_, lines, _ := strings.Cut(d.Format(), "\n")
	return strings.TrimSuffix(lines, "\n")
}
