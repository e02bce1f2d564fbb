package core

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A schedule says when the next time is; the zero time if there is none.
type schedule interface {
	Next(after time.Time) time.Time
}

// Cron is a schedule as crontab writes it.
type Cron struct{ schedule }

// FlowType is what messages and documentation call it.
func (Cron) FlowType() string { return "schedule" }

// UnmarshalText reads a line of five fields, or @hourly and the like, with
// CRON_TZ=ZONE before it if it is not in the machine's time zone.
func (c *Cron) UnmarshalText(text []byte) error {
	line := string(text)
	if strings.HasPrefix(line, "TZ=") || strings.HasPrefix(line, "CRON_TZ=") {
		if !strings.Contains(line, " ") { // cron.ParseStandard panics
			return errors.New("want a schedule behind the time zone")
		}
	}
	parsed, err := cron.ParseStandard(line)
	if err != nil {
		return fmt.Errorf("want a schedule like */5 * * * * or @daily: %w", err)
	}
	if parsed.Next(time.Now()).IsZero() {
		return fmt.Errorf("the schedule %q never comes", line)
	}
	c.schedule = parsed
	return nil
}

// interval is the schedule of equal steps.
type interval time.Duration

func (i interval) Next(after time.Time) time.Time { return after.Add(time.Duration(i)) }
