package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/flowd/flowd/engine"
)

// A rehearsed run is shown as a request, whose body is this. The reply's body
// is what the program writes, and its status tells how it ends.
type rehearsed struct {
	Command []string `json:"command"`
	Stdin   string   `json:"stdin"`
}

// rehearse stands in for start.
func (s *sink) rehearse(ctx context.Context, r *run) ([]byte, error) {
	body, err := json.Marshal(rehearsed{append([]string{s.program}, r.args...), string(r.stdin)})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "exec:", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	reply, err := s.outside.RoundTrip(request)
	if err != nil {
		return nil, engine.Unavailable(err, 0)
	}
	defer reply.Body.Close()
	if reply.StatusCode >= 300 {
		return nil, fmt.Errorf("the program failed: exit status %d", reply.StatusCode)
	}
	return io.ReadAll(reply.Body)
}

// Rehearse shows a run by its command and what it reads. The program writes
// nothing.
func (s *sink) Rehearse(_ *http.Request, body []byte) (shown map[string]any, answer engine.Answer) {
	_ = json.Unmarshal(body, &shown) // rehearse has written it
	if s.Format == "json" {
		answer.Body = []byte("null")
	}
	return shown, answer
}

var _ engine.Rehearser = (*sink)(nil)
