package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

// adminSettings reads the admin section of a document.
func adminSettings(doc *flows.Document) (admin.Config, flows.Diagnostics) {
	c := admin.Default
	if doc.Admin == nil {
		return c, nil
	}
	return c, flows.Decode(doc.Admin, &c)
}

// An adminSection serves what shows the daemon to others, as the document says
// last.
type adminSection struct {
	admin *admin.Admin
	log   *slog.Logger

	mu      sync.Mutex
	config  admin.Config
	server  *admin.Server // nil if it is turned off, or its default address in use
	told    bool          // that it is
	closing sync.WaitGroup
}

// An openSection is the section of a document that is not in force yet.
type openSection struct {
	config admin.Config
	server *admin.Server // the one in force where its address is the same
}

// open begins to serve the section of doc beside the one in force. That the
// default address is in use, by a second flowd say, is no mistake; that one in
// the document is, is.
func (s *adminSection) open(doc *flows.Document) (openSection, error) {
	c, diags := adminSettings(doc)
	if err := diags.Err(); err != nil {
		return openSection{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil && c.Listen == s.config.Listen {
		return openSection{c, s.server}, nil
	}
	if c.Listen == "" {
		return openSection{c, nil}, nil
	}
	server, err := s.admin.Serve(c)
	if errors.Is(err, syscall.EADDRINUSE) && doc.Admin.Get("listen") == nil {
		if !s.told {
			s.log.Warn("no health, metrics and API: their default address is in use; name another one in the document, admin: {listen: ADDRESS}", "error", err)
		}
		s.told = true
		return openSection{c, nil}, nil
	}
	if err != nil {
		return openSection{}, fmt.Errorf("admin section: %w", err)
	}
	return openSection{c, server}, nil
}

// use puts a section in force.
func (s *adminSection) use(next openSection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.server
	s.config, s.server = next.config, next.server
	switch {
	case next.server == nil:
	case next.server == old:
		old.Configure(next.config)
		return
	default:
		s.told = false
		s.log.Info("health, metrics and API", "listen", next.server.Address)
	}
	if old != nil { // which may be serving the request to reload
		s.closing.Go(func() { shutDown(old) })
	}
}

// discard closes a section that is not put in force after all.
func (s *adminSection) discard(next openSection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next.server != nil && next.server != s.server {
		shutDown(next.server)
	}
}

func (s *adminSection) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		shutDown(s.server)
	}
	s.closing.Wait()
}

func shutDown(s *admin.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s.Shutdown(ctx)
}

// An adminClient asks a running flowd.
type adminClient struct {
	url   string
	token flows.Secret
	http  http.Client
}

var (
	errNotRunning = errors.New("flowd is not running")
	errAdminOff   = errors.New("the admin section of the document is turned off")
)

// newAdminClient returns the client of the flowd that runs doc. It goes by no
// proxy: the token is for nobody else.
func newAdminClient(doc *flows.Document) (*adminClient, error) {
	c, diags := adminSettings(doc)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	if c.Listen == "" {
		return nil, errAdminOff
	}
	return &adminClient{url: c.URL(), token: c.Token, http: http.Client{Transport: &http.Transport{}}}, nil
}

// findDaemon returns the client of the flowd that runs doc, or why there is none.
// diags are the mistakes of doc.
func findDaemon(ctx context.Context, doc *flows.Document, diags flows.Diagnostics) (client *adminClient, why, err error) {
	client, err = newAdminClient(doc)
	if err == nil {
		var flows admin.FlowList
		err = client.ask(ctx, "GET", apiPath("flows"), nil, &flows)
	}
	switch {
	case err == nil:
		return client, nil, nil
	case diags.Failed():
		return nil, nil, diags
	case errors.Is(err, errNotRunning), errors.Is(err, errAdminOff):
		return nil, err, nil
	}
	return nil, nil, err
}

// send makes a request and returns its answer if that is a success.
func (c *adminClient) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var text io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, text)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: nobody listens at %s, where the admin section is", errNotRunning, strings.TrimPrefix(c.url, "http://"))
	}
	if err != nil {
		return nil, unwrapURL(err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var refusal admin.Refusal
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&refusal) != nil || refusal.Error == "" {
		return nil, fmt.Errorf("%s answered %s: it seems to be no flowd", c.url, resp.Status)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return nil, errors.New("flowd wants another token: is it the one of the document, and of the same environment?")
	}
	return nil, errors.New(refusal.Error)
}

// ask makes a request and decodes its answer.
func (c *adminClient) ask(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", c.url, err)
	}
	return nil
}

// apiPath joins segments that may hold any character.
func apiPath(segments ...string) string {
	var b strings.Builder
	b.WriteString("/api/v1")
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// document reads the document that a running flowd has, as far as a command
// needs it to find that flowd: variables that are set for the daemon alone may
// be missing here.
func (o *options) document() (*flows.Document, flows.Diagnostics, error) {
	doc, diags := o.load()
	for _, d := range diags {
		if d.Severity == flows.Error && d.Span.File == nil { // it can't be read at all
			return nil, nil, diags
		}
	}
	return doc, diags, nil
}
