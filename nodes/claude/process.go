package claude

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
)

// A process is a running Claude Code, as its file in the registry has it: the
// folder sessions beside the transcripts has one small file for each. The
// content is not documented.
type process struct {
	PID        int    `json:"pid"`
	SessionID  string `json:"sessionId"`
	Legacy     string `json:"session_id,omitempty"` // sessionId of older versions
	CWD        string `json:"cwd"`
	Version    string `json:"version"`
	Entrypoint string `json:"entrypoint"`
	StartedAt  int64  `json:"startedAt"` // Unix milliseconds
	ProcStart  string `json:"procStart"` // guards against a pid that is used again

	Alive bool // it was seen running; else only its file tells of its end
	Over  bool // its end was told, or it had ended before we came
}

// same reports whether two entries of one file are of one process.
func (p *process) same(o *process) bool {
	return p.PID == o.PID && p.ProcStart == o.ProcStart && p.StartedAt == o.StartedAt
}

// id tells the process from others of its session.
func (p *process) id() []string {
	return []string{strconv.Itoa(p.PID), p.ProcStart, strconv.FormatInt(p.StartedAt, 10)}
}

// started is when the process began.
func (p *process) started(now time.Time) time.Time {
	if p.StartedAt == 0 {
		return now
	}
	return time.UnixMilli(p.StartedAt)
}

func (p *process) origin() origin {
	return origin{CWD: p.CWD, Version: p.Version, Via: viaRegistry}
}

// A registry follows the processes. It belongs to one goroutine.
type registry struct {
	*source
	in      engine.Inlet
	dir     string
	known   map[string]*process // by file name; saved in a checkpoint
	exits   chan *process
	waiting sync.WaitGroup
}

// noteProcesses notes on the first start which processes there are, but for
// those that start_at takes in.
func (s *source) noteProcesses(ctx context.Context) error {
	r := s.registry(nil)
	known, err := s.load(ctx, processesKey, &r.known)
	if err != nil || known {
		return err
	}
	listed, _ := r.list() // there may be none yet
	for name, p := range listed {
		p.Alive = alive(p.PID, p.ProcStart)
		p.Over = !p.Alive // a leftover of a process that was killed
		if p.Over || p.started(time.Now()).Before(s.config.StartAt.cutoff()) {
			r.known[name] = p
		}
	}
	return s.save(ctx, processesKey, r.known)
}

func (s *source) registry(in engine.Inlet) *registry {
	return &registry{
		source: s, in: in, dir: filepath.Join(filepath.Dir(s.dir), "sessions"),
		known: map[string]*process{}, exits: make(chan *process),
	}
}

// watchProcesses follows the registry until ctx is done.
func (s *source) watchProcesses(ctx context.Context, in engine.Inlet) error {
	r := s.registry(in)
	ctx, cancel := context.WithCancel(ctx)
	defer r.waiting.Wait()
	defer cancel()
	defer s.pids.Clear()
	if err := r.loop(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

func (r *registry) loop(ctx context.Context) error {
	if _, err := r.load(ctx, processesKey, &r.known); err != nil {
		return err
	}
	for _, p := range r.known {
		if p.Over || !p.Alive {
			continue
		}
		if !r.follow(ctx, p) {
			if err := r.end(ctx, p); err != nil { // it ended while we were not there
				return err
			}
		}
	}
	if err := r.scan(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(r.pace.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-r.exits:
			if err := r.end(ctx, p); err != nil {
				return err
			}
		case <-tick.C:
			if err := r.scan(ctx); err != nil {
				return err
			}
		}
	}
}

// scan finds processes that are new or gone.
func (r *registry) scan(ctx context.Context) error {
	listed, err := r.list()
	if err != nil {
		return nil // there is no registry, for now
	}
	changed := false
	for _, name := range slices.Sorted(maps.Keys(r.known)) {
		p := r.known[name]
		if now := listed[name]; now != nil && now.same(p) {
			r.update(p, now)
			continue
		}
		changed = true
		if err := r.end(ctx, p); err != nil {
			return err
		}
		delete(r.known, name)
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if r.known[name] != nil {
			continue
		}
		changed = true
		p := listed[name]
		p.Alive = r.follow(ctx, p)
		if err := r.begin(ctx, p); err != nil {
			return err
		}
		r.known[name] = p
	}
	if !changed {
		return nil
	}
	return r.save(ctx, processesKey, r.known)
}

// list reads the registry. A file that can't be read is being written.
func (r *registry) list() (map[string]*process, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	listed := map[string]*process{}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		if p := read(filepath.Join(r.dir, entry.Name())); p != nil {
			listed[entry.Name()] = p
		} else if known := r.known[entry.Name()]; known != nil {
			listed[entry.Name()] = known
		}
	}
	return listed, nil
}

func read(name string) *process {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	p := &process{}
	if tolerate(json.Unmarshal(raw, p)) != nil {
		return nil
	}
	p.Alive, p.Over = false, false
	if p.SessionID == "" {
		p.SessionID, p.Legacy = p.Legacy, ""
	}
	if p.PID <= 0 || p.SessionID == "" {
		return nil
	}
	return p
}

// update takes over what may change while a process runs.
func (r *registry) update(p, now *process) {
	if p.SessionID != now.SessionID && !p.Over {
		r.pids.Delete(p.SessionID)
		r.pids.Store(now.SessionID, p.PID)
	}
	p.SessionID = now.SessionID
}

// follow has the end of a process reported, and says whether it runs.
func (r *registry) follow(ctx context.Context, p *process) bool {
	running, ok := find(p.PID, p.ProcStart)
	if !ok {
		return false
	}
	r.pids.Store(p.SessionID, p.PID)
	r.waiting.Go(func() {
		if running.wait(ctx, r.pace.poll) {
			select {
			case r.exits <- p:
			case <-ctx.Done():
			}
		}
	})
	return true
}

// begin tells of a process that was started. One of a session that had one
// before has resumed it.
func (r *registry) begin(ctx context.Context, p *process) error {
	when := p.started(time.Now())
	pid := p.PID
	payload := startedPayload{
		head: head{sessionStarted, p.SessionID, when.UTC().Format(stamp)},
		PID:  &pid, Source: (&record{Entrypoint: p.Entrypoint}).source(), origin: p.origin(),
	}
	var id []string
	before, _ := r.followed.Load(p.SessionID)
	if !r.ways.begin(p.SessionID) || before == true {
		payload.Resumed = true
		id = p.id()
	}
	f := found{event: newEvent(payload.head, when, payload, id...)}
	return r.put(ctx, r.in, viaRegistry, f)
}

// pid is that of the process that runs a session, if it is known.
func (s *source) pid(session string) *int {
	pid, ok := s.pids.Load(session)
	if !ok {
		return nil
	}
	n := pid.(int)
	return &n
}

// end tells of a process that has ended, once. Its exit code is for its parent
// alone.
func (r *registry) end(ctx context.Context, p *process) error {
	if p.Over {
		return nil
	}
	now := time.Now()
	pid := p.PID
	payload := exitPayload{
		head: head{processExit, p.SessionID, now.UTC().Format(stamp)},
		PID:  &pid, origin: p.origin(),
	}
	p.Over = true
	r.pids.Delete(p.SessionID)
	f := found{event: newEvent(payload.head, now, payload, p.id()...)}
	if err := r.put(ctx, r.in, viaRegistry, f); err != nil {
		return err
	}
	return r.save(ctx, processesKey, r.known)
}
