// Package livekit is the source of LiveKit's webhooks.
//
// A request goes through the files so: livekit.go takes it, verify.go checks
// that LiveKit signed it, by token.go where the token is as LiveKit writes
// them and by LiveKit's own library where it is not, walk.go makes the data
// of the event from the body while it reads it once, by the tables of
// message.go, or payload.go does where a body is not written as LiveKit writes
// them, and livekit.go puts the event in and answers.
// sample.go makes signed requests of every known event, for `flowd send`.
//
// Invariants:
//
//  1. Nothing is read from a body before its signature and checksum are
//     verified on the bytes that came. Whom token.go vouches for, LiveKit's
//     own library takes too; it refuses nobody.
//  2. To LiveKit every status but 429 and 5xx means delivered (its sender, as
//     of protocol v1.54.0). So the answer is 2xx only when the event is safe,
//     503 when it can't be stored, and 401 only to one who can't prove to be
//     LiveKit. It is never a redirect.
//  3. An authentic body that can't be read is put in as an event that has
//     failed already, so that it is kept among the dead letters.
//  4. Data holds all that was sent, also what the library does not know, but
//     for the secrets that were not asked for. Nothing of a body and no token
//     is logged.
//  5. A request sent twice is two events of one id: LiveKit repeats itself
//     after a timeout, and a dedupe node is where that is settled.
package livekit
