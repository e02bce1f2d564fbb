package claude

import (
	"slices"
	"strings"
)

// A class is what a user line is: most are not what a user typed.
type class uint8

const (
	prompt     class = iota
	toolResult       // what a tool gave back
	summary          // of a compaction; work may go on from it without a prompt
	meta             // put in by Claude Code itself
	interrupt        // the user stopped the answer
	command          // echo of a command, its output, or a notification
)

// interruptions are the texts that Claude Code writes when the user stops it.
// A user who types one of them is told apart by how the line came about.
var interruptions = []string{"[Request interrupted by user]", "[Request interrupted by user for tool use]"}

// commands are the beginnings of lines that echo commands.
var commands = []string{
	"<command-name>", "<command-message>", "<command-args>", "<local-command-", "<bash-",
	"<task-notification>", "<user-memory-input>",
}

// classify says what a user line is.
func classify(r *record) class {
	blocks := r.Message.blocks()
	words := ""
	if len(blocks) == 1 {
		words = strings.TrimSpace(blocks[0].Text)
	}
	isResult := func(b block) bool { return b.Type == "tool_result" }
	typed := r.PromptSource != "" || r.PermissionMode != "" || bool(r.Origin)
	isCommand := func(start string) bool { return strings.HasPrefix(words, start) }
	switch {
	case bool(r.ToolUseResult), r.SourceToolAssistantUUID != "", slices.ContainsFunc(blocks, isResult):
		return toolResult
	case r.IsCompactSummary, r.IsVisibleInTranscriptOnly:
		return summary
	case r.IsMeta:
		return meta
	case r.InterruptedMessageID != "", !typed && slices.Contains(interruptions, words):
		return interrupt
	case slices.ContainsFunc(commands, isCommand):
		return command
	}
	return prompt
}
