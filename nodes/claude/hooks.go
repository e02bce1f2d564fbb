package claude

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// A hook is what is read of the body of a Claude Code hook. The set of hooks is
// open: new versions bring new ones.
type hook struct {
	Name      string `json:"hook_event_name"`
	SessionID string `json:"session_id"`
	AgentID   string `json:"agent_id"`
	CWD       string `json:"cwd"`
	Model     string `json:"model"`
	Source    string `json:"source"`                 // of SessionStart
	Reason    string `json:"reason"`                 // of SessionEnd
	Prompt    string `json:"prompt"`                 // of UserPromptSubmit
	Last      string `json:"last_assistant_message"` // of Stop, SubagentStop, StopFailure
	Error     string `json:"error"`                  // of StopFailure
	Details   string `json:"error_details"`
	Trigger   string `json:"trigger"` // of PostCompact
}

// Routes takes posts, if the configuration has a path for them.
func (s *source) Routes(in engine.Inlet) []engine.Route {
	if s.config.Path == "" {
		return nil
	}
	return []engine.Route{{Path: s.config.Path, Serve: func(r *http.Request, body []byte) engine.Answer {
		return s.serve(in, r, body)
	}}}
}

// serve takes one post. Claude Code waits for the answer, and would take a body
// in it for a decision: it is empty.
func (s *source) serve(in engine.Inlet, r *http.Request, body []byte) engine.Answer {
	if !s.authorized(r.Header.Get("Authorization")) && !engine.Vouched(r) {
		s.refused.Warn(s.env.Log, "claude: a post was refused: its Authorization is missing or wrong", "from", r.RemoteAddr)
		a := engine.Text(http.StatusUnauthorized, "wrong Authorization")
		a.Header.Set("WWW-Authenticate", "Bearer")
		return a
	}
	f, via, err := s.posted(body, time.Now())
	if err != nil {
		return engine.Text(http.StatusBadRequest, err.Error())
	}
	if f.event == nil {
		return engine.Answer{}
	}
	f.event.Meta = engine.MetaOf(r)
	ctx := r.Context()
	if via == viaHook && f.event.Type == responseCompleted {
		s.consult(ctx, f)
	}
	if !s.ways.first(f, via, time.Now()) {
		return engine.Answer{}
	}
	err = in.Put(ctx, f.event)
	if err != nil {
		s.ways.forget(f, via)
	}
	return engine.Accepted(err)
}

// authorized compares in constant time.
func (s *source) authorized(given string) bool {
	want := s.config.Authorization.Reveal()
	if want == "" {
		return true
	}
	sum := func(v string) []byte {
		h := sha256.Sum256([]byte(strings.TrimPrefix(v, "Bearer ")))
		return h[:]
	}
	return subtle.ConstantTimeCompare(sum(given), sum(want)) == 1
}

// consult gives the transcript the first word on an answer that a Stop hook
// tells of, since it knows more: the tools, the time it took, the usage. The
// line may be on its way yet, so it waits a moment; Claude Code waits with us.
func (s *source) consult(ctx context.Context, f found) {
	if _, ok := s.followed.Load(f.event.Subject); !ok || s.ways.has(f, viaHook) {
		return
	}
	const tries = 10
	ctx, cancel := context.WithTimeout(ctx, s.pace.confirm)
	defer cancel()
	for try := 1; try <= tries; try++ {
		c := confirmation{session: f.event.Subject, agent: f.agent, sum: f.sum, done: make(chan struct{})}
		if try == tries {
			c.sum = "" // it does not write what the hook says: then whatever it has
		}
		select {
		case s.confirms <- c:
		case <-ctx.Done():
			return
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return
		}
		if s.ways.has(f, viaHook) {
			return
		}
		select {
		case <-time.After(s.pace.confirm / (tries + 2)):
		case <-ctx.Done():
			return
		}
	}
}

// posted makes an event of a body, or none if there is nothing to tell.
func (s *source) posted(body []byte, now time.Time) (f found, via string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return found{}, "", errors.New("want the JSON object of a hook or of ccpipe")
	}
	var h hook
	var p struct {
		head
		Message *message `json:"message"`
	}
	if err := cmp.Or(tolerate(json.Unmarshal(body, &h)), tolerate(json.Unmarshal(body, &p))); err != nil {
		return found{}, "", err
	}
	switch {
	case h.Name != "":
		return s.hooked(h, fields, now), viaHook, nil
	case p.Type == "":
		return found{}, "", errors.New("want hook_event_name of a hook, or type of ccpipe")
	}
	if p.Type == sessionStarted {
		s.ways.begin(p.SessionID)
	}
	e := newEvent(p.head, (&record{Timestamp: p.Timestamp}).when(now), nil, string(body))
	e.Data = engine.JSON(bytes.Clone(body)) // byte for byte
	return found{event: e, sum: sumOf(text(p.Message.blocks()))}, viaPipe, nil
}

// hooked makes an event of a hook: of one of the types that transcripts give,
// with the hook's fields beside, or of the hook's own name.
func (s *source) hooked(h hook, fields map[string]json.RawMessage, now time.Time) found {
	kind, sum, payload := s.translate(h, now)
	switch {
	case kind == "":
		kind = h.Name
		payload = struct {
			head
			Via string `json:"via"`
		}{h.head(kind, now), viaHook}
	case s.config.Level != "full" && !basic[kind]:
		return found{}
	case kind == sessionStarted:
		if !s.ways.begin(h.SessionID) && h.Source != resume {
			return found{}
		}
		if reason, ok := fields["source"]; ok { // which has another meaning there
			fields["reason"] = reason
			delete(fields, "source")
		}
	}
	if kind != h.Name && !s.config.IncludeMessage {
		for _, said := range []string{"prompt", "last_assistant_message", "compact_summary"} {
			delete(fields, said)
		}
	}
	// Ours over the hook's. It can't fail: it was just encoded.
	_ = json.Unmarshal(encode(payload), &fields)
	id := []string{string(encode(fields))}
	if kind == sessionStarted && h.Source != resume {
		id = nil // the same by every way
	}
	e := newEvent(h.head(kind, now), now, fields, id...)
	return found{event: e, agent: h.AgentID, sum: sum}
}

// resume is the source of a SessionStart and the reason of a SessionEnd when a
// session is taken up again.
const resume = "resume"

// head begins the payload of a hook, which has no time: it happened now.
func (h hook) head(kind string, now time.Time) head {
	return head{kind, h.SessionID, now.UTC().Format(stamp)}
}

// translate makes the payload of one of the types that transcripts give; the
// type is empty for a hook that is none of these.
func (s *source) translate(h hook, now time.Time) (kind, sum string, payload any) {
	from := origin{CWD: h.CWD, Model: h.Model, AgentID: h.AgentID, IsSubagent: h.AgentID != "", Via: viaHook}
	begin := func(k string) head {
		kind = k
		return h.head(k, now)
	}
	said := func(role string, content any) *messageBody {
		if !s.config.IncludeMessage {
			return nil
		}
		return &messageBody{Role: role, Content: encode(content)}
	}
	switch h.Name {
	case "SessionStart": // clear begins a new session, compact goes on with the old one
		if h.Source != "compact" {
			payload = startedPayload{head: begin(sessionStarted), PID: s.pid(h.SessionID), Resumed: h.Source == resume, origin: from}
		}
	case "Stop", "SubagentStop":
		if h.Name == "Stop" || s.config.Subagents {
			sum = sumOf(h.Last)
			content := []block{{Type: "text", Text: h.Last}}
			payload = completedPayload{head: begin(responseCompleted), Tools: []string{}, Message: said("assistant", content), origin: from}
		}
	case "UserPromptSubmit":
		sum = sumOf(h.Prompt)
		payload = receivedPayload{head: begin(messageReceived), Message: said("user", h.Prompt), origin: from}
	case "StopFailure":
		sum = sumOf(h.Last)
		payload = errorPayload{head: begin(sessionError), PID: s.pid(h.SessionID), Error: cmp.Or(h.Last, h.Details), ErrorType: h.Error, origin: from}
	case "PostCompact":
		payload = compactedPayload{begin(sessionCompacted), h.Trigger, from}
	case "SessionEnd": // after clear and resume the process goes on with another session
		if h.Reason != "clear" && h.Reason != resume {
			payload = exitPayload{head: begin(processExit), PID: s.pid(h.SessionID), origin: from}
		}
	}
	return kind, sum, payload
}
