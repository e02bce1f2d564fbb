package journal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
)

// Fsync says when what is written is made to last.
type Fsync string

const (
	Always   Fsync = "always"   // before it is acknowledged
	Interval Fsync = "interval" // every second: a power cut may lose that much
	Never    Fsync = "never"    // when the system likes; a killed process still loses nothing
)

// Options are how a journal is kept. The zero Options are the defaults.
type Options struct {
	Fsync       Fsync         // Always
	KeepAge     time.Duration // of delivered events; 24 h
	KeepSize    int64         // of the folder; 1 GiB. Delivered events go early and new ones are refused rather than grow over it
	SegmentSize int64         // 64 MiB, or an eighth of KeepSize if that is less
	MaxKeys     int           // dedupe keys remembered at a time; 5 million, of some 40 bytes of memory
	Cache       int64         // bytes of recent events in memory; 2 MiB
	FS          FS            // the folder; the one on disk
	Log         *slog.Logger  // for what goes wrong beside a call; nowhere
}

func (o *Options) setDefaults() error {
	switch o.Fsync {
	case "":
		o.Fsync = Always
	case Always, Interval, Never:
	default:
		return fmt.Errorf("fsync is %q, want always, interval or never", o.Fsync)
	}
	setDefault(&o.KeepAge, 24*time.Hour)
	setDefault(&o.KeepSize, 1<<30)
	setDefault(&o.SegmentSize, min(64<<20, max(o.KeepSize/8, 64<<10)))
	setDefault(&o.MaxKeys, 5_000_000)
	setDefault(&o.Cache, 2<<20)
	if o.SegmentSize > maxFrame {
		return fmt.Errorf("segments of %d bytes are too big, want at most %d", o.SegmentSize, maxFrame)
	}
	if o.KeepSize < 4*o.SegmentSize {
		return fmt.Errorf("a store of %d bytes is too small, want at least %d", o.KeepSize, 4*o.SegmentSize)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// ErrClosed is returned by everything after Close.
var ErrClosed = errors.New("the store is closed")

// ErrTaken is returned by a cursor after another one of its name has taken over.
var ErrTaken = errors.New("another reader has taken over this cursor")

// A Journal is a store in a folder.
type Journal struct {
	fs     FS
	opt    Options
	unlock func() error
	opened time.Time // wall clock and monotonic

	queue   queue
	stopped chan struct{} // closed when the committer has ended
	keys    keyring

	// Of Open, then of the committer alone.
	active *segment // nil after a failed sync, until a new one is opened
	spare  *spare
	number uint32 // the highest given to a segment
	buf    []byte // of frames
	ops    []op   // of a frame
	dirty  bool   // something is written and not synced
	upkept time.Time

	appended time.Time // when events were written last

	trimming bool
	leftover []string // files of segments that were given up

	mu          sync.Mutex // guards what follows, and what is said to be guarded by it
	segments    []*segment // oldest first; the active one last
	flows       map[uint64]*flow
	checkpoints map[scope]map[string][]byte
	letters     map[uint64]letter
	lettersSize int64
	nextLetter  uint64
	removedHere []uint64 // letters removed in the active segment
	recent      []recent // what is in memory of recent events, oldest first
	recentSize  int64
	tended      bool // see Tend
	health      error
	damage      []Damage
	lost        []lost
	written     int64
	syncs       int64
	syncTime    time.Duration
}

var _ engine.Store = (*Journal)(nil)

// now is the wall clock at Open and the time since: it never jumps.
func (j *Journal) now() time.Time { return j.opened.Add(time.Since(j.opened)) }

// Close waits for what is being written and gives the folder back. Readers that
// wait get ErrClosed.
func (j *Journal) Close() error {
	if !j.queue.close() {
		return nil
	}
	<-j.stopped
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, fl := range j.flows {
		fl.wake()
	}
	var errs []error
	if j.active != nil && j.dirty {
		errs = append(errs, j.active.file.Sync())
	}
	return errors.Join(append(errs, j.release())...)
}

// release closes all files and unlocks the folder.
func (j *Journal) release() error {
	var errs []error
	for _, s := range j.segments {
		errs = append(errs, s.close())
	}
	if j.spare != nil {
		errs = append(errs, j.spare.file.Close())
	}
	return errors.Join(append(errs, j.unlock())...)
}

// Health is what is wrong with the store: nil when it took what it was last
// given. It mends by itself, also when nothing is given to it.
func (j *Journal) Health() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.health
}

// Damage is a part of the log that could not be read.
type Damage struct {
	File     string
	From, To int64 // bytes
}

// Lost are events of a flow that were stored and can't be read.
type Lost struct {
	Flow        string
	First, Last engine.Offset
}

// lost is a Lost whose flow may have no name yet.
type lost struct {
	hash uint64
	Lost
}

// Losses lists what is damaged, and the events that it cost, as far as they are
// still in the folder.
func (j *Journal) Losses() ([]Damage, []Lost) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var events []Lost
	for _, l := range j.lost {
		l.Flow = j.flowOf(l.hash).name
		events = append(events, l.Lost)
	}
	return slices.Clone(j.damage), events
}

// Stats are figures for people and metrics.
type Stats struct {
	Size, Limit int64 // bytes of the folder
	Segments    int
	Keys        int
	DeadLetters int
	Lost        uint64 // events, see [Journal.Losses]
	Written     int64  // bytes since Open
	Syncs       int64
	SyncTime    time.Duration // of all syncs
	Flows       []FlowStats
}

// FlowStats are the figures of one flow's log.
type FlowStats struct {
	Flow    string
	Last    engine.Offset            // of the newest event
	Cursors map[string]engine.Offset // last commit
}

// Stats counts.
func (j *Journal) Stats() Stats {
	keys := j.keys.len()
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Stats{
		Size: j.size(), Limit: j.opt.KeepSize, Segments: len(j.segments), Keys: keys, DeadLetters: len(j.letters),
		Written: j.written, Syncs: j.syncs, SyncTime: j.syncTime,
	}
	for _, l := range j.lost {
		s.Lost += uint64(l.Last - l.First + 1)
	}
	for _, fl := range j.flows {
		cursors := make(map[string]engine.Offset, len(fl.cursors))
		for name, p := range fl.cursors {
			cursors[name] = p.committed
		}
		s.Flows = append(s.Flows, FlowStats{fl.name, fl.last, cursors})
	}
	return s
}

// hash64 names a flow or a node in records.
func hash64(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.LittleEndian.Uint64(sum[:])
}

// A scope is a node of a flow.
type scope struct{ flow, node uint64 }

// Checkpoints returns the checkpoints of a node.
func (j *Journal) Checkpoints(_ context.Context, flow, node string) (engine.Checkpoints, error) {
	return &checkpoints{j, scope{hash64(flow), hash64(node)}}, nil
}

// DeadLetters returns the dead letters of all flows.
func (j *Journal) DeadLetters() engine.DeadLetters { return deadLetters{j} }
