package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowd/flowd/engine"
)

// A try is one attempt to deliver one event.
type try struct {
	event *engine.Event
	out   *outgoing
	reply engine.Data // data with the reply in it, if that is asked for
	err   error
}

// requestTime is the time for one request where the node's timeout is left
// out.
const requestTime = 30 * time.Second

// deliver tries each event of a batch once. It begins no more requests when
// the destination can't work now, when an event must be tried again before
// those behind it, or when ctx is done. Each request has the time of one
// attempt, and none is cut short because others took long before it.
func (s *httpSink) deliver(ctx context.Context, batch []*engine.Event) ([]try, engine.Failures) {
	limit := engine.Timeout(ctx, requestTime)
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stopped := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	defer stopped()
	tries := make([]try, len(batch))
	for i, e := range batch {
		tries[i] = try{event: e, err: engine.ErrNotTried}
		out, err := s.render(e)
		if err != nil {
			tries[i].err = engine.Permanent(err)
		}
		tries[i].out = out
	}
	var next atomic.Int64
	var stop atomic.Bool
	var workers sync.WaitGroup
	work := func() {
		for !stop.Load() && ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(tries) {
				return
			}
			t := &tries[i]
			if t.out == nil {
				continue
			}
			t.reply, t.err = s.try(ctx, requests, limit, t.out)
			if t.err != nil && !engine.IsPermanent(t.err) {
				_, unavailable := engine.IsUnavailable(t.err)
				if unavailable || s.Concurrency == 1 {
					stop.Store(true)
				}
			}
		}
	}
	for range min(s.Concurrency, len(batch)) - 1 {
		workers.Go(work)
	}
	work()
	workers.Wait()

	var failures engine.Failures
	for _, t := range tries {
		if t.err != nil {
			failures = append(failures, engine.Failed{Event: t.event, Err: t.err})
		}
	}
	return tries, failures
}

// try sends one request, when its turn has come, and judges the answer. No turn
// comes when ctx is done; the request is cut short when requests is.
//
// It is for the transport alone: redirects are not followed and cookies not
// kept, so there is nothing that a client would do.
func (s *httpSink) try(ctx, requests context.Context, limit time.Duration, out *outgoing) (engine.Data, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return engine.Data{}, engine.ErrNotTried
	}
	request, cancel := context.WithTimeout(requests, limit)
	defer cancel()

	var body io.Reader // a nil one is none
	if out.body != nil {
		body = bytes.NewReader(out.body)
	}
	r, err := http.NewRequestWithContext(request, s.Method, out.url, body)
	if err != nil {
		return engine.Data{}, engine.Permanent(s.errorf("this is not an address"))
	}
	r.Header = out.header
	if s.signature != nil {
		s.sign(r.Header, out)
	}
	resp, err := s.transport.RoundTrip(r)
	if err != nil {
		return engine.Data{}, s.unreachable(request, limit, err)
	}
	defer drain(resp.Body)
	if !s.succeeded(resp.StatusCode) {
		return engine.Data{}, s.refused(resp)
	}
	if s.Result == "" {
		return engine.Data{}, nil
	}
	reply, err := s.readReply(resp)
	if err != nil {
		return engine.Data{}, err
	}
	return engine.Value(out.withReply(reply)), nil
}
