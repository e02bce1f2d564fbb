// Package sonzai is the source of what sonzai's agents do.
//
// A webhook goes through the files so: source.go takes it and finds the event
// type in its path, verify.go checks who signed it, payload.go makes the event
// of its body, and source.go puts the event in and answers. register.go asks
// sonzai for the webhooks and keeps the signing secrets that it gives.
//
// A notification goes so: poll.go looks at each list in turn, feed.go asks for
// it, payload.go makes the events, recent.go knows those that came before,
// poll.go puts the others in, and feed.go consumes them. api.go makes the
// calls, with net/http: sonzai's own library can't be had from the module
// proxy. sample.go makes signed webhooks for `flowd send`.
//
// Invariants:
//
//  1. Nothing is read from a webhook before it is known to be sonzai's. A
//     configuration that could not know is refused when it is checked.
//  2. A webhook is answered 2xx only when its event is safe; one that comes
//     before its secret is known gets 503, so that sonzai sends it again.
//  3. A notification is consumed only when its event is safe. Between the two
//     a crash brings it again, with the same event id.
//  4. A signing secret that sonzai gives is saved before its registration
//     counts as done; one that is lost is replaced by rotation.
//  5. Webhooks are taken whether or not sonzai's API can be reached.
//  6. Event types are an open set: sonzai's own documents don't agree on them.
//  7. No secret, key or body is logged.
package sonzai
