package web

import (
	"context"
	_ "embed" // for the source
	"fmt"
	"net/http"
	"strconv"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed respond.go
var respondSource string

// Respond answers the request that brought an event.
var Respond = engine.SinkSpec[RespondConfig]{
	About: engine.About{
		Type:    "respond",
		Summary: "Answers the request that brought the event, where the source waits for an answer.",
		Example: `respond: {status: 200, body: {allowed: true}}`,
		Source:  respondSource,
	},
	Retry: engine.Retry{Attempts: 1},
	New:   newRespond,
}

// RespondConfig is the configuration of a respond sink. Events that no request
// waits for pass by.
type RespondConfig struct {
	// Status is the HTTP status. Left out, 200.
	Status expr.Expr `flow:"status"`
	// Headers are headers of the answer.
	Headers map[string]expr.Text `flow:"headers"`
	// Body is the body of the answer: text is sent as text, anything else as
	// JSON. Left out, or null, there is none.
	Body expr.Expr `flow:"body"`
}

// Validate refuses headers that are none.
func (c *RespondConfig) Validate(report flows.Report) {
	checkHeaders(report, c.Headers)
}

type respond struct {
	RespondConfig
	headers []header
}

func newRespond(c RespondConfig) (engine.Sink, error) {
	return &respond{RespondConfig: c, headers: headersOf(c.Headers)}, nil
}

// Replies says that the node answers requests.
func (s *respond) Replies() {}

// Write answers the request of each event.
func (s *respond) Write(_ context.Context, batch []*engine.Event) error {
	var failures engine.Failures
	for _, e := range batch {
		if e.Offset.Logged() { // came by the log: nobody waits
			continue
		}
		answer, err := s.answer(e)
		if err != nil {
			failures = append(failures, engine.Failed{Event: e, Err: engine.Permanent(err)})
			continue
		}
		e.Answer(answer)
	}
	if len(failures) > 0 {
		return failures
	}
	return nil
}

func (s *respond) answer(e *engine.Event) (engine.Answer, error) {
	a := engine.Answer{Status: http.StatusOK, Header: http.Header{}}
	if s.Status.IsSet() {
		v, err := s.Status.Eval(e)
		if err != nil {
			return a, fmt.Errorf("status: %w", err)
		}
		text, _ := scalar(v)
		if a.Status, err = strconv.Atoi(text); err != nil || a.Status < 200 || a.Status > 599 {
			return a, fmt.Errorf("status: want 200 to 599, got %q", text)
		}
	}
	if s.Body.IsSet() {
		v, err := s.Body.Eval(e)
		if err != nil {
			return a, fmt.Errorf("body: %w", err)
		}
		switch v := v.(type) {
		case nil:
		case string:
			a.Body = []byte(v)
			a.Header.Set("Content-Type", "text/plain; charset=utf-8")
		default:
			if a.Body, err = engine.Value(v).Bytes(); err != nil {
				return a, fmt.Errorf("body: %w", err)
			}
			a.Header.Set("Content-Type", "application/json")
		}
	}
	return a, renderHeaders(a.Header, s.headers, e)
}

var _ engine.Replier = (*respond)(nil)
