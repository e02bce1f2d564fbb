// Package slack is the sink that posts messages to Slack.
//
// An event goes through the files so: sink.go renders its message, with
// blocks.go and text.go, puts it into the queue of its channel, waits for its
// turn in pace.go, finds its thread in threads.go and posts it; answer.go says
// what Slack's answer means. It posts with net/http: two kinds of request are
// less than a library, and the usual one hides the body of a webhook's error.
//
// Invariants:
//
//  1. What an expression puts into a text is escaped; what the user wrote is
//     not. An event can't mention, call or link.
//  2. A channel gets one message at a time and one a second, whatever nodes
//     post to it with the same webhook or token, also over a reload. While
//     Slack asks for more, nothing is sent there.
//  3. Messages of a channel are posted in the order of their events: those
//     behind one that is to be tried again wait.
//  4. A message that Slack will never take fails at once, and where all that
//     follow would fail too, the log says once what a person has to do.
//  5. A message that may have been posted is tried again: Slack has no key to
//     tell a repetition by, so it may be posted twice.
//  6. A thread is remembered before the next message of its channel is posted,
//     and over restarts.
//  7. A webhook's URL and a token are in no error, log line or event, and no
//     redirect takes them elsewhere.
package slack
