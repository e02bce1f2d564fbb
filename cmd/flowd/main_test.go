package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"flowd": main})
}

// TestScripts runs flowd as a user does, one behaviour a script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"freeport":   freePort,
			"post":       postBody,
			"eventually": postUntil,
			"get":        getUntil,
			"waitfor":    waitFor,
			"sleep":      sleep,
			"signal":     sendSignal,
		},
		RequireExplicitExec: true,
	})
}

// freePort sets a variable to an address on loopback that nobody listens at,
// and that neither another script nor a client's end of a connection is given.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	for {
		port := 10_000 + (uint32(os.Getpid())*101+ports.Add(1))%20_000 // below those that clients are given
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
		if l, err := net.Listen("tcp", address); err == nil {
			ts.Check(l.Close())
			ts.Setenv(args[0], address)
			return
		}
	}
}

var ports atomic.Uint32

// postBody posts a body to a URL and wants a status. It waits until somebody
// listens.
func postBody(ts *testscript.TestScript, _ bool, args []string) {
	status, body := postWhile(ts, args, func(int) bool { return true })
	if strconv.Itoa(status) != args[2] {
		ts.Fatalf("got %d %s, want %s", status, body, args[2])
	}
}

// postUntil posts until the status is the one wanted.
func postUntil(ts *testscript.TestScript, _ bool, args []string) {
	status, body := postWhile(ts, args, func(got int) bool { return strconv.Itoa(got) == args[2] })
	if strconv.Itoa(status) != args[2] {
		ts.Fatalf("still %d %s, want %s", status, body, args[2])
	}
}

// postWhile posts until enough says so, for at most ten seconds.
func postWhile(ts *testscript.TestScript, args []string, enough func(status int) bool) (status int, body string) {
	if len(args) != 3 {
		ts.Fatalf("want URL BODY STATUS")
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		resp, err := http.Post(args[0], "application/json", strings.NewReader(args[1]))
		if err != nil {
			body = err.Error()
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		status, body = resp.StatusCode, string(text)
		if enough(status) {
			break
		}
	}
	return status, body
}

func sleep(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

// waitFor waits until a file holds a text.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	var text []byte
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(ts.MkAbs(args[0]))
		if strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("%s never held %q; it holds:\n%s", args[0], args[1], text)
}

// sendSignal sends a signal to the flowd in the background.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	known := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(known[args[0]]))
	}
}
