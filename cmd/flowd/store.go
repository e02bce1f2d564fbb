package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/flows"
)

// storeConfig is the store section of a document: where events are kept until
// they are delivered, and for a while after.
type storeConfig struct {
	// Dir is the folder of the store; left out, .flowd beside the first
	// document.
	Dir string `flow:"dir"`
	// Memory keeps everything in memory instead: what is not delivered when
	// flowd ends is gone, and its senders were not told that it is safe.
	Memory bool `flow:"memory"`
	// Keep bounds what is kept of delivered events.
	Keep keepConfig `flow:"keep"`
	// Fsync is when what was written is made durable: always, before an event
	// is acknowledged; at an interval, so that a power cut may lose the last
	// moment; or never, which leaves it to the system.
	Fsync journal.Fsync `flow:"fsync"`
}

type keepConfig struct {
	// Age is how long delivered events are kept.
	Age flows.Duration `flow:"age"`
	// Size bounds the folder. Delivered events go early, and webhooks are
	// answered 503, rather than that it grows over it.
	Size flows.Size `flow:"size"`
}

// defaultStore is the store of a document that says nothing.
var defaultStore = storeConfig{Keep: keepConfig{Age: flows.Duration(24 * time.Hour), Size: 1 << 30}, Fsync: journal.Always}

// Validate says what is wrong beyond the types of the fields.
func (c *storeConfig) Validate(report flows.Report) {
	switch c.Fsync {
	case journal.Always, journal.Interval, journal.Never:
	default:
		report("fsync", "want always, interval or never, got %q", c.Fsync)
	}
	if c.Memory && c.Dir != "" {
		report("dir", "a store in memory has no folder")
	}
	if c.Keep.Size < 1<<20 {
		report("keep.size", "want a size of at least 1MiB")
	}
}

// storeSettings reads the store section. The command line overrides it.
func (o *options) storeSettings(doc *flows.Document) (storeConfig, flows.Diagnostics) {
	c := defaultStore
	var diags flows.Diagnostics
	if doc.Store != nil {
		diags = flows.Decode(doc.Store, &c)
	}
	switch {
	case o.store == "memory":
		c.Dir, c.Memory = "", true
	case o.store != "":
		c.Dir, c.Memory = o.store, false
	case c.Dir == "":
		c.Dir = filepath.Join(folderOf(o.documents()[0]), ".flowd")
	}
	return c, diags
}

func folderOf(document string) string {
	if info, err := os.Stat(document); err == nil && info.IsDir() {
		return document
	}
	return filepath.Dir(document)
}

// openStore opens the store that the command line or the document names.
func (o *options) openStore(doc *flows.Document, log *slog.Logger) (engine.Store, error) {
	c, diags := o.storeSettings(doc)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	if c.Memory {
		return engine.MemoryStore(), nil
	}
	return journal.Open(c.Dir, journal.Options{
		Fsync: c.Fsync, KeepAge: time.Duration(c.Keep.Age), KeepSize: int64(c.Keep.Size), Log: log,
	})
}

// storeAtRest opens the store of a flowd that does not run. why says why it
// can't be asked.
func (o *options) storeAtRest(doc *flows.Document, why error) (engine.Store, error) {
	c, diags := o.storeSettings(doc)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	if c.Memory {
		return nil, fmt.Errorf("%w, and its store is in memory", why)
	}
	if _, err := os.Stat(c.Dir); err != nil {
		return nil, fmt.Errorf("%w, and there is no store: %w", why, err)
	}
	store, err := o.openStore(doc, slog.New(slog.NewTextHandler(o.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", why, err)
	}
	return store, nil
}
