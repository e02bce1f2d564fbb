package engine

import (
	"context"
	"io"
	"net/http"
)

// An Outside is what stands in for the world while a flow is rehearsed (see
// engine/enginetest): what nodes send is shown to the test, and goes nowhere.
// Every node that reaches outside must use it where its [Env] has one.
type Outside struct {
	// HTTP takes the requests.
	HTTP http.RoundTripper
	// File is the file to write in the place of the one that a path names.
	File func(path string) string
	// Stdout is written in the place of standard output.
	Stdout io.Writer
}

// A Rehearser is a sink that knows how a rehearsal best shows its requests, and
// how the service it sends them to answers.
type Rehearser interface {
	Sink
	// Rehearse returns what there is to see in a request, without secrets, and
	// the answer of a service that takes it.
	Rehearse(r *http.Request, body []byte) (shown map[string]any, answer Answer)
}

type vouchedKey struct{}

// Vouch returns the context of a request whose sender this process vouches
// for: a [Router] takes it without the proof that it asks of strangers, and
// reads it like any other. A request that came over the network never has it.
func Vouch(ctx context.Context) context.Context {
	return context.WithValue(ctx, vouchedKey{}, true)
}

// Vouched reports whether this process vouches for the sender of r.
func Vouched(r *http.Request) bool { return r.Context().Value(vouchedKey{}) != nil }
