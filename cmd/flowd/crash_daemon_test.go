package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A daemon is a real flowd: a process that can be killed. It runs in a folder
// of its own, where the next life finds what the one before left.
type daemon struct {
	t       *testing.T
	dir     string
	address string // where its webhooks arrive
	args    []string
	cmd     *exec.Cmd
	started time.Time
	exited  chan struct{} // closed when the process has ended
}

// newDaemon makes a daemon that runs a document. It starts nothing.
func newDaemon(t *testing.T, document string, args ...string) *daemon {
	d := &daemon{t: t, dir: t.TempDir(), address: freeAddress(t), args: args}
	d.write(document)
	t.Cleanup(func() {
		if d.running() {
			d.kill()
		}
		if t.Failed() {
			t.Logf("the end of flowd's log:\n%s", d.tail(30))
		}
	})
	return d
}

// freeAddress is an address on loopback that nobody listens at, and that stays
// free while nobody does.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := 10_000 + (uint32(os.Getpid())*101+ports.Add(1))%20_000 // below those that clients are given
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// write saves the document as editors do: in one step.
func (d *daemon) write(document string) {
	d.t.Helper()
	next := filepath.Join(d.dir, "next")
	if err := os.WriteFile(next, []byte(document), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(next, d.path("flows.yaml")); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }

// start starts the process and does not wait for anything.
func (d *daemon) start() {
	d.t.Helper()
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command("flowd", append([]string{"run", "--listen", d.address, "--log-format", "json"}, d.args...)...)
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = d.dir, log, log
	d.started = time.Now()
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	exited := make(chan struct{})
	d.exited = exited
	go func(cmd *exec.Cmd) {
		defer close(exited)
		_ = cmd.Wait() // its status is in ProcessState
	}(d.cmd)
}

// up starts the process and returns, once it listens, how long that took.
func (d *daemon) up() time.Duration {
	d.t.Helper()
	d.start()
	d.until("it listens", func() bool {
		conn, err := net.Dial("tcp", d.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return time.Since(d.started)
}

// until waits until ok says so.
func (d *daemon) until(what string, ok func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if !d.running() {
			d.t.Fatalf("flowd ended before %s: %s", what, d.cmd.ProcessState)
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("waited a minute and not yet: %s", what)
		}
	}
}

func (d *daemon) running() bool {
	if d.exited == nil {
		return false
	}
	select {
	case <-d.exited:
		return false
	default:
		return true
	}
}

func (d *daemon) signal(s os.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// kill ends the process at once, and returns when it has ended.
func (d *daemon) kill() {
	d.t.Helper()
	d.signal(syscall.SIGKILL)
	<-d.exited
}

// stop ends the process with SIGTERM and returns its exit status.
func (d *daemon) stop() int {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	select {
	case <-d.exited:
	case <-time.After(2 * time.Minute):
		d.t.Fatal("flowd does not stop at SIGTERM")
	}
	return d.cmd.ProcessState.ExitCode()
}

// memory is what a process has taken at most, in bytes, of memory that is its
// own.
func (d *daemon) memory() int64 {
	d.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.t.Skipf("this system does not tell the memory of a process: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				d.t.Fatal(err)
			}
			return kib << 10
		}
	}
	d.t.Fatal("no VmHWM in the status of the process")
	return 0
}

func (d *daemon) log() []byte {
	text, err := os.ReadFile(d.path("log"))
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

func (d *daemon) tail(n int) []byte {
	lines := bytes.Split(bytes.TrimSpace(d.log()), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))
}
