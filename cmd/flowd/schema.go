package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"io"

	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

//go:embed store.go
var storeSource string

var schemaCommand = &command{
	name:    "schema",
	summary: "print the JSON Schema of a document, for editors",
	flags:   func(*flag.FlagSet, *options) {},
	run: func(_ context.Context, o *options, _ []string) error {
		return writeSchema(o.out)
	},
}

// writeSchema writes the schema of everything that this flowd takes.
func writeSchema(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(documentSchema())
}

func documentSchema() flows.JSONSchema {
	section := func(defaults any, source, description string) flows.JSONSchema {
		s := flows.SchemaOf(defaults, source)
		s["description"] = description
		return s
	}
	return registry.JSONSchema(map[string]flows.JSONSchema{
		"admin": section(admin.Default, admin.Source, "Health, metrics, API and page."),
		"store": section(defaultStore, storeSource, "Where events are kept until they are delivered."),
	})
}
