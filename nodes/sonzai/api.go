package sonzai

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

const (
	callTimeout  = 30 * time.Second // that of sonzai's own libraries
	maxReply     = 64 << 20         // 200 notifications with payloads of up to 1 MB are seldom that large
	maxErrorBody = 64 << 10
	maxMessage   = 300 // characters of an error body that are shown
)

// client calls sonzai's API with one key. It is safe for concurrent use.
type client struct {
	base string
	key  flows.Secret
	http *http.Client
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout:   callTimeout,
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// A redirect is an error: it could lead the key to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *source) client(key flows.Secret) *client {
	return &client{strings.TrimRight(s.config.BaseURL, "/") + "/api/v1", key, s.http}
}

// call sends body as JSON, or nothing if it is nil, and decodes the answer into
// reply unless that is nil. Segments of path that are not fixed must be escaped. An answer that
// is not 2xx is an *apiError.
func (c *client) call(ctx context.Context, method, path string, body, reply any) error {
	var send io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("writing a request to sonzai: %w", err)
		}
		send = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, send)
	if err != nil {
		return fmt.Errorf("calling sonzai: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("calling sonzai: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return readError(resp)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return fmt.Errorf("reading sonzai's answer to %s %s: %w", method, path, err)
	}
	if len(raw) > maxReply {
		return fmt.Errorf("sonzai's answer to %s %s is larger than %s", method, path, flows.Size(maxReply))
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(raw, reply); err != nil {
		return fmt.Errorf("sonzai's answer to %s %s is not what its API describes: %w", method, path, err)
	}
	return nil
}

// An apiError is an answer of sonzai that is not 2xx.
type apiError struct {
	status  int
	message string
	after   time.Duration // Retry-After, or 0
}

func (e *apiError) Error() string {
	hint := ""
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		hint = "; is api_key right, and of this project?"
	case http.StatusNotFound:
		hint = "; are the names of agents, project and base_url right?"
	}
	return fmt.Sprintf("sonzai answered %d %s%s", e.status, e.message, hint)
}

// readError reads both forms of error bodies: the problem details that its
// OpenAPI document declares, and the {"error": …} that its libraries know.
func readError(resp *http.Response) *apiError {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // a part is better than nothing
	var body struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Error  string `json:"error"`
		Errors []struct {
			Location string `json:"location"`
			Message  string `json:"message"`
		} `json:"errors"`
	}
	var message string
	if json.Unmarshal(raw, &body) == nil {
		message = cmp.Or(body.Detail, body.Title, body.Error)
		for _, e := range body.Errors {
			message += fmt.Sprintf(", %s: %s", e.Location, e.Message)
		}
	}
	message = cmp.Or(message, http.StatusText(resp.StatusCode))
	if runes := []rune(message); len(runes) > maxMessage {
		message = string(runes[:maxMessage]) + "…"
	}
	return &apiError{resp.StatusCode, message, engine.RetryAfter(resp.Header.Get("Retry-After"))}
}
