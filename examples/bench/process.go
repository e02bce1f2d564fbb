package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// build builds a program of this module and returns its path.
func (b *bench) build(ctx context.Context, folder string) (string, error) {
	to := filepath.Join(b.dir, "bin", path.Base(path.Dir(folder))+"-"+path.Base(folder))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, "github.com/flowd/flowd/"+folder)
	if told, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", folder, err, told)
	}
	return to, nil
}

// usage is what a process has used.
type usage struct {
	wall, cpu time.Duration // cpu is that of the process and the system for it, on all cores
	peak      float64       // MB of memory at most
}

// each is the CPU of one of n events, in microseconds.
func (u usage) each(n int) float64 { return float64(u.cpu.Nanoseconds()) / 1e3 / float64(n) }

// spend runs a program to its end.
func spend(ctx context.Context, env []string, name string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &told, &told
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for u := (usage{}); ; {
		select {
		case <-look.C:
			u.peak = max(u.peak, memory(cmd.Process.Pid, "VmHWM"))
		case err := <-ended:
			if err != nil {
				return u, fmt.Errorf("%w\n%s", err, told.Bytes())
			}
			u.wall = time.Since(start)
			u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			return u, nil
		}
	}
}

// memory is what a process has in memory (VmRSS) or had at most (VmHWM), in
// MB; 0 where the system does not tell. That of rusage is no good: it includes
// the peak of the process that started the other.
func memory(pid int, field string) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")))
			if err != nil {
				return 0
			}
			return float64(kb) * 1024 / 1e6
		}
	}
	return 0
}
