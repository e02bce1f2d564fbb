package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

var initCommand = &command{
	name: "init", args: "[TYPE]... [-f PATH]", most: 1 << 10,
	summary: "write a flows.yaml to begin with, of the given node types, and its schema",
	flags:   fileFlag,
	run: func(_ context.Context, o *options, args []string) error {
		text := starter
		if len(args) > 0 {
			specs, err := chosen(args)
			if err != nil {
				return err
			}
			text = starterOf(specs)
		}
		var schema bytes.Buffer
		if err := writeSchema(&schema); err != nil {
			return err
		}
		path := o.documents()[0]
		if err := writeNew(path, schemaLine+text); err != nil {
			return err
		}
		if err := os.WriteFile(schemaFile(path), schema.Bytes(), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(o.out, "wrote %s\n", path)
		if names := variables(text); len(names) > 0 {
			fmt.Fprintf(o.out, "it wants these environment variables: %s\n", strings.Join(names, ", "))
		}
		fmt.Fprintf(o.out, "run it: flowd -f %s\n", path)
		return nil
	},
}

// schemaName is the file of the schema, beside the document.
const schemaName = "flows.schema.json"

const schemaLine = "# yaml-language-server: $schema=" + schemaName + "\n"

func schemaFile(document string) string {
	return folderOf(document) + string(os.PathSeparator) + schemaName
}

// writeNew writes a file that is not there yet.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usage("%s is there already", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// starter is the document of flowd init without node types.
const starter = `#
# flowd -f flows.yaml runs this document, and runs it anew when you save it.
# flowd check tells its mistakes, flowd nodes what there is to write here.
flows:
  visitors:
    nodes:
      # Sources bring events in: one every two seconds, and those that you post:
      #   curl -d '{"name": "Dana"}' http://127.0.0.1:8080/visitors
      - inject: {every: 2s, data: {name: Aiko}}
      - webhook: /visitors

      # Processors choose and change them. A node takes the events of the one
      # above, unless it says from.
      - filter: data.name != "Ben"
        from: [inject, webhook]
      - transform:
          data: {line: "{{ data.name }} is here"}

      # Sinks take them out. Try slack, http or file.
      - debug:
`

// chosen are the node types of names, in the order in which events pass them.
// A type that is a source and a sink is the source if no other is.
func chosen(names []string) ([]*engine.Spec, error) {
	var specs []*engine.Spec
	for _, name := range names {
		found := registry.Lookup(name)
		if len(found) == 0 {
			return nil, usage("unknown node type %q%s", name, hint(name, typeNames()))
		}
		if len(found) > 1 && name != names[0] {
			found = found[1:]
		}
		specs = append(specs, found[0])
	}
	slices.SortStableFunc(specs, func(a, b *engine.Spec) int { return int(a.Kind) - int(b.Kind) })
	if specs[0].Kind != engine.SourceKind {
		specs = append(registry.Lookup("webhook"), specs...)
	}
	if specs[len(specs)-1].Kind != engine.SinkKind {
		specs = append(specs, registry.Lookup("debug")...)
	}
	return specs, nil
}

func typeNames() []string {
	var names []string
	for _, s := range registry.Specs() {
		names = append(names, s.Type)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// general are beginnings for node types whose examples are about the events of
// one source: they suit any.
var general = map[string]string{
	"filter":    `filter: id != ""`,
	"switch":    `switch: {named: subject != "", else: others}`,
	"transform": `transform: {data: {what: type, about: subject, when: time}}`,
	"dedupe":    `dedupe: {key: id, ttl: 1h}`,
	"split":     `split: "[type, subject]"`,
}

// beginningOf is how a node of a type is written down first.
func beginningOf(s *engine.Spec) string { return cmp.Or(general[s.Type], strings.TrimSpace(s.Example)) }

// starterOf is a document of one flow with an example of each node type.
func starterOf(specs []*engine.Spec) string {
	var b strings.Builder
	b.WriteString("flows:\n  first:\n    nodes:\n")
	var sources []string
	ids := map[string]int{}
	from := "" // where the next node takes its events, if not from above
	for i, s := range specs {
		ids[s.Type]++
		id := s.Type
		if n := ids[s.Type]; n > 1 {
			id = fmt.Sprintf("%s-%d", id, n)
		}
		fmt.Fprintf(&b, "      # %s flowd nodes %s tells more.\n", s.Summary, s.Type)
		for k, line := range strings.Split(beginningOf(s), "\n") {
			lead := "        "
			if k == 0 {
				lead = "      - "
			}
			b.WriteString(lead + line + "\n")
		}
		if s.Kind == engine.SourceKind {
			if sources = append(sources, id); len(sources) > 1 {
				from = "[" + strings.Join(sources, ", ") + "]"
			}
			continue
		}
		if from != "" {
			b.WriteString("        from: " + from + "\n")
			from = ""
		}
		if port := firstPort(s); port != "" && i+1 < len(specs) {
			from = id + "." + port
		}
	}
	return b.String()
}

// firstPort is a port of the beginning of a node type that has several.
func firstPort(s *engine.Spec) string {
	v, diags := flows.ParseValue(beginningOf(s))
	if s.Type != "switch" || diags.Failed() {
		return ""
	}
	return v.Get(s.Type).Entries[0].Key.Text
}

var variableForm = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// variables are the environment variables that a text wants.
func variables(text string) []string {
	var names []string
	for _, m := range variableForm.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}
