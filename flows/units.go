package flows

import (
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"time"
)

// A Size is a number of bytes, written 512, 64KiB, 1MiB, 1GiB or 10MB.
type Size int64

var sizeUnits = map[string]int64{
	"": 1, "B": 1,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

var sizeForm = regexp.MustCompile(`^([0-9]+) ?([A-Za-z]*)$`)

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	m := sizeForm.FindStringSubmatch(string(text))
	if m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		unit, known := sizeUnits[m[2]]
		if err == nil && known && n <= (1<<63-1)/unit {
			*s = Size(n * unit)
			return nil
		}
	}
	return fmt.Errorf("want a size like 64KiB, 10MB or 1GiB, got %q", text)
}

// FlowType is what messages and documentation call it.
func (Size) FlowType() string { return "size" }

// MarshalText writes s in the largest unit that keeps it whole.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if n := sizeUnits[unit]; s != 0 && int64(s)%n == 0 {
			return strconv.FormatInt(int64(s)/n, 10) + unit
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// A Duration is a length of time, written 250ms, 10s, 5m, 1h30m or 7d.
type Duration time.Duration

var dayForm = regexp.MustCompile(`^([0-9]+)d(.*)$`)

// UnmarshalText reads a duration; a day is 24 hours.
func (d *Duration) UnmarshalText(text []byte) error {
	var days time.Duration
	rest := string(text)
	if m := dayForm.FindStringSubmatch(rest); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil || n > 36500 {
			return fmt.Errorf("want a duration of at most 36500d, got %q", text)
		}
		days, rest = time.Duration(n)*24*time.Hour, m[2]
	}
	var part time.Duration
	if rest != "" || days == 0 {
		var err error
		if part, err = time.ParseDuration(rest); err != nil || part < 0 {
			return fmt.Errorf("want a duration like 250ms, 10s, 5m, 1h30m or 7d, got %q", text)
		}
	}
	*d = Duration(days + part)
	return nil
}

// FlowType is what messages and documentation call it.
func (Duration) FlowType() string { return "duration" }

// MarshalText writes d as it is read.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string {
	const day = 24 * time.Hour
	t := time.Duration(d)
	if t >= day && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String() // 1h30m0s
	s = trimZero(s, "m0s")
	return trimZero(s, "h0m")
}

func trimZero(s, zero string) string {
	if n := len(s) - len(zero); n > 0 && s[n:] == zero {
		return s[:n+1]
	}
	return s
}

// A Secret is text that is never printed: keys, tokens, webhook addresses.
// Reveal gives what it holds.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// FlowType is what messages and documentation call it.
func (Secret) FlowType() string { return "secret" }

const masked = "***"

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString keeps %#v from printing it.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// LogValue keeps slog from printing it.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps encoders from writing it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
