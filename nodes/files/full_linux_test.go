package files

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/flowd/flowd/engine"
)

// A disk that fills up in the middle of a line.
func TestAFullDiskIsWaitedForAndLeavesNoHalfLine(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("can't mount a small disk: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	sink := openFile(t, newEnv(t), dir, `{path: DIR/sub/f}`)
	row := `"` + strings.Repeat("x", 10_000) + `"`
	full := false
	lines := 0
	for range 10 {
		err := sink.Write(t.Context(), events(row))
		if err == nil {
			lines++
			continue
		}
		full = true
		var failed engine.Failures
		if !errors.As(err, &failed) || len(failed) != 1 {
			t.Fatalf("failed: %v", err)
		}
		if _, ok := engine.IsUnavailable(failed[0].Err); !ok {
			t.Errorf("%v is given up", failed[0].Err)
		}
		if got, want := size(t, in(dir, "sub", "f")), int64(lines*(len(row)+1)); got != want {
			t.Errorf("the file has %d bytes, want %d", got, want)
		}
	}
	if !full {
		t.Fatal("the disk was never full")
	}
	must(t, os.Truncate(in(dir, "sub", "f"), 0))
	write(t, sink, `1`)
	if got := read(t, in(dir, "sub", "f")); got != fmt.Sprintln(1) {
		t.Errorf("the file holds %q", got)
	}
}
