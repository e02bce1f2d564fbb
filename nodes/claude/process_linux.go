package claude

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// find finds the process of a pid that began at start, in clock ticks since
// the machine did, if that is given.
func find(pid int, start string) (running, bool) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil { // no such process, or an older kernel
		return polled{pid, start}, alive(pid, start)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	// Only now that the pid is held can it be told whose it is.
	if !alive(pid, start) {
		f.Close()
		return nil, false
	}
	return &held{f, polled{pid, start}}, true
}

// A held process is held by a file descriptor that becomes readable at its end.
type held struct {
	file *os.File
	polled
}

func (h *held) wait(ctx context.Context, every time.Duration) bool {
	defer h.file.Close()
	defer context.AfterFunc(ctx, func() { h.file.Close() })()
	raw, err := h.file.SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0
		})
	}
	switch {
	case err == nil:
		return true
	case ctx.Err() != nil:
		return false
	}
	return h.polled.wait(ctx, every)
}

// alive reports whether a process runs. A zombie does not.
func alive(pid int, start string) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	// The name, field 2, is in brackets and may have any character in it; what
	// follows begins with field 3.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const state, starttime = 0, 22 - 3
	if len(fields) <= starttime || fields[state][0] == 'Z' || fields[state][0] == 'X' {
		return false
	}
	return start == "" || string(fields[starttime]) == start
}
