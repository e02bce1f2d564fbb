package enginetest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// errDown is the error of a connection that is refused.
var errDown = errors.New("connection refused (reply: down)")

// RoundTrip takes a request of the sink and answers it as the test says.
func (s *stagedSink) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	shown, answer := show(r, body), engine.Answer{}
	if rehearser, ok := s.inner.(engine.Rehearser); ok {
		shown, answer = rehearser.Rehearse(r, body)
	}
	var down bool
	if script := s.r.scenario.Reply[s.id]; len(script) > 0 {
		s.r.mu.Lock()
		reply := script[min(s.requests, len(script)-1)]
		s.requests++
		s.r.mu.Unlock()
		down = reply.Down
		if err := reply.onto(&answer); err != nil {
			return nil, err
		}
		select {
		case <-time.After(time.Duration(reply.After)):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if t, ok := r.Context().Value(takeKey{}).(*take); ok {
		s.r.mu.Lock()
		t.shown = append(t.shown, shown)
		s.r.mu.Unlock()
	}
	if down {
		return nil, errDown
	}
	return response(r, answer), nil
}

// onto changes what a sink's service answers by itself into what a test has it
// answer.
func (reply *Reply) onto(a *engine.Answer) error {
	a.Status = reply.Status
	if reply.Status >= 300 {
		a.Body = nil
	}
	if reply.Body.Value != nil {
		var err error
		if a.Body, err = reply.Body.text(); err != nil {
			return err
		}
		a.Header = http.Header{}
		if reply.Body.Kind != flows.String {
			a.Header.Set("Content-Type", "application/json")
		}
	}
	for name, value := range reply.Headers {
		if a.Header == nil {
			a.Header = http.Header{}
		}
		a.Header.Set(name, value)
	}
	return nil
}

func response(r *http.Request, a engine.Answer) *http.Response {
	status := cmp.Or(a.Status, http.StatusOK)
	header := a.Header
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: r,
	}
}

// credentials are the headers that are shown without their values.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie"}

// show is what there is to see in a request.
func show(r *http.Request, body []byte) map[string]any {
	named := map[string]any{}
	for name, values := range r.Header {
		named[strings.ToLower(name)] = strings.Join(values, ", ")
		if slices.Contains(credentials, name) {
			named[strings.ToLower(name)] = masked
		}
	}
	return map[string]any{"method": r.Method, "url": r.URL.String(), "headers": named, "body": bodyValue(body)}
}

// bodyValue is JSON as its value and anything else as text.
func bodyValue(body []byte) any {
	if len(body) == 0 {
		return nil
	}
	if v, err := engine.JSON(body).Value(); err == nil {
		return v
	}
	return string(body)
}

// A seenFile is a file as it was when it was read last.
type seenFile struct {
	info fs.FileInfo
	size int64
}

// Where the files of relative and absolute paths are below a sink's folder.
const (
	relative = "relative"
	absolute = "absolute"
)

// file keeps a path below the sink's own folder.
func (s *stagedSink) file(path string) string {
	kind := relative
	if filepath.IsAbs(path) {
		kind = absolute
	}
	clean := filepath.Join(string(filepath.Separator), path)
	return filepath.Join(s.r.dir, s.id, kind, clean[len(filepath.VolumeName(clean)):])
}

// lines are those that were written since the last call, with the paths that
// the document gives them.
func (s *stagedSink) lines() ([]any, error) {
	root := filepath.Join(s.r.dir, s.id)
	var all []any
	now := map[string]seenFile{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".gz") { // put aside: it was read before
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		from := int64(0)
		for _, before := range s.read { // by another name perhaps
			if os.SameFile(before.info, info) {
				from = before.size
			}
		}
		now[path] = seenFile{info, info.Size()}
		if from >= info.Size() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kind, name, _ := strings.Cut(strings.TrimPrefix(path, root+string(filepath.Separator)), string(filepath.Separator))
		if kind == absolute {
			name = string(filepath.Separator) + name
		}
		for line := range strings.Lines(string(text[from:])) {
			line = strings.TrimSuffix(line, "\n")
			all = append(all, map[string]any{"path": filepath.ToSlash(name), "line": bodyValue([]byte(line))})
		}
		return nil
	})
	maps.Copy(s.read, now)
	return all, err
}
