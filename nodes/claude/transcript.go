package claude

import (
	"slices"
	"time"
)

// maxChains bounds the chains that are followed in one file: a session, and
// the helpers whose lines older versions wrote into the session's file.
const maxChains = 64

// A transcript turns the bytes of one file into events. It knows neither files
// nor clocks: [transcript.Feed] is given the bytes and the time of reading
// them, [transcript.Quiet] the time alone. It belongs to one goroutine.
type transcript struct {
	config *Config
	id     string // of the session that the file is named after, or empty
	uuids  *seen  // of all files
	starts starts // of all ways

	frame framer
	state state
	read  *seen // uuids since the file was written anew, see [rereading]
	found []found

	damaged int // places passed over
}

// starts knows which sessions were told as started.
type starts interface {
	// begin reports whether the session is new, which it is once.
	begin(session string) bool
}

// A state is what a transcript must know to go on, as checkpoints hold it. The
// uuids are not in it: the file itself has them, see [transcript.Remember].
type state struct {
	Offset   int64     // just behind the last whole line that was read
	First    time.Time // since when the file is known; other sessions' lines from before were copied into it
	Last     time.Time `json:",omitzero"` // newest time of a record
	Base     int64     `json:",omitempty"`
	Cutoff   time.Time `json:",omitzero"` // records before Base and older than this tell nothing: start_at
	Sessions []string  `json:",omitempty"`
	Chains   []*chain  `json:",omitempty"`

	Again *rereading `json:",omitempty"` // nil unless the file was written anew
}

// A rereading is the reading of a file that was written anew: truncated, or
// replaced. What had been told is not told again.
type rereading struct {
	Until  int64     // how far the file was read before
	Last   time.Time // the newest time of a record until then
	Forgot bool      // the uuids of those records are not known: by their time they are
	Open   []string  // uuids of replies that were not complete yet
}

// newTranscript begins a file that is there since first.
func newTranscript(config *Config, id string, uuids *seen, starts starts, first time.Time) *transcript {
	return &transcript{config: config, id: id, uuids: uuids, starts: starts, state: state{First: first}}
}

// resume goes on from a checkpoint.
func (t *transcript) resume(s state) {
	t.state = s
	if s.Again != nil {
		s.Again.Forgot, t.read = true, newSeen(maxSeen)
	}
	for _, session := range s.Sessions {
		t.starts.begin(session)
	}
}

// byLine reports whether every message line makes an event by itself.
func (t *transcript) byLine() bool { return t.config.Mode == "line" }

// position is where the bytes of the next Feed stand in the file.
func (t *transcript) position() int64 { return t.state.Offset + t.frame.size }

// Feed reads the bytes that follow in the file and returns what they tell.
func (t *transcript) Feed(now time.Time, p []byte) []found {
	t.frame.feed(p, func(text []byte, size int64) {
		at := t.state.Offset
		t.state.Offset += size
		if text == nil {
			t.damaged++
			return
		}
		t.damaged += records(text, func(raw []byte) { t.record(now, raw, at) })
	})
	return t.take()
}

// Touch notes that the file grew, though by no whole line: it is not quiet.
func (t *transcript) Touch(now time.Time) {
	for _, c := range t.state.Chains {
		if c.Reply != nil {
			c.Reply.Since = now
		}
	}
}

// Quiet returns what is complete because nothing followed it until now.
func (t *transcript) Quiet(now time.Time) []found {
	for _, c := range t.state.Chains {
		if due, ok := c.Reply.due(); ok && !now.Before(due) {
			t.settle(c)
		}
	}
	return t.take()
}

// Due is when Quiet will have something to tell, if the file stays quiet.
func (t *transcript) Due() (earliest time.Time, ok bool) {
	for _, c := range t.state.Chains {
		if due, complete := c.Reply.due(); complete && (!ok || due.Before(earliest)) {
			earliest, ok = due, true
		}
	}
	return earliest, ok
}

// Confirm returns what is complete because Claude Code says that the session
// has stopped. With a sum, only what ends with that text is: the last lines may
// be on their way.
func (t *transcript) Confirm(session, agent, sum string) []found {
	for _, c := range t.state.Chains {
		if c.Session == session && c.Agent == agent && c.Reply != nil && (sum == "" || sum == c.Reply.Sum) {
			t.settle(c)
		}
	}
	return t.take()
}

// Remember takes in the uuids of lines that were read before a restart.
func (t *transcript) Remember(line []byte) {
	records(line, func(raw []byte) {
		if r, err := parse(raw); err == nil && r.UUID != "" && !t.copied(r, r.when(time.Time{})) {
			t.uuids.add(r.UUID)
			if t.state.Again != nil {
				t.read.add(r.UUID)
			}
		}
	})
}

// Again begins the file anew, since it is not the one that was read up to
// here. What was read then is known by its uuids, or, where they are forgotten,
// by its time.
func (t *transcript) Again(forgot bool) {
	again := &rereading{Until: t.state.Offset, Last: t.state.Last, Forgot: forgot}
	for _, c := range t.state.Chains {
		if c.Reply != nil && !c.Reply.Told && !c.Reply.Old {
			again.Open = append(again.Open, c.Reply.UUID)
		}
	}
	t.read, t.frame = newSeen(maxSeen), framer{}
	t.state.Again = again
	t.state.Offset, t.state.Base, t.state.Chains = 0, 0, nil
}

func (t *transcript) take() []found {
	events := t.found
	t.found = nil
	return events
}

// A line is a record on its way through the transcript.
type line struct {
	*record
	when time.Time
	now  time.Time // when it was read
	old  bool      // it tells nothing by itself
}

func (l line) head(kind string) head { return head{kind, l.SessionID, l.Timestamp} }

func (l line) agent() string {
	switch {
	case !l.IsSidechain:
		return ""
	case l.AgentID == "":
		return "sidechain"
	}
	return l.AgentID
}

func (l line) origin() origin {
	o := origin{
		IsSubagent: l.IsSidechain, AgentID: l.AgentID,
		CWD: l.CWD, GitBranch: l.GitBranch, Version: l.Version, Via: viaTranscript, UUID: l.UUID,
	}
	if l.Message != nil && l.Message.Model != synthetic {
		o.Model = l.Message.Model
	}
	return o
}

// record takes in one record that begins at an offset of the file.
func (t *transcript) record(now time.Time, raw []byte, at int64) {
	r, err := parse(raw)
	if err != nil {
		t.damaged++
		return
	}
	if r.UUID == "" || r.SessionID == "" {
		return // titles, modes, snapshots: nothing happened
	}
	l := line{record: r, when: r.when(now), now: now}
	if l.when.Equal(now) {
		r.Timestamp = now.UTC().Format(stamp)
	}
	if t.state.Again != nil && at >= t.state.Again.Until {
		t.state.Again, t.read = nil, nil
	}
	l.old = at < t.state.Base && l.when.Before(t.state.Cutoff)
	skip := t.skip(&l)
	if t.byLine() {
		t.stepLine(l)
	}
	if skip || l.IsSidechain && !t.config.Subagents {
		return
	}
	c := t.chain(r.SessionID, l.agent())
	if c.Agent == "" && !slices.Contains(t.state.Sessions, r.SessionID) {
		t.state.Sessions = append(t.state.Sessions, r.SessionID)
		if t.starts.begin(r.SessionID) {
			p := startedPayload{head: l.head(sessionStarted), Source: r.source(), origin: l.origin()}
			p.UUID = ""
			t.emit(p.head, l.when, l.old, "", "", p)
		}
	}
	t.step(c, l)
}

// skip says whether a record is no part of the conversation: a copy of what
// stands in another file, or of what stood further up in this one. It makes
// those old that had been read before the file was written anew.
func (t *transcript) skip(l *line) bool {
	if l.SessionID == t.id {
		t.state.First = earlier(t.state.First, l.when)
	}
	copied := t.copied(l.record, l.when)
	if copied && !t.byLine() {
		return true // its uuid is for the file that it was copied from
	}
	known := !t.uuids.add(l.UUID)
	t.state.Last = later(t.state.Last, l.when)
	if again := t.state.Again; again != nil {
		known = known || again.Forgot && !l.when.After(again.Last)
		if known && !slices.Contains(again.Open, l.UUID) {
			l.old = true
		}
		known = !t.read.add(l.UUID)
	}
	return copied || known
}

// copied reports whether a record is the history of another session, which a
// fork or, in older versions, a resumed session has at its beginning.
func (t *transcript) copied(r *record, when time.Time) bool {
	other := t.id != "" && r.SessionID != t.id
	return bool(r.ForkedFrom) || other && when.Before(t.state.First)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// chain returns the chain of a session or of one of its helpers.
func (t *transcript) chain(session, agent string) *chain {
	chains := t.state.Chains
	if i := slices.IndexFunc(chains, func(c *chain) bool { return c.Session == session && c.Agent == agent }); i >= 0 {
		return chains[i]
	}
	if len(chains) == maxChains {
		stale := max(0, slices.IndexFunc(chains, func(c *chain) bool { return c.Agent != "" }))
		t.settle(chains[stale])
		chains = slices.Delete(chains, stale, stale+1)
	}
	c := &chain{Session: session, Agent: agent}
	t.state.Chains = append(chains, c)
	return c
}

// stepLine tells of a message line by itself, as ccpipe does: also of copies.
func (t *transcript) stepLine(l line) {
	if l.Message == nil || l.Type != "user" && l.Type != "assistant" {
		return
	}
	c := t.chain(l.SessionID, l.agent())
	before := c.Last
	c.Last = l.when
	if l.Type == "user" {
		t.tellReceived(l)
		return
	}
	blocks := l.Message.blocks()
	p := completedPayload{
		head: l.head(responseCompleted), Source: l.source(), Tools: []string{},
		ResponseTime: seconds(before, l.when), origin: l.origin(),
	}
	for _, b := range blocks {
		if b.Type == "tool_use" {
			p.Tools = append(p.Tools, b.Name)
		}
	}
	if t.config.IncludeMessage {
		p.Message = &messageBody{Role: "assistant", Content: l.Message.Content, Usage: l.Message.Usage}
	}
	t.tell(l, p.head, p, sumOf(text(blocks)))
}

// tell emits an event of one line.
func (t *transcript) tell(l line, h head, payload any, sum string) {
	t.emit(h, l.when, l.old, l.agent(), sum, payload, l.UUID)
}

// emit keeps an event for the caller of Feed, unless it is old or not asked for.
func (t *transcript) emit(h head, when time.Time, old bool, agent, sum string, payload any, parts ...string) {
	if old || t.config.Level != "full" && !basic[h.Type] {
		return
	}
	e := newEvent(h, when, payload, parts...)
	t.found = append(t.found, found{event: e, agent: agent, sum: sum})
}
