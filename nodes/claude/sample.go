package claude

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"
)

// sampleTypes are the types of events that ccpipe posts, first the one that
// says most.
var sampleTypes = []string{
	responseCompleted, sessionStarted, processExit, messageReceived, cancelInitiated, sessionError, sessionTimeout,
}

// sessionTimeout is told by ccpipe alone, of sessions that it started.
const sessionTimeout = "session-timeout"

// Samples lists the types of events that ccpipe posts.
func (s *source) Samples() []string { return slices.Clone(sampleTypes) }

// Sample is a post as ccpipe makes it, of a session of its own, at the present
// time.
func (s *source) Sample(kind string) (path string, header http.Header, body []byte, err error) {
	if s.config.Path == "" {
		return "", nil, nil, errors.New("the claude source takes no posts: set its path")
	}
	now := time.Now().UTC()
	h := head{kind, sampleSession(now), now.Format(stamp)}
	pid, code, took := os.Getpid(), 0, 5.23
	said := &messageBody{Role: "assistant", Content: encode([]block{{Type: "text", Text: "Hello! What shall we build today?"}})}
	var payload any
	switch kind {
	case sessionStarted:
		payload = startedPayload{head: h, PID: &pid}
	case responseCompleted:
		payload = completedPayload{head: h, Source: "cli", Tools: []string{"Read", "Bash"}, ResponseTime: &took, Message: said}
	case processExit:
		payload = exitPayload{head: h, PID: &pid, Code: &code}
	case messageReceived:
		payload = receivedPayload{head: h, Source: "cli", Message: &messageBody{Role: "user", Content: encode("hello")}}
	case cancelInitiated:
		payload = canceledPayload{head: h, PID: &pid}
	case sessionError:
		payload = errorPayload{head: h, PID: &pid, Error: "Failed to start process"}
	case sessionTimeout:
		payload = errorPayload{head: h, PID: &pid, Error: "Session start timeout: Failed to retrieve session ID"}
	default:
		return "", nil, nil, fmt.Errorf("ccpipe is not known to send an event %q", kind)
	}
	header = http.Header{"Content-Type": {"application/json"}}
	if secret := s.config.Authorization.Reveal(); secret != "" {
		header.Set("Authorization", secret)
	}
	return s.config.Path, header, encode(payload), nil
}

// sampleSession is a session id of its own for each sample.
func sampleSession(now time.Time) string {
	id := identify("sample", now.Format(time.RFC3339Nano))
	return fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])
}
