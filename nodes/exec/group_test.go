//go:build unix

package exec

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
)

func TestWhatAProgramHasStartedEndsWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		limit   time.Duration
		want    string
	}{
		"it ends and leaves it behind": {`leave, PID`, time.Minute, "left its output open"},
		"its time is over":             {`leave, PID, wait`, 500 * time.Millisecond, "within 500ms"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			s := open(t, strings.Replace(c.command, "PID", strconv.Quote(path), 1), ``)
			err := s.Write(engine.WithTimeout(t.Context(), c.limit), []*engine.Event{event("1", `1`)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(string(text))
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(time.Minute); running(pid); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("what the program has started still runs")
				}
			}
		})
	}
}

// running reports whether a process runs; one that is dead and not yet waited
// for does not.
func running(pid int) bool {
	if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return syscall.Kill(pid, 0) == nil
}
