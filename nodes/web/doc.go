// Package web holds the nodes for HTTP in general: the source webhook, and the
// sinks http and respond.
//
// A request comes to webhook.go. verify.go says whether it is authentic, by
// one of the schemes of signature.go; body.go makes a payload of its body;
// cloudevents.go takes the attributes of a CloudEvents request; and
// attributes.go finds those of the others. sample.go makes requests as a
// sender would, for trying a flow out, and schema.go says what is known of
// requests and events before there are any.
//
// An event goes out by http.go, which renders it into a request
// (outgoing.go), sends it and judges the answer (answer.go). respond.go
// answers the request that a webhook holds open.
//
// Invariants:
//
//  1. Nothing of a request is looked at before it is verified.
//  2. Signatures and passwords are compared in constant time, and with every
//     secret there is. An empty secret is refused when the flows are loaded.
//  3. An authentic request is never lost: what can't be made an event goes to
//     the dead letters, or is refused with a 4xx that says why.
//  4. An event can't choose the host that a request goes to, nor leave the
//     part of the path it is put into, nor add a header.
//  5. All attempts to deliver an event carry the same webhook-id.
//  6. Bodies of answers are read up to a limit, and connections are reused.
//  7. No error names more of a URL than its scheme and host.
package web
