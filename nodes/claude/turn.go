package claude

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// How long a session is quiet before its answer counts as complete: shortly
// where the API said that the message ends, longer where it said nothing, since
// another block of it may be on its way.
const (
	quietEnded   = time.Second
	quietUnknown = 5 * time.Second
)

// ended are the stop reasons that end an answer. tool_use and pause_turn don't,
// and reasons not yet known may not.
var ended = []string{"end_turn", "stop_sequence", "max_tokens", "refusal", "model_context_window_exceeded"}

// synthetic is the model of messages that Claude Code made up itself.
const synthetic = "<synthetic>"

// A chain is one line of conversation, that of a session or that of one of its
// helpers, and how far its turn is. It is written into checkpoints.
type chain struct {
	Session string
	Agent   string    `json:",omitempty"` // id of the helper, or empty
	Started time.Time `json:",omitzero"`  // when the turn began, if that is known
	Tools   []string  `json:",omitempty"` // used in the turn, each once
	Reply   *reply    `json:",omitempty"` // the last message of the turn
	Last    time.Time `json:",omitzero"`  // of the last message line
}

// A reply is a message of the assistant as far as its lines have come.
type reply struct {
	ID        string
	UUID      string            // of its last line, as are the next six
	Timestamp string            // as it is written
	When      time.Time         //
	Stop      string            `json:",omitempty"`
	Usage     *usage            `json:",omitempty"`
	Source    string            //
	Origin    origin            //
	Content   []json.RawMessage `json:",omitempty"` // blocks of all its lines, if they are wanted
	Sum       string            `json:",omitempty"` // of its last text
	Tool      bool              `json:",omitempty"` // it has called a tool
	Old       bool              `json:",omitempty"` // it stood there before we began
	Told      bool              `json:",omitempty"` // it has been told as complete
	Since     time.Time         // when we read its last line
}

func (r *reply) terminal() bool { return slices.Contains(ended, r.Stop) }

// unknown reports whether r may be a whole answer, though it does not say so:
// older versions write no stop reason.
func (r *reply) unknown() bool { return r.Stop == "" && r.Sum != "" && !r.Tool }

// due is when r counts as complete if nothing more comes.
func (r *reply) due() (time.Time, bool) {
	switch {
	case r == nil || r.Told:
		return time.Time{}, false
	case r.terminal():
		return r.Since.Add(quietEnded), true
	case r.unknown():
		return r.Since.Add(quietUnknown), true
	}
	return time.Time{}, false
}

// step takes a record into its chain's turn.
func (t *transcript) step(c *chain, l line) {
	switch l.Type {
	case "user":
		t.stepUser(c, l)
	case "assistant":
		t.stepAssistant(c, l)
	case "system":
		switch l.Subtype {
		case "turn_duration", "stop_hook_summary":
			t.settle(c)
		case "compact_boundary":
			t.settle(c)
			p := compactedPayload{l.head(sessionCompacted), l.CompactMetadata.Trigger, l.origin()}
			t.tell(l, p.head, p, "")
		}
	}
}

func (t *transcript) stepUser(c *chain, l line) {
	switch classify(l.record) {
	case prompt:
		t.settle(c)
		c.begin(l.when)
		if !t.byLine() {
			t.tellReceived(l)
		}
	case summary:
		t.settle(c)
		c.begin(l.when)
	case interrupt:
		t.abandon(c)
		p := canceledPayload{head: l.head(cancelInitiated), Observed: true, origin: l.origin()}
		t.tell(l, p.head, p, "")
	case command:
		if c.Reply != nil && c.Reply.terminal() {
			t.settle(c)
		}
		// What comes now was set off by the command: a slash command, or a
		// background task that is done.
		if c.Started.IsZero() || c.Reply != nil && c.Reply.Told {
			c.begin(l.when)
		}
	case toolResult:
		if c.Reply != nil {
			c.Reply.Tool = true
		}
	}
}

func (t *transcript) stepAssistant(c *chain, l line) {
	if l.Message == nil {
		return
	}
	if l.IsAPIErrorMessage {
		t.abandon(c)
		t.tellError(l)
		return
	}
	if l.Message.Model == synthetic {
		return
	}
	id := l.Message.ID
	if id == "" {
		id = l.UUID
	}
	if c.Reply != nil && c.Reply.ID != id {
		t.settle(c)
		c.Reply = nil
	}
	if c.Reply == nil {
		c.Reply = &reply{ID: id}
	}
	r := c.Reply
	r.UUID, r.Timestamp, r.When, r.Since = l.UUID, l.Timestamp, l.when, l.now
	r.Stop, r.Source, r.Origin = l.Message.StopReason, l.source(), l.origin()
	r.Old, r.Told = l.old, false
	if l.Message.Usage != nil {
		r.Usage = l.Message.Usage
	}
	blocks := l.Message.blocks()
	if said := sumOf(text(blocks)); said != "" {
		r.Sum = said
	}
	for _, b := range blocks {
		if b.Type == "tool_use" {
			r.Tool = true
			if !slices.Contains(c.Tools, b.Name) {
				c.Tools = append(c.Tools, b.Name)
			}
		}
		if t.config.IncludeMessage {
			r.Content = append(r.Content, b.raw)
		}
	}
}

// begin begins a turn.
func (c *chain) begin(when time.Time) {
	c.Started, c.Tools, c.Reply = when, nil, nil
}

// settle tells the chain's message as a completed response, once, if it is one.
func (t *transcript) settle(c *chain) {
	r := c.Reply
	if _, complete := r.due(); !complete {
		return
	}
	r.Told = true
	if t.byLine() {
		return // its lines were told
	}
	p := completedPayload{
		head:         head{responseCompleted, c.Session, r.Timestamp},
		Source:       r.Source,
		Tools:        append([]string{}, c.Tools...),
		ResponseTime: seconds(c.Started, r.When),
		origin:       r.Origin,
	}
	if t.config.IncludeMessage {
		p.Message = &messageBody{Role: "assistant", Content: encode(r.Content), Usage: r.Usage}
	}
	t.emit(p.head, r.When, r.Old, c.Agent, r.Sum, p, r.UUID)
}

// abandon ends a turn that was stopped. A message that had ended before is
// still told.
func (t *transcript) abandon(c *chain) {
	if c.Reply != nil && c.Reply.terminal() {
		t.settle(c)
	}
	c.begin(time.Time{})
}

// seconds is the time from one moment to another with two decimals, or nil if
// the first is not known.
func seconds(from, to time.Time) *float64 {
	if from.IsZero() {
		return nil
	}
	s := math.Round(max(0, to.Sub(from).Seconds())*100) / 100
	return &s
}

// tellReceived tells of what a user, or the session that asks a helper, said.
func (t *transcript) tellReceived(l line) {
	p := receivedPayload{head: l.head(messageReceived), Source: l.source(), origin: l.origin()}
	if t.config.IncludeMessage && l.Message != nil {
		p.Message = &messageBody{Role: "user", Content: l.Message.Content}
	}
	t.tell(l, p.head, p, sumOf(text(l.Message.blocks())))
}

// tellError tells of the final error of an API call.
func (t *transcript) tellError(l line) {
	said := text(l.Message.blocks())
	p := errorPayload{head: l.head(sessionError), Error: said, origin: l.origin()}
	if string(l.APIErrorStatus) != "null" {
		p.Status = l.APIErrorStatus
	}
	if json.Unmarshal(l.Error, &p.ErrorType) != nil {
		p.ErrorType = ""
	}
	t.tell(l, p.head, p, sumOf(said))
}
