package files

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed tail.go
var tailSource string

// Tail reads the lines of files, and follows the files as they grow.
var Tail = engine.SourceSpec[TailConfig]{
	About: engine.About{
		Type:    "tail",
		Summary: "Reads the lines of files, one event a line, and follows the files as they grow and are rotated.",
		Example: `tail: {path: logs/*.jsonl, start_at: beginning}`,
		Source:  tailSource,
	},
	Default: TailConfig{Format: formatJSON, Follow: true, Type: "line"},
	Schema:  func(c TailConfig) engine.Schema { return c.Format.schema("tail", c.Type, c.Schema) },
	New:     newTail,
}

// TailConfig is the configuration of a tail.
type TailConfig struct {
	// Path is the file to read, or a pattern of several: `*`, `?` and `[a-z]`
	// stand for what they do in a shell, in one part of the path each, and `~/`
	// for the user's own folder. The files need not be there yet. A pattern may
	// take in the names that files are renamed to, but not copies of them.
	Path string `flow:"path,main,required"`
	// Format is what a line is: `json`, the default, makes the value of the
	// line the event's data, and a line that is not JSON a dead letter; `text`
	// makes the line itself the data. Empty lines are no events in `json`, and
	// a line of more than 16 MiB is none in either.
	Format Format `flow:"format"`
	// StartAt is where to begin, the first time, with files that are there
	// already: `end` or `beginning`. The default is `end`, and with `follow:
	// false` it is `beginning`. Later each file is read on from where it was
	// left, also after a restart or a rename, and files that came since are
	// read whole.
	StartAt string `flow:"start_at"`
	// Follow says whether to go on when the end is reached. With `false` the
	// files are read to their end, where a last line counts also without a
	// line end, and the source has finished.
	Follow bool `flow:"follow"`
	// Type is the type of the events.
	Type string `flow:"type"`
	// Schema is the path of a JSON Schema of the payloads, or of lines as they
	// come, from which their fields are learned; or a list of such paths. With
	// it, expressions behind this node are checked against what is there.
	Schema engine.SchemaFiles `flow:"schema"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *TailConfig) Validate(report flows.Report) {
	if _, err := filepath.Match(c.Path, ""); c.Path == "" || err != nil {
		report("path", "want a path or a pattern like logs/*.jsonl, got %q", c.Path)
	}
	switch c.StartAt {
	case "", "end", "beginning":
	default:
		report("start_at", "want end or beginning, got %q", c.StartAt)
	}
	if c.Type == "" {
		report("type", "want a name for the type of the events")
	}
}

// atEnd reports whether files that are there at the first start are skipped.
func (c *TailConfig) atEnd() bool {
	return c.StartAt == "end" || c.StartAt == "" && c.Follow
}

// tail is the source: what it knows is in the files and their checkpoints, so
// that Run can begin anew at any time.
type tail struct {
	config TailConfig
	env    *engine.Env
}

var (
	_ engine.Source   = (*tail)(nil)
	_ engine.Opener   = (*tail)(nil)
	_ flows.Validator = (*TailConfig)(nil)
)

func newTail(c TailConfig) (_ engine.Source, err error) {
	c.Path, err = home(c.Path)
	return &tail{config: c}, err
}

func (t *tail) Open(_ context.Context, env *engine.Env) error {
	t.env = env
	return nil
}

func (t *tail) Run(ctx context.Context, in engine.Inlet) error {
	f := newFollower(t.config, t.env, in)
	defer f.close(ctx)
	err := f.start(ctx)
	if err == nil {
		if t.config.Follow {
			err = f.follow(ctx)
		} else {
			err = f.finish(ctx)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.config.Path, err)
	}
	return nil
}
