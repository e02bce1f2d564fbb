package claude

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// A record is what is read of one line of a transcript. The format is internal
// to Claude Code and changes with its versions, so every field may be missing
// and of another type than it was.
type record struct {
	Type       string `json:"type"`
	Subtype    string `json:"subtype"`
	UUID       string `json:"uuid"`
	SessionID  string `json:"sessionId"`
	AgentID    string `json:"agentId"`
	Timestamp  string `json:"timestamp"`
	CWD        string `json:"cwd"`
	GitBranch  string `json:"gitBranch"`
	Version    string `json:"version"`
	Entrypoint string `json:"entrypoint"`

	IsSidechain bool    `json:"isSidechain"`
	ForkedFrom  present `json:"forkedFrom"`

	Message *message `json:"message"`

	// What tells the kinds of user lines apart.
	IsMeta                    bool    `json:"isMeta"`
	IsCompactSummary          bool    `json:"isCompactSummary"`
	IsVisibleInTranscriptOnly bool    `json:"isVisibleInTranscriptOnly"`
	ToolUseResult             present `json:"toolUseResult"`
	SourceToolAssistantUUID   string  `json:"sourceToolAssistantUUID"`
	InterruptedMessageID      string  `json:"interruptedMessageId"`
	PromptSource              string  `json:"promptSource"`
	PermissionMode            string  `json:"permissionMode"`
	Origin                    present `json:"origin"`

	// Of an assistant line that tells of an API error.
	IsAPIErrorMessage bool            `json:"isApiErrorMessage"`
	Error             json.RawMessage `json:"error"`
	APIErrorStatus    json.RawMessage `json:"apiErrorStatus"`

	// Of a compact_boundary.
	CompactMetadata struct {
		Trigger string `json:"trigger"`
	} `json:"compactMetadata"`
}

// A message is one line's part of an API message: the lines of one message
// have its id and one content block each.
type message struct {
	ID         string          `json:"id"`
	Role       string          `json:"role"`
	Model      string          `json:"model"`
	StopReason string          `json:"stop_reason"` // empty for null
	Content    json.RawMessage `json:"content"`     // text, or a list of blocks
	Usage      *usage          `json:"usage"`
}

// usage is the part of a message's usage that goes into events, as in ccpipe.
type usage struct {
	InputTokens              *int64 `json:"input_tokens,omitempty"`
	OutputTokens             *int64 `json:"output_tokens,omitempty"`
	CacheCreationInputTokens *int64 `json:"cache_creation_input_tokens,omitempty"`
	CacheReadInputTokens     *int64 `json:"cache_read_input_tokens,omitempty"`
}

// present is a field of which only its being there counts.
type present bool

// UnmarshalJSON notes that the field is there.
func (p *present) UnmarshalJSON(raw []byte) error {
	*p = string(raw) != "null"
	return nil
}

// parse reads a record. A field of an unexpected type is as if it were missing.
func parse(raw []byte) (*record, error) {
	r := new(record)
	return r, tolerate(json.Unmarshal(raw, r))
}

// tolerate takes an error of decoding for none if it is a field of an
// unexpected type, which is left out then and the others are decoded.
func tolerate(err error) error {
	if odd := (*json.UnmarshalTypeError)(nil); errors.As(err, &odd) {
		return nil
	}
	return err
}

// when is the time of the record, or now for one without.
func (r *record) when(now time.Time) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, r.Timestamp); err == nil {
		return t
	}
	return now
}

// source says who started the session, as ccpipe does: api for the SDKs and
// `claude -p`, else cli.
func (r *record) source() string {
	if strings.HasPrefix(r.Entrypoint, "sdk") {
		return "api"
	}
	return "cli"
}

// A block is one part of a message's content.
type block struct {
	Type string `json:"type"`
	Text string `json:"text,omitempty"`
	Name string `json:"name,omitempty"` // of the tool of a tool_use

	raw json.RawMessage
}

// blocks returns the content as blocks; plain text is one text block.
func (m *message) blocks() []block {
	if m == nil {
		return nil
	}
	var text string
	if json.Unmarshal(m.Content, &text) == nil {
		return []block{{Type: "text", Text: text, raw: encode(block{Type: "text", Text: text})}}
	}
	var raws []json.RawMessage
	if json.Unmarshal(m.Content, &raws) != nil {
		return nil
	}
	list := make([]block, 0, len(raws))
	for _, raw := range raws {
		b := block{raw: raw}
		if json.Unmarshal(raw, &b) != nil {
			b.Type = ""
		}
		list = append(list, b)
	}
	return list
}

// text is the last text block of the content.
func text(blocks []block) string {
	for _, b := range slices.Backward(blocks) {
		if b.Type == "text" {
			return b.Text
		}
	}
	return ""
}
