package slack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowd/flowd/engine"
)

// sink posts messages.
type sink struct {
	config  Config
	via     api
	http    *http.Client
	log     *slog.Logger
	pacer   *pacer
	threads *threads // nil where there are none
	release []func() error
	told    sync.Map // codes that somebody was told about
}

func newSink(c Config) (engine.Sink, error) {
	via := postMessage
	if c.WebhookURL != "" {
		via = webhook
	}
	return &sink{config: c, via: via, log: slog.New(slog.DiscardHandler), http: &http.Client{
		Timeout:   postTimeout,
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// A redirect is an error: it could lead a token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Open takes up the pace and the threads.
func (s *sink) Open(ctx context.Context, env *engine.Env) error {
	s.log = env.Log
	if env.Outside != nil {
		s.http.Transport = env.Outside.HTTP
	}
	sum := sha256.Sum256([]byte(s.config.WebhookURL.Reveal() + "\x00" + s.config.Token.Reveal()))
	pacer, release, err := engine.Use(env.Share, "slack/pace/"+hex.EncodeToString(sum[:8]), newPacer)
	if err != nil {
		return err
	}
	s.pacer, s.release = pacer, append(s.release, release)
	if !s.config.Thread.IsSet() {
		return nil
	}
	threads, release, err := engine.Use(env.Share, "slack/threads/"+env.Flow+"/"+env.Node, func() (*threads, error) {
		return loadThreads(ctx, env.Checkpoints)
	})
	if err != nil {
		return err
	}
	s.threads, s.release = threads, append(s.release, release)
	return nil
}

// Close gives back the connections and what is shared.
func (s *sink) Close() error {
	s.http.CloseIdleConnections()
	var errs []error
	for _, release := range s.release {
		errs = append(errs, release())
	}
	return errors.Join(errs...)
}

// A message is what an event becomes.
type message struct {
	index   int // in the batch
	channel string
	thread  string // key of its thread, or ""
	body    map[string]any
}

// Write posts a batch: in order within each channel, and to several channels
// at a time.
func (s *sink) Write(ctx context.Context, batch []*engine.Event) error {
	errs := make([]error, len(batch))
	queues := map[string][]*message{}
	for i, e := range batch {
		m, err := s.message(e)
		if err != nil {
			errs[i] = engine.Permanent(err)
			continue
		}
		m.index = i
		queues[m.channel] = append(queues[m.channel], m)
	}
	var work sync.WaitGroup
	for _, queue := range queues {
		work.Go(func() { s.postAll(ctx, queue, errs) })
	}
	work.Wait()
	var failures engine.Failures
	for i, err := range errs {
		if err != nil {
			failures = append(failures, engine.Failed{Event: batch[i], Err: err})
		}
	}
	if len(failures) > 0 {
		return failures
	}
	return nil
}

// atATime is how many messages one Write posts to a channel at most: at one a
// second a reload or the end must not wait for many more.
const atATime = 5

// postAll posts the messages of one channel. When one is to be tried again,
// those behind it wait, so that order is kept.
func (s *sink) postAll(ctx context.Context, queue []*message, errs []error) {
	for i, m := range queue {
		errs[m.index] = engine.ErrNotTried
		if i < atATime {
			errs[m.index] = s.post(ctx, m)
		}
		if err := errs[m.index]; err != nil && !engine.IsPermanent(err) {
			for _, behind := range queue[i+1:] {
				errs[behind.index] = engine.ErrNotTried
			}
			return
		}
	}
}

// post posts one message when its channel takes one.
func (s *sink) post(ctx context.Context, m *message) error {
	leave, err := s.pacer.enter(ctx, m.channel)
	if err != nil {
		return err
	}
	rest := time.Duration(0)
	defer func() { leave(rest) }()

	ts := ""
	if m.thread != "" {
		ts = s.threads.ts(m.thread)
	}
	a, err := s.send(ctx, m.body, ts)
	if err == nil && ts != "" && threadGone[a.code] {
		s.log.Warn("slack: the message that began a thread is gone; the thread begins anew", "channel", m.channel)
		if err := s.threads.forget(ctx, m.thread); err != nil {
			s.log.Warn("slack: forgetting a thread", "error", err)
		}
		ts = ""
		a, err = s.send(ctx, m.body, ts)
	}
	if err != nil {
		return err
	}
	rest = a.wait
	if a.class == sent && m.thread != "" {
		if ts == "" {
			ts = a.ts
		}
		if err := s.threads.used(ctx, m.thread, ts); err != nil {
			s.log.Warn("slack: remembering a thread; after a restart another may begin", "error", err)
		}
	}
	return s.settle(a)
}

// settle is what an answer means to the engine.
func (s *sink) settle(a answer) error {
	switch a.class {
	case sent:
		return nil
	case permanent:
		return engine.Permanent(&a)
	case permanentDisable:
		if _, told := s.told.LoadOrStore(a.code, true); !told {
			s.log.Error("slack: no message will get through until somebody does something about it", "error", &a)
		}
		return engine.Permanent(&a)
	case retryUnsafe:
		return unsafe(&a)
	}
	return engine.Unavailable(&a, a.wait)
}

// unsafe is the error of a message that may have been posted. Slack has no way
// to tell a repetition, so it is tried again, but not without end.
func unsafe(err error) error { return fmt.Errorf("the message may have been posted: %w", err) }

// maxAnswer is what is read of an answer. Slack sends the message back.
const maxAnswer = 1 << 20

// send makes one request. It returns an error, ready for the engine, where
// there is no answer.
func (s *sink) send(ctx context.Context, body map[string]any, ts string) (answer, error) {
	if ts != "" {
		body["thread_ts"] = ts
	} else {
		delete(body, "thread_ts")
	}
	raw, err := encode(body)
	if err != nil {
		return answer{}, engine.Permanent(err)
	}
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { wrote.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.endpoint(), bytes.NewReader(raw))
	if err != nil { // the URL was checked, and the error would show it
		return answer{}, engine.Permanent(errors.New("slack: the URL can't be called"))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if token := s.config.Token.Reveal(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err == nil {
			return read(s.via, resp.StatusCode, resp.Header, text), nil
		}
	}
	var withURL *url.Error
	if errors.As(err, &withURL) { // and a webhook's URL is its secret
		err = withURL.Err
	}
	err = fmt.Errorf("calling slack: %w", err)
	if wrote.Load() {
		return answer{}, unsafe(err)
	}
	return answer{}, engine.Unavailable(err, 0)
}

func encode(body map[string]any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, fmt.Errorf("writing a message: %w", err)
	}
	return b.Bytes(), nil
}

// noThread is the key of nil: an event that has no value stands by itself.
const noThread = "null"

// message renders an event.
func (s *sink) message(e *engine.Event) (*message, error) {
	m := &message{body: map[string]any{
		"unfurl_links": s.config.Unfurl,
		"unfurl_media": s.config.Unfurl,
		"link_names":   false, // else @channel in a text would call everybody
	}}
	if s.via == postMessage {
		channel, err := s.config.Channel.Render(e)
		if err != nil {
			return nil, fmt.Errorf("channel: %w", err)
		}
		if m.channel = strings.TrimSpace(channel); m.channel == "" {
			return nil, errors.New("channel is empty for this event")
		}
		m.body["channel"] = m.channel
	}
	text, err := s.config.Text.RenderWith(e, escape)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	if strings.TrimSpace(text) != "" {
		m.body["text"] = cut(text, s.config.MaxText)
	}
	if s.config.Blocks.IsSet() {
		blocks, err := s.config.Blocks.render(e)
		if err != nil {
			return nil, err
		}
		if len(blocks) > 0 {
			m.body["blocks"] = blocks
		}
	}
	if m.body["text"] == nil && m.body["blocks"] == nil {
		return nil, errors.New("text is empty for this event, and there are no blocks: Slack takes no empty messages")
	}
	if s.threads != nil {
		value, err := s.config.Thread.Key(e)
		if err != nil {
			return nil, fmt.Errorf("thread: %w", err)
		}
		if value != noThread {
			m.thread = threadKey(m.channel, value)
		}
	}
	return m, nil
}

var (
	_ engine.Sink   = (*sink)(nil)
	_ engine.Opener = (*sink)(nil)
	_ engine.Closer = (*sink)(nil)
)
