//go:build unix

package exec

import (
	"os/exec"
	"syscall"
)

// group gives a command a process group of its own, so that the returned
// function, and the end of the command's time, ends also what it has started.
func group(cmd *exec.Cmd) (end func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return func() {
		if cmd.Process != nil {
			_ = cmd.Cancel() // there may be none left
		}
	}
}
