// Package sora is the source of the webhooks of Shiguredo's WebRTC SFU Sora.
//
// A request goes through the files so: sora.go has the four paths, sender.go
// checks who posts, body.go reads the body, sora.go puts the event in, and
// answer.go makes the answer that Sora gets, from the flow's own where it
// waits for one. sample.go makes requests of every type, for `flowd send`.
// quiet.go keeps strangers from flooding the log.
//
// Invariants:
//
//  1. Sora signs nothing. Who may post is settled by address, client
//     certificate and basic auth, each as configured, before a body is read.
//  2. Nobody is let in by accident: an auth request gets {"allowed": true}
//     only from an answer of the flow that says just that, or from a default
//     that the user wrote. All else is a refusal, with status 200, since to
//     Sora any other status is a failure of ours.
//  3. Sora sends everything once. What is authentic and can be read at all goes
//     in, with meta.problem where it is odd; 2xx says that it is safe.
//  4. Data is the body, byte for byte. No body is logged: metadata is the
//     user's own and may be confidential.
package sora
