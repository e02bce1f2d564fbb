package engine

import (
	"context"
	"time"
)

// A Store keeps what must outlive a batch: logs, keys, checkpoints and dead
// letters. All it gives is safe for concurrent use. [MemoryStore] forgets it
// all at the end of the process; engine/journal keeps it on disk.
type Store interface {
	// Log returns the log of a flow, the same one for the same name.
	Log(ctx context.Context, flow string) (Log, error)
	// Queue returns the log of a queue or topic: it is a Log whose Append does
	// not wait for a cursor, wherever it keeps the events.
	Queue(ctx context.Context, name string) (Log, error)
	// Keys returns the keys of a node.
	Keys(ctx context.Context, flow, node string) (Keys, error)
	// Checkpoints returns the checkpoints of a node.
	Checkpoints(ctx context.Context, flow, node string) (Checkpoints, error)
	// DeadLetters returns the dead letters of all flows.
	DeadLetters() DeadLetters
	Close() error
}

// A Log is the sequence of the events that came into a flow.
type Log interface {
	// Append gives the events their offsets and returns nil when they are
	// safe: durable, or, in memory, committed by every cursor. The log keeps
	// the events. An error wraps [ErrFull] when there is no room.
	Append(ctx context.Context, batch []*Event) error
	// Cursor returns the cursor of that name, just behind its last commit, or
	// at the beginning of the log. There is at most one at a time of a name;
	// a second one takes over.
	Cursor(ctx context.Context, name string) (Cursor, error)
	// End returns the offset of the last event appended, or 0.
	End() Offset
}

// A Cursor reads a log in order and remembers how far it came. One goroutine
// reads while others commit.
type Cursor interface {
	// Next fills batch with the events that follow, waits until there is at
	// least one, and returns how many. It does not wait for more. With an
	// error it has taken none.
	Next(ctx context.Context, batch []*Event) (n int, err error)
	// Commit remembers that everything up to and including o is settled, in
	// one atomic step with the keys claimed for those offsets.
	Commit(ctx context.Context, o Offset) error
	// Committed returns the last offset committed, or 0.
	Committed() Offset
	// Seek makes Next go on just behind o again.
	Seek(o Offset)
}

// A Claim is a key, and the position in the log of the event that wants it.
type Claim struct {
	Key   string
	Owner Offset
}

// Keys remembers dedupe keys. A key belongs to the position that claimed it:
// the same position coming again wins its own key, another does not, until the
// time to live has passed since the claim.
type Keys interface {
	// Claim says for each claim whether it is won. It keeps nothing of claims.
	Claim(ctx context.Context, claims []Claim, ttl time.Duration) (won []bool, err error)
}

// Checkpoints remembers how far a source came, by a key of its own. A value is
// saved when Save returns nil.
type Checkpoints interface {
	Load(ctx context.Context, key string) (value []byte, err error) // nil if there is none
	Save(ctx context.Context, key string, value []byte) error       // nil value removes it
	Range(ctx context.Context, yield func(key string, value []byte) bool) error
}

// A DeadLetter is an event that a node gave up, as it was there.
type DeadLetter struct {
	ID      string // of the letter, set by Add
	Flow    string
	Event   *Event
	Failure Failure
}

// DeadLetters keeps what could not be handled until somebody looks at it.
type DeadLetters interface {
	Add(ctx context.Context, letters ...DeadLetter) error
	List(ctx context.Context) ([]DeadLetter, error) // oldest first
	Remove(ctx context.Context, ids ...string) error
}
