package files

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed file.go
var fileSource string

// File appends events to files.
var File = engine.SinkSpec[FileConfig]{
	About: engine.About{
		Type:    "file",
		Summary: "Appends each event to a file, one line an event.",
		Example: `file: {path: "events/{{ type }}.jsonl", rotate: {every: daily, keep: 30, gzip: true}}`,
		Source:  fileSource,
	},
	Default: FileConfig{Format: "jsonl"},
	New:     newFile,
}

// FileConfig is the configuration of a file.
type FileConfig struct {
	// Path is the file to append to; it and its folders are made if need be.
	// What `{{ }}` puts in can't lead out of the folder that the text before it
	// names: a `/` of a value becomes `%2F`, a leading `.` becomes `%2E`, and
	// so on, a value that makes a name empty becomes `_`, and names are cut at
	// 200 bytes.
	Path expr.Text `flow:"path,main,required"`
	// Format is what a line is: `jsonl`, the default, is the data of the event
	// as JSON on one line; `cloudevents` is the whole event, as a CloudEvent in
	// JSON on one line; `text` is the data as text, which may have line ends of
	// its own.
	Format string `flow:"format"`
	// Line is what is written instead of the data, in `jsonl` and `text`.
	Line expr.Expr `flow:"line"`
	// Rotate says when a file is put aside and a new one begun; the default is
	// never. A file that another program moves away is begun anew, too.
	Rotate Rotate `flow:"rotate"`
	// Fsync is when what was written must have reached the disk: `always`, the
	// default, before an event counts as delivered, at the cost of one sync for
	// each batch and file; `never` leaves it to the operating system, so that a
	// power cut may take the last half minute; with a duration it may take that
	// much.
	Fsync Fsync `flow:"fsync"`
}

// Rotate says when a file is put aside and a new one begun. The file that is
// put aside gets the time of that into its name:
// events-20260901T073005.234Z.jsonl.
type Rotate struct {
	// Size is how large a file may become. A line that is larger has a file of
	// its own.
	Size flows.Size `flow:"size"`
	// Every is how long a file is written to: `hourly` and `daily` change at
	// the hour and at midnight of the machine's time zone, a duration at its
	// multiples since the year 1, UTC. It changes with the first event after.
	Every Period `flow:"every"`
	// Keep is how many files that were put aside are kept; the default is all.
	Keep int `flow:"keep"`
	// Gzip compresses the files that were put aside.
	Gzip bool `flow:"gzip"`
}

// Validate says what is wrong beyond the types of the fields.
func (c *FileConfig) Validate(report flows.Report) {
	switch c.Format {
	case "jsonl", "text":
	case "cloudevents":
		if c.Line.IsSet() {
			report("line", "a line of cloudevents is the whole event; use jsonl or text with line")
		}
	default:
		report("format", "want jsonl, text or cloudevents, got %q", c.Format)
	}
	if fixed, all := c.Path.Fixed(); all {
		if _, name := splitFixed(fixed); name == "" || name == "." || name == ".." {
			report("path", "want the path of a file, got %q", fixed)
		}
	}
	if c.Rotate.Keep < 0 {
		report("rotate.keep", "keep is a number of files, got %d", c.Rotate.Keep)
	}
	if c.Rotate.Size <= 0 && c.Rotate.Every == (Period{}) && (c.Rotate.Keep > 0 || c.Rotate.Gzip) {
		report("rotate", "want size or every, to say when to rotate")
	}
}

// Advise warns of a path that an event may choose among all there is.
func (c FileConfig) Advise(report flows.Report) {
	if fixed, all := c.Path.Fixed(); fixed == "" && !all {
		report("path", "an event can name any file of the folder that flowd runs in; put a folder before the {{ }}, as in out/{{ … }}")
	}
}

// Fsync is when what was written must be on the disk: at once, never, or after
// a duration.
type Fsync time.Duration

const (
	syncAlways Fsync = 0
	syncNever  Fsync = -1
)

// UnmarshalText reads always, never or a duration.
func (f *Fsync) UnmarshalText(text []byte) error {
	switch string(text) {
	case "always":
		*f = syncAlways
	case "never":
		*f = syncNever
	default:
		var d flows.Duration
		if err := d.UnmarshalText(text); err != nil || d <= 0 {
			return fmt.Errorf("want always, never or a duration like 1s, got %q", text)
		}
		*f = Fsync(d)
	}
	return nil
}

// settings are how a file is written.
type settings struct {
	rotate Rotate
	fsync  Fsync
}

// file is the sink.
type file struct {
	config  FileConfig
	folder  string // that the fixed text of the path names, as it stands there
	base    string // the same, absolute
	only    string // the name of the only file below it, if the path is fixed
	pool    *pool
	release func() error
}

var (
	_ engine.Sink     = (*file)(nil)
	_ engine.Opener   = (*file)(nil)
	_ engine.Closer   = (*file)(nil)
	_ flows.Validator = (*FileConfig)(nil)
	_ engine.Adviser  = FileConfig{}
)

func newFile(c FileConfig) (engine.Sink, error) {
	f := &file{config: c}
	fixed, all := c.Path.Fixed()
	var name string
	f.folder, name = splitFixed(fixed)
	if all {
		f.only = name
	}
	return f, nil
}

// Open makes the folder, so that a path that can't be written to is told at
// once.
func (f *file) Open(_ context.Context, env *engine.Env) (err error) {
	if f.base, err = home(f.folder); err != nil {
		return err
	}
	if env.Outside != nil {
		f.base = env.Outside.File(f.base)
	}
	if f.base, err = filepath.Abs(f.base); err != nil {
		return err
	}
	if err := os.MkdirAll(f.base, 0o755); err != nil {
		return fmt.Errorf("making the folder of the file: %w", err)
	}
	if f.base, err = filepath.EvalSymlinks(f.base); err != nil {
		return err
	}
	if f.only != "" {
		path := filepath.Join(f.base, f.only)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return fmt.Errorf("%s is a folder, want the path of a file", path)
		}
		if real, err := filepath.EvalSymlinks(path); err == nil { // a link that the user has named is followed
			f.base, f.only = filepath.Split(real)
		}
	}
	f.pool, f.release, err = engine.Use(env.Share, "file", func() (*pool, error) { return newPool(env.Log), nil })
	return err
}

func (f *file) Close() error {
	if f.release == nil {
		return nil
	}
	return f.release()
}

// A portion is what of a batch goes to one file.
type portion struct {
	at     place
	text   []byte          // lines
	ends   []int           // of the lines
	events []*engine.Event // of the lines
	failed engine.Failures
	broken error // why the rest of it can't be written
}

var portions = sync.Pool{New: func() any { return new(portion) }}

// free gives p back, which was flushed.
func (p *portion) free() {
	if cap(p.text) <= 1<<20 { // what a big batch needed is not kept
		*p = portion{text: p.text, ends: p.ends, events: p.events}
		portions.Put(p)
	}
}

const (
	mostGathered = 4 << 20 // bytes of lines that are gathered before they are written
	mostAtOnce   = 8       // files that are written to at once
)

func (f *file) Write(_ context.Context, batch []*engine.Event) error {
	var failed engine.Failures
	byPlace := map[place]*portion{}
	var order []*portion
	var p *portion
	for _, e := range batch {
		at, err := f.place(e)
		if err != nil {
			failed = append(failed, engine.Failed{Event: e, Err: err})
			continue
		}
		if p == nil || p.at != at {
			p = byPlace[at]
		}
		if p == nil {
			p = portions.Get().(*portion)
			p.at = at
			byPlace[at] = p
			order = append(order, p)
		}
		f.add(p, e)
	}
	f.flushAll(order)
	for _, p := range order {
		failed = append(failed, p.failed...)
		p.free()
	}
	if len(failed) > 0 {
		return failed
	}
	return nil
}

// place is the file that e goes to.
func (f *file) place(e *engine.Event) (place, error) {
	if f.only != "" {
		return place{f.base, f.only}, nil
	}
	rendered, err := f.config.Path.RenderWith(e, cleanValue)
	if err != nil {
		return place{}, err
	}
	return place{f.base, cleanPath(strings.TrimPrefix(rendered, f.folder))}, nil
}

// add adds the line of e to its portion.
func (f *file) add(p *portion, e *engine.Event) {
	start := len(p.text)
	text, err := f.line(p.text, e)
	if err != nil {
		p.text = text[:start]
		p.failed = append(p.failed, engine.Failed{Event: e, Err: err})
		return
	}
	if len(text) == start || text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	p.text = text
	p.ends = append(p.ends, len(p.text))
	p.events = append(p.events, e)
	if len(p.text) >= mostGathered {
		f.flush(p)
	}
}

// flushAll writes what was gathered, several files at once, since each may
// have to wait for its disk.
func (f *file) flushAll(order []*portion) {
	if len(order) == 1 {
		f.flush(order[0])
		return
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, mostAtOnce)
	for _, p := range order {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			f.flush(p)
		})
	}
	all.Wait()
}

// flush writes what was gathered of a portion.
func (f *file) flush(p *portion) {
	done := 0
	if p.broken == nil && len(p.events) > 0 {
		a := f.pool.use(p.at)
		done, p.broken = a.write(lines{p.text, p.ends}, settings{f.config.Rotate, f.config.Fsync})
		f.pool.done(a)
	}
	for _, e := range p.events[done:] {
		p.failed = append(p.failed, engine.Failed{Event: e, Err: p.broken})
	}
	clear(p.events)
	p.text, p.ends, p.events = p.text[:0], p.ends[:0], p.events[:0]
}
