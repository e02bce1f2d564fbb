package claude

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

//go:embed claude.go
var sourceText string

// Source is the source of Claude Code sessions: it watches their transcripts
// and processes, and takes posts from hooks and from ccpipe.
var Source = engine.SourceSpec[Config]{
	About: engine.About{
		Type:    "claude",
		Summary: "Claude Code sessions: started, answered, ended, read from their transcripts or posted by hooks and ccpipe.",
		Example: `claude: {level: full, include_message: true}`,
		Source:  sourceText,
	},
	Default: Config{Level: "basic", Mode: "turn", StartAt: StartAt{End: true}, Processes: true},
	Schema:  schema,
	New:     newSource,
}

// Config is the configuration of a claude source.
type Config struct {
	// Dir is the folder of the transcripts. Left out, it is the folder projects
	// in $CLAUDE_CONFIG_DIR, or ~/.claude/projects.
	Dir string `flow:"dir"`
	// Level chooses the types of events. basic gives session-started,
	// assistant-response-completed and process-exit; full also gives
	// user-message-received, session-error, cancel-initiated and
	// session-compacted. Posts of ccpipe, and of hooks that are none of these,
	// pass at either level.
	Level string `flow:"level"`
	// IncludeMessage puts the message itself into the events, with its content
	// and token usage.
	IncludeMessage bool `flow:"include_message"`
	// Mode is turn for one assistant-response-completed for a finished answer,
	// or line for one for each line that is written, also of helpers and before
	// a tool is used, as ccpipe has it.
	Mode string `flow:"mode"`
	// StartAt says what to do on the first start with what is written already:
	// end leaves it out, beginning takes all of it, and a time like
	// 2026-09-01T07:30:00Z what came since. Files that appear later are always
	// taken whole.
	StartAt StartAt `flow:"start_at"`
	// Subagents takes in the helpers that a session starts; their events have
	// isSubagent true.
	Subagents bool `flow:"subagents"`
	// Processes watches the running Claude Code processes, for session-started
	// with a pid, and process-exit.
	Processes bool `flow:"processes"`
	// Path is where to take posts from Claude Code's HTTP hooks and from
	// ccpipe, such as /claude. Left out, none are taken.
	Path string `flow:"path"`
	// Authorization is what those posts must have in their Authorization
	// header, with or without "Bearer " before it.
	Authorization flows.Secret `flow:"authorization"`
}

// Validate checks what the types of the fields do not.
func (c *Config) Validate(report flows.Report) {
	if c.Level != "basic" && c.Level != "full" {
		report("level", "want basic or full, got %q", c.Level)
	}
	if c.Mode != "turn" && c.Mode != "line" {
		report("mode", "want turn or line, got %q", c.Mode)
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		report("path", "want a path that begins with /, got %q", c.Path)
	}
	if c.Path == "" && c.Authorization != "" {
		report("authorization", "there is nothing to authorize without a path")
	}
}

// StartAt is where reading begins on the first start: at the end of what is
// there, at a time, or, the zero value, at the beginning.
type StartAt struct {
	End  bool
	Time time.Time
}

// UnmarshalText reads end, beginning or a time of RFC 3339.
func (s *StartAt) UnmarshalText(text []byte) error {
	*s = StartAt{End: string(text) == "end"}
	if s.End || string(text) == "beginning" {
		return nil
	}
	var err error
	if s.Time, err = time.Parse(time.RFC3339Nano, string(text)); err != nil {
		return fmt.Errorf("want end, beginning or a time like 2026-09-01T07:30:00Z, got %q", text)
	}
	return nil
}

// MarshalText writes s as it is read.
func (s StartAt) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s StartAt) String() string {
	switch {
	case s.End:
		return "end"
	case s.Time.IsZero():
		return "beginning"
	}
	return s.Time.Format(time.RFC3339Nano)
}

// A source is the three ways together: transcripts, processes and posts.
type source struct {
	config Config
	env    *engine.Env
	dir    string
	pace   pace

	refused engine.Quiet

	newNotify func() (*fsnotify.Watcher, error)

	ways     *ways
	confirms chan confirmation
	followed sync.Map // the sessions whose transcripts are watched; true for those from before the start
	pids     sync.Map // of the running processes, by session
}

// pace is how often things are looked at.
type pace struct {
	poll    time.Duration // files touched lately, and processes
	recent  time.Duration // how long ago lately is
	rescan  time.Duration // all folders
	blind   time.Duration // all folders, where the system does not tell of changes
	settle  time.Duration // from a change to looking at it
	confirm time.Duration // the longest that a Stop hook waits for the transcript
	grace   time.Duration // a file that is gone may turn up elsewhere
}

func newSource(c Config) (engine.Source, error) {
	return &source{
		config: c,
		ways:   newWays(),
		pace: pace{
			poll: time.Second, recent: 5 * time.Minute, rescan: 30 * time.Second, blind: 2 * time.Second,
			settle: 20 * time.Millisecond, confirm: time.Second, grace: time.Minute,
		},
		newNotify: fsnotify.NewWatcher,
		confirms:  make(chan confirmation),
	}, nil
}

// Open finds the folder and, the first time, notes what is there already: all
// that comes from now on is new.
func (s *source) Open(ctx context.Context, env *engine.Env) error {
	s.env = env
	var err error
	if s.dir, err = projects(s.config.Dir); err != nil {
		return err
	}
	if err := s.noteFiles(ctx); err != nil {
		return err
	}
	if s.config.Processes {
		if err := s.noteProcesses(ctx); err != nil {
			return err
		}
	}
	if s.config.Path != "" && s.config.Authorization == "" {
		env.Log.Warn("anyone who can reach the path can post events; set authorization", "path", s.config.Path)
	}
	return nil
}

// projects is the folder of the transcripts.
func projects(dir string) (string, error) {
	if dir == "" {
		if config := os.Getenv("CLAUDE_CONFIG_DIR"); config != "" {
			return filepath.Abs(filepath.Join(config, "projects"))
		}
		dir = "~/.claude/projects"
	}
	if rest, ok := strings.CutPrefix(dir, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the folder of transcripts: %w; set dir", err)
		}
		dir = filepath.Join(home, rest)
	}
	return filepath.Abs(dir)
}

// Run watches transcripts and processes until ctx is done.
func (s *source) Run(ctx context.Context, in engine.Inlet) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var processes sync.WaitGroup
	var failed error
	if s.config.Processes {
		processes.Go(func() {
			defer stop()
			failed = s.watchProcesses(ctx, in)
		})
	}
	err := s.watchTranscripts(ctx, in)
	stop()
	processes.Wait()
	if err == nil {
		err = failed
	}
	if err != nil {
		s.ways.restart() // some that began may not have been put in
	}
	return err
}

// put puts in what did not come another way before. It tries until it is in,
// or ctx is done: the files wait for us.
func (s *source) put(ctx context.Context, in engine.Inlet, via string, events ...found) error {
	var batch []*engine.Event
	for _, f := range events {
		if s.ways.first(f, via, time.Now()) {
			batch = append(batch, f.event)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	late, cancel := engine.Outlast(ctx)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := in.Put(late, batch...)
		if err == nil || ctx.Err() != nil {
			return err
		}
		s.env.Log.Warn("events could not be stored, trying again", "events", len(batch), "error", err, "in", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

var (
	_ engine.Sampler  = (*source)(nil)
	_ engine.Opener   = (*source)(nil)
	_ flows.Validator = (*Config)(nil)
)
