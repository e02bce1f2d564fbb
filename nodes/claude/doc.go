// Package claude is the source of Claude Code sessions. Things come to it by
// three ways: the transcripts that Claude Code writes, the registry of its
// processes, and posts from its hooks and from ccpipe.
//
// # The path of an event
//
// A transcript is a file of JSON lines that only grows, mostly. The watcher
// (watch.go) hears that it has changed, or finds it so when it goes through the
// folders (scan.go), and reads what is new (file.go). From there on nothing
// knows of files and clocks: a transcript (transcript.go) cuts the bytes into
// lines (frame.go), reads the records of a line (record.go), leaves out what is
// a copy of something (seen.go), says what kind of line it is (classify.go) and
// takes it into the turn of its conversation (turn.go), which tells when an
// answer is complete. The events (payload.go) are compared with those that came
// by other ways (ways.go) and put in, and then, not before, the checkpoint of
// the file is saved (checkpoint.go).
//
// The registry (process.go) has a file for each running process; its end is
// reported by a pidfd on Linux (process_linux.go), and looked for elsewhere
// (process_poll.go, process_other.go). Posts are translated and put in before
// they are answered (hooks.go).
//
// # Invariants
//
//  1. Only what ends in a line feed is read, and what is damaged costs no line
//     but its own.
//  2. A checkpoint never covers an event that Put has not taken. A crash brings
//     the events since the checkpoint again, with the ids they had.
//  3. An id is made of the session, the type and the uuid of the line that is
//     told, so that it does not depend on when and how often it was read.
//  4. A record is told once, however often it stands in files: it is known by
//     its uuid, or, where it was copied before we came, by being older than its
//     file. In mode line, like ccpipe, every line counts that is appended.
//  5. A response is complete when the API said that it ended, by an allow-list,
//     and something shows that no more follows: a line behind it, a Stop hook,
//     or quiet. An answer that stopped for a tool, or was interrupted, is not.
//  6. Memory is bounded: the uuids that are remembered, the conversations that
//     are followed in a file, a line, the things that may come by another way.
//  7. A post is answered with an empty 2xx once its event is safe: put in, told
//     before, or written in a transcript that is followed.
package claude
