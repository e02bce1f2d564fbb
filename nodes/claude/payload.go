package claude

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// The types of events that a session gives, by the names of ccpipe, and one of
// ours: session-compacted.
const (
	sessionStarted    = "session-started"
	responseCompleted = "assistant-response-completed"
	processExit       = "process-exit"
	sessionError      = "session-error"
	cancelInitiated   = "cancel-initiated"
	messageReceived   = "user-message-received"
	sessionCompacted  = "session-compacted"
)

// basic are the types of level basic; level full has all.
var basic = map[string]bool{sessionStarted: true, responseCompleted: true, processExit: true}

// The ways by which a thing comes to us. They are `via` in payloads.
const (
	viaTranscript = "transcript"
	viaRegistry   = "registry"
	viaHook       = "hook"
	viaPipe       = "ccpipe" // never written: what ccpipe posts is passed on as it is
)

// stamp is how timestamps of ours are written: as those of Claude Code.
const stamp = "2006-01-02T15:04:05.000Z"

// A head begins every payload.
type head struct {
	Type      string `json:"type"`
	SessionID string `json:"sessionId"`
	Timestamp string `json:"timestamp"`
}

// An origin ends every payload: what we know beside what ccpipe says.
type origin struct {
	IsSubagent bool   `json:"isSubagent,omitempty"`
	AgentID    string `json:"agentId,omitempty"`
	CWD        string `json:"cwd,omitempty"`
	GitBranch  string `json:"gitBranch,omitempty"`
	Model      string `json:"model,omitempty"`
	Version    string `json:"version,omitempty"`
	Via        string `json:"via,omitempty"`
	UUID       string `json:"uuid,omitempty"`
}

// The payloads, in the order in which ccpipe writes the fields.
type (
	startedPayload struct {
		head
		PID     *int   `json:"pid"`
		Source  string `json:"source,omitempty"`
		Resumed bool   `json:"resumed,omitempty"`
		origin
	}
	completedPayload struct {
		head
		Source       string       `json:"source,omitempty"`
		Tools        []string     `json:"tools"`
		ResponseTime *float64     `json:"responseTime"`
		Message      *messageBody `json:"message,omitempty"`
		origin
	}
	receivedPayload struct {
		head
		Source  string       `json:"source,omitempty"`
		Message *messageBody `json:"message,omitempty"`
		origin
	}
	errorPayload struct {
		head
		PID       *int            `json:"pid"`
		Error     string          `json:"error"`
		ErrorType string          `json:"errorType,omitempty"`
		Status    json.RawMessage `json:"apiErrorStatus,omitempty"`
		origin
	}
	canceledPayload struct {
		head
		PID      *int `json:"pid"`
		Observed bool `json:"observed,omitempty"` // seen in the transcript; ccpipe's is sent when a cancel is asked for
		origin
	}
	compactedPayload struct {
		head
		Trigger string `json:"trigger,omitempty"`
		origin
	}
	exitPayload struct {
		head
		PID    *int    `json:"pid"`
		Code   *int    `json:"code"` // not to be had of a process that is not ours
		Signal *string `json:"signal"`
		origin
	}
)

// A messageBody is a message as it goes into events.
type messageBody struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Usage   *usage          `json:"usage,omitempty"`
}

// A found is an event with what tells whether it is the same as one that comes
// another way.
type found struct {
	event *engine.Event
	agent string // id of the helper it is of
	sum   string // of the text that was said
}

// newEvent makes an event of a payload. Its id is made of parts that are the
// same whenever the same thing is read again.
func newEvent(h head, when time.Time, payload any, parts ...string) *engine.Event {
	return &engine.Event{
		ID:      identify(append([]string{h.SessionID, h.Type}, parts...)...),
		Source:  "claude",
		Type:    h.Type,
		Subject: h.SessionID,
		Time:    when,
		Data:    engine.JSON(encode(payload)),
	}
}

func identify(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// sumOf identifies a text that was said, without keeping it; the empty text has
// none.
func sumOf(said string) string {
	if said = strings.TrimSpace(said); said == "" {
		return ""
	}
	return identify(said)[:16]
}

// encode writes JSON as Claude Code does, without escaping <, > and &. What it
// is given are values of ours and JSON that was parsed, which can't fail.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("claude: encoding a %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
