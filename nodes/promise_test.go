package nodes_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

const relay = `
server: {listen: 127.0.0.1:0}
flows:
  calls:
    nodes:
      - livekit: {path: /livekit, api_key: k, api_secret: s}
      - topic: calls
  hooks:
    nodes:
      - webhook: {path: /hook, id: body.id}
      - topic: hooks
`

// Over the whole way of a request, whatever fails below the store: an event
// whose sender was told yes is there after a power cut, and every other sender
// is told to come again.
func TestASenderIsToldYesOnlyBehindTheSync(t *testing.T) {
	fs := memfs.New()
	store, err := journal.Open("", journal.Options{FS: fs, SegmentSize: 64 << 10, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(relay), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		t.Fatal(diags)
	}
	e := engine.New(nodes.All(), engine.Options{Store: store, Log: slog.New(slog.DiscardHandler)})
	if _, err := e.Apply(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	defer func() {
		stop()
		<-ended
		store.Close()
	}()

	var mu sync.Mutex
	weather := rand.New(rand.NewPCG(1, 2))
	fs.Fault(func(op memfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind != "sync" && op.Kind != "write" || weather.IntN(4) > 0 {
			return nil
		}
		return []error{syscall.EIO, syscall.ENOSPC}[weather.IntN(2)]
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	answers := map[int]int{}
	told := map[string]bool{} // who were told yes
	var senders sync.WaitGroup
	for sender := range 16 {
		senders.Go(func() {
			path := []string{"/livekit", "/hook"}[sender%2]
			for n := range 30 {
				id := fmt.Sprintf("EV_%d_%d", sender, n)
				status := post(t, client, "http://"+e.Address()+path, id)
				if status == http.StatusOK && n%5 == 0 && !onDisk(t, fs.Crash(nil))[id] {
					t.Errorf("%s was answered yes, and a power cut then loses it", id)
				}
				mu.Lock()
				answers[status]++
				told[id] = status == http.StatusOK
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	last := onDisk(t, fs.Crash(nil))
	fs.Fault(nil)
	for id, yes := range told {
		if yes && !last[id] {
			t.Errorf("%s was answered yes, and is lost", id)
		}
	}
	if len(answers) != 2 || answers[http.StatusOK] == 0 || answers[http.StatusServiceUnavailable] == 0 {
		t.Errorf("answered %v, want 200 and 503", answers)
	}
}

// post sends an event, signed as LiveKit does, and returns the status.
func post(t *testing.T, client *http.Client, url, id string) int {
	body := []byte(`{"event":"room_started","id":"` + id + `"}`)
	sum := sha256.Sum256(body)
	token, err := auth.NewAccessToken("k", "s").SetValidFor(time.Hour).
		SetSha256(base64.StdEncoding.EncodeToString(sum[:])).ToJWT()
	if err != nil {
		t.Error(err)
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("Authorization", token)
	resp, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// onDisk are the ids of the events that a folder holds.
func onDisk(t *testing.T, fs *memfs.FS) map[string]bool {
	ids := map[string]bool{}
	store, err := journal.Open("", journal.Options{FS: fs, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Error(err)
		return ids
	}
	defer store.Close()
	for _, flow := range []string{"calls", "hooks"} {
		log, err := store.Log(t.Context(), flow)
		if err != nil {
			t.Error(err)
			return ids
		}
		batch := make([]*engine.Event, 256)
		for after := engine.Offset(0); ; {
			n, err := log.(engine.KeptLog).Kept(t.Context(), after, batch)
			if err != nil {
				t.Error(err)
			}
			if n == 0 {
				break
			}
			for _, e := range batch[:n] {
				ids[e.ID] = true
			}
			after = batch[n-1].Offset
		}
	}
	return ids
}
