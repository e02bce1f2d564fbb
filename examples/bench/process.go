package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

// A process is a program that was started.
type process struct {
	cmd   *exec.Cmd
	told  bytes.Buffer // what it printed, once it has ended
	ended chan struct{}
	used  usage
	err   error
}

// start starts a program. It is killed when ctx ends.
func start(ctx context.Context, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.told, &p.told
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	exit := make(chan error, 1)
	go func() { exit <- p.cmd.Wait() }()
	go func() {
		defer close(p.ended)
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-look.C:
				p.used.peak = max(p.used.peak, p.memory("VmHWM"))
			case err := <-exit:
				if err != nil {
					p.err = fmt.Errorf("%w\n%s", err, p.told.Bytes())
				}
				p.used.wall = time.Since(began)
				p.used.cpu = p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
				return
			}
		}
	}()
	return p, nil
}

// wait waits until it has ended by itself.
func (p *process) wait() (usage, error) {
	<-p.ended
	return p.used, p.err
}

// stop asks it to end, as an operator does.
func (p *process) stop() (usage, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return usage{}, err
	}
	return p.wait()
}

// kill ends it, if it has not ended yet.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// listening waits until something listens at an address.
func (p *process) listening(ctx context.Context, address string) error {
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended early: %w\n%s", p.err, p.told.Bytes())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// memory is what it has in memory (VmRSS) or had at most (VmHWM), in MB; 0
// where the system does not tell. What rusage tells is no good: it includes
// the peak of the process that started this one.
func (p *process) memory(field string) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
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
