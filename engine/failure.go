package engine

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Failed is an event that a node could not handle, and why.
type Failed struct {
	Event *Event
	Err   error
}

// Failures are the events of a batch that a sink did not deliver. The others
// were delivered.
type Failures []Failed

func (f Failures) Error() string {
	if len(f) == 0 {
		return "no failures"
	}
	if len(f) == 1 {
		return f[0].Err.Error()
	}
	return fmt.Sprintf("%v (and %d more)", f[0].Err, len(f)-1)
}

// A classified error says what trying again is worth.
type classified struct {
	error
	permanent   bool
	unavailable bool
	after       time.Duration
}

func (c *classified) Unwrap() error { return c.error }

// Permanent marks an error that trying again can't mend: a refusal. The event
// is given up at once.
func Permanent(err error) error { return &classified{error: err, permanent: true} }

// Unavailable marks an error of a whole destination rather than of one event:
// it can't be reached, or says that it can't work now. Where the user has set
// no number of attempts, the lane waits for it however long it takes. after is
// the wait that the destination asked for (Retry-After), or zero.
func Unavailable(err error, after time.Duration) error {
	return &classified{error: err, unavailable: true, after: after}
}

// longestAfter is the longest wait that a destination may ask for.
const longestAfter = time.Hour

// RetryAfter reads the value of a Retry-After header, seconds or a date (RFC
// 9110, section 10.2.3), as a wait of at most an hour. What can't be read is
// no wait.
func RetryAfter(value string) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(seconds, uint64(longestAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), longestAfter)
}

// IsPermanent reports whether err is [Permanent].
func IsPermanent(err error) bool {
	var c *classified
	return errors.As(err, &c) && c.permanent
}

// IsUnavailable reports whether err is [Unavailable], and the wait asked for.
func IsUnavailable(err error) (after time.Duration, ok bool) {
	var c *classified
	if errors.As(err, &c) && c.unavailable {
		return c.after, true
	}
	return 0, false
}

// ErrNotTried is, in [Failures], that of an event that a sink did not come to:
// one that waits behind an event to be tried again. It is no attempt at it.
var ErrNotTried = errors.New("not tried yet: an event before it was not delivered")

// ErrNoAnswer is returned by [Inlet.Ask] when nothing in the flow answered.
var ErrNoAnswer = errors.New("nothing in the flow answered")

// ErrNotStored is returned, wrapped, by [Inlet.Ask] when the event is not in:
// its sender should come again.
var ErrNotStored = errors.New("the event could not be stored")

// ErrFull is returned, wrapped, when a log is at its limit: the sender should
// come again later.
var ErrFull = errors.New("the log is full")
