//go:build !linux

package claude

import (
	"errors"
	"os"
	"syscall"
)

// find finds the process of a pid. When it began can't be compared: what the
// registry says of that differs from system to system.
func find(pid int, start string) (running, bool) {
	return polled{pid, start}, alive(pid, start)
}

// alive reports whether a process runs. One of another user does.
func alive(pid int, _ string) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer p.Release()
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}
