package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
	"github.com/flowd/flowd/flows"
)

const onDisk = `
admin: {listen: ""}
store: {dir: STORE, keep: {size: SIZE}}
flows:
  f:
    nodes:
      - webhook: {path: /in, id: body.id}
      - dedupe: id
      - http: "http://SINK/f"
        retry: {first: 10ms, max: 100ms}
`

// full has senders fill the store of a daemon, whose sink is down, until they
// are refused, and returns the first refusal.
func full(d *daemon, l *ledger) {
	d.t.Helper()
	s := send(d.t, 8, d.address, l, func() bool { return false })
	defer s.end()
	for before := -1; ; time.Sleep(300 * time.Millisecond) {
		now := len(l.acknowledged())
		if now == before {
			break
		}
		before = now
	}
	var status int
	var answer string
	d.until("a single event is refused too", func() bool {
		status, answer = d.answer("/in", "one more")
		return status != http.StatusOK
	})
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "Retry-After: ") || strings.Contains(answer, "space") {
		d.t.Errorf("a store that is full is answered for with\n%s", answer)
	}
}

// recovers wants a daemon to take events again by itself, and to deliver all.
func recovers(d *daemon, l *ledger) {
	d.t.Helper()
	d.until("events are taken again", func() bool {
		status, _ := d.answer("/in", "after")
		return status == http.StatusOK
	})
	l.ack(parcel{ID: "after"})
	if lost := l.drained(time.Minute, "/f", func(parcel) bool { return true }); lost > 0 {
		d.t.Errorf("%d of %d events are lost", lost, len(l.acknowledged()))
	}
}

func TestALogAtItsLimitRefusesAndTakesAgainWhenThereIsRoom(t *testing.T) {
	l := newLedger()
	r := newReceiver(t, l.took)
	d := newDaemon(t, strings.NewReplacer("STORE", "store", "SIZE", "1MiB", "SINK", r.address).Replace(onDisk))
	d.up()
	r.down()
	full(d, l)
	r.up()
	recovers(d, l)
}

func TestAFullDiskIsSurvived(t *testing.T) {
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=12m", "flowd-test", disk).CombinedOutput(); err != nil {
		t.Skipf("no small disk to be had: %v %s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	l := newLedger()
	r := newReceiver(t, l.took)
	d := newDaemon(t, strings.NewReplacer("STORE", filepath.Join(disk, "store"), "SIZE", "8MiB", "SINK", r.address).Replace(onDisk))
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 6<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d.up()
	r.down()
	full(d, l)
	d.kill() // and it starts on a full disk
	l.begin(false)
	d.up()
	full(d, l) // what was left of the last block may take a few more
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d.until("events are taken again", func() bool {
		status, _ := d.answer("/in", "room")
		return status == http.StatusOK
	})
	full(d, l)
	r.up()
	recovers(d, l)
}

// TestADiskThatFailsIsSurvived fails every n-th operation of the disk for a
// while, under load.
func TestADiskThatFailsIsSurvived(t *testing.T) {
	for _, kind := range []string{"write", "sync", "allocate", "rename", "create", "read", "any"} {
		for _, every := range []int64{1, 3} {
			t.Run(fmt.Sprintf("one %s in %d", kind, every), func(t *testing.T) {
				failDisk(t, kind, every)
			})
		}
	}
}

func failDisk(t *testing.T, kind string, every int64) {
	l := newLedger()
	r := newReceiver(t, l.took)
	fs := memfs.New()
	j, err := journal.Open("", journal.Options{FS: fs, SegmentSize: 64 << 10, KeepSize: 1 << 20, Cache: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	e := engine.New(registry, engine.Options{Store: j, Listen: address, Log: slog.New(slog.DiscardHandler)})
	path := filepath.Join(t.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(strings.NewReplacer("STORE", "store", "SIZE", "1MiB", "SINK", r.address).Replace(onDisk)), 0o600); err != nil {
		t.Fatal(err)
	}
	doc, diags := flows.Load([]string{path}, os.LookupEnv)
	if diags.Failed() {
		t.Fatal(diags)
	}
	if _, err := e.Apply(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()

	clients := send(t, 4, address, l, func() bool { return l.backlog("/f", 1) > 500 })
	time.Sleep(30 * time.Millisecond)
	var n, failed atomic.Int64
	fs.Fault(func(op memfs.Op) error {
		if kind != "any" && op.Kind != kind || n.Add(1)%every != 0 {
			return nil
		}
		failed.Add(1)
		return syscall.EIO
	})
	time.Sleep(150 * time.Millisecond)
	fs.Fault(nil)
	before := len(l.acknowledged())
	for deadline := time.Now().Add(time.Minute); len(l.acknowledged()) < before+20; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no events are taken any more after %d faults: %v", failed.Load(), j.Health())
		}
	}
	clients.end()
	if lost := l.drained(time.Minute, "/f", func(parcel) bool { return true }); lost > 0 {
		t.Errorf("%d of %d events are lost after %d faults", lost, len(l.acknowledged()), failed.Load())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if damage, lost := j.Losses(); len(damage)+len(lost) > 0 {
		t.Errorf("damage %v, lost %v", damage, lost)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("%d faults, %d events acknowledged", failed.Load(), len(l.acknowledged()))
}
