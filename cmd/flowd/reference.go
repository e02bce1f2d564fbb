package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// writeReference writes all there is to say about node types, in Markdown.
func writeReference(w io.Writer, specs []*engine.Spec) {
	for _, s := range specs {
		fmt.Fprintf(w, "\n## %s (%s)\n\n%s\n\n```yaml\n- %s\n```\n", s.Type, s.Kind, s.Summary,
			strings.ReplaceAll(strings.TrimSpace(s.Example), "\n", "\n  "))
		if fields := s.Fields(); len(fields) > 0 {
			fmt.Fprint(w, "\n| setting | type | default | meaning |\n|---|---|---|---|\n")
			writeSettings(w, fields, "")
		}
		fmt.Fprintf(w, "\nRetry: %s.\n", retryOf(s))
	}
}

// retryOf says how often a node's work is tried.
func retryOf(s *engine.Spec) string {
	switch {
	case s.Kind == engine.SourceKind:
		return "a source that fails is run again"
	case s.Retry.Attempts == 1:
		return "an event is tried once"
	}
	return fmt.Sprintf("an event is tried %d times, first again after %s, then twice as long up to %s", s.Retry.Attempts, s.Retry.First, s.Retry.Max)
}

func writeSettings(w io.Writer, fields []flows.FieldDoc, prefix string) {
	for _, f := range fields {
		name := f.Key
		if name == "" {
			name = "NAME"
		}
		standard := f.Default
		switch {
		case f.Required:
			standard = "required"
		case standard != "":
			standard = "`" + standard + "`"
		}
		doc := f.Doc
		if f.Main {
			doc += " It may stand alone."
		}
		fmt.Fprintf(w, "| `%s%s` | %s | %s | %s |\n", prefix, name, inCell(f.Type), inCell(standard), inCell(doc))
		writeSettings(w, f.Fields, prefix+name+".")
	}
}

// inCell is text in a cell of a table.
func inCell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
