package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

// getUntil gets a URL, with a token or without, until the answer holds a text
// or has that status.
func getUntil(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: get URL TEXT|STATUS [TOKEN]")
	}
	var got string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		req, err := http.NewRequest("GET", args[0], nil)
		ts.Check(err)
		if len(args) == 3 {
			req.Header.Set("Authorization", "Bearer "+args[2])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			got = err.Error()
			continue
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		got = resp.Status + "\n" + string(text)
		if strings.HasPrefix(resp.Status, args[1]+" ") || strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("%s never was %q, at last it was %s", args[0], args[1], got)
}

func TestTheDefaultAddressMayBeInUse(t *testing.T) {
	if l, err := net.Listen("tcp", admin.Default.Listen); err == nil { // else somebody has it already
		defer l.Close()
	}
	var log bytes.Buffer
	s := &adminSection{
		log:   slog.New(slog.NewTextHandler(&log, nil)),
		admin: admin.New(engine.New(registry, engine.Options{}), admin.Options{}),
	}
	defer s.stop()
	for range 3 { // at the start, and at reloads
		section, err := s.open(&flows.Document{})
		if err != nil || section.server != nil {
			t.Fatalf("got %v, %v", section, err)
		}
		s.use(section)
	}
	if n := strings.Count(log.String(), "their default address is in use"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
}

func TestDeadLettersAreATableForAPerson(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	list := admin.LetterList{Total: 5, Letters: []admin.Letter{
		{ID: "12", Flow: "calls", Node: "slack", Error: "429 Too Many\nRequests", Attempts: 8, Last: now.Add(-90 * time.Second), Event: admin.Event{Type: "joined"}},
		{ID: "9", Flow: "f", Node: "x", Error: "\x1b[2Jgone", Attempts: 1, Last: now.Add(-50 * time.Hour), Event: admin.Event{Type: "a\u202eb"}},
		{ID: "8", Flow: "f", Node: "x", Last: now.Add(-5 * time.Second)},
		{ID: "7", Flow: "f", Node: "x", Last: now.Add(-47 * time.Hour)},
	}}
	const want = `ID  NODE         AGE  ATTEMPTS  TYPE      ERROR
12  calls.slack  1m   8         joined    429 Too Many\u000aRequests
9   f.x          2d   1         a\u202eb  \u001b[2Jgone
8   f.x          5s   0                   
7   f.x          47h  0                   
and 1 more: --limit N shows more of them
`
	var got bytes.Buffer
	if err := letterTable(&got, list, now); err != nil || got.String() != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, got.String(), want)
	}
	got.Reset()
	if err := letterTable(&got, admin.LetterList{}, now); err != nil || got.String() != "no dead letters\n" {
		t.Errorf("got %v and %q", err, got.String())
	}
}

func TestALiveEventIsReadableForAPerson(t *testing.T) {
	at := time.Date(2026, 1, 2, 12, 0, 0, 5e6, time.Local)
	raw, err := json.Marshal(admin.Tapped{Flow: "calls", Node: "slack", Event: admin.Event{
		ID: "EV_1", Type: "joined", Subject: "room\x07", Source: "livekit", Time: at.Format(time.RFC3339Nano),
		Data: json.RawMessage(`{"name":"A\u001biko","at":"` + "\u202e" + `","list":[1]}`), Error: &engine.Failure{Message: "refused", Node: "http", Attempts: 2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `12:00:00.005 calls.slack joined room\u0007 livekit EV_1
  http failed after 2 attempts: refused
  {
    "name": "A\u001biko",
    "at": "\u202e",
    "list": [
      1
    ]
  }
`
	var got bytes.Buffer
	if err := printForPerson(&got, raw); err != nil || got.String() != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, got.String(), want)
	}
}

func TestMessagesAreReadFromAStream(t *testing.T) {
	stream := ":\n\ndata: {\"a\":1}\n\n:\n\nevent: x\ndata: 2\n\ndata: 3\n\n"
	var got []string
	err := messages(strings.NewReader(stream), func(data []byte) (bool, error) {
		got = append(got, strings.TrimSpace(string(data)))
		return len(got) < 2, nil
	})
	if err != nil || strings.Join(got, " ") != `{"a":1} 2` {
		t.Errorf("got %v and %v", err, got)
	}
	err = messages(strings.NewReader("data: 1\n\ndata: cut off"), func([]byte) (bool, error) { return true, nil })
	if err != io.EOF {
		t.Errorf("a stream that ends: got %v, want that it has ended", err)
	}
}
