package web

import (
	"context"
	"errors"
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
			t.reply, t.err = s.try(ctx, limit, t.out)
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

// restTime is the time for the rest of an answer that nobody asked for.
const restTime = time.Second

// try sends one request, when its turn has come, and judges the answer.
func (s *httpSink) try(ctx context.Context, limit time.Duration, out *outgoing) (engine.Data, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return engine.Data{}, engine.ErrNotTried
	}
	request, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	defer stop()

	r := s.client.R().SetContext(request)
	r.Header = out.header.Clone()
	// It is not sent. By it [http.Transport] knows that it may try again at once
	// what came to a connection that the receiver had given up.
	r.Header["X-Idempotency-Key"] = nil
	if s.signature != nil {
		s.sign(r.Header, out)
	}
	if out.body != nil {
		r.SetBody(out.body)
	}
	resp, err := r.Execute(s.Method, out.url)
	if err != nil {
		return engine.Data{}, s.unreachable(request, limit, err)
	}
	if s.Result == "" || !s.succeeded(resp.StatusCode()) {
		defer time.AfterFunc(restTime, cancel).Stop()
	}
	defer drain(resp.RawBody())
	if !s.succeeded(resp.StatusCode()) {
		return engine.Data{}, s.refused(resp.RawResponse)
	}
	if s.Result == "" {
		return engine.Data{}, nil
	}
	reply, err := s.readReply(resp.RawResponse)
	if err != nil {
		return engine.Data{}, err
	}
	return engine.Value(out.withReply(reply)), nil
}
