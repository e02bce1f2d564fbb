package engine

import (
	"crypto/sha256"
	"encoding/binary"
)

// A KeyHash stands for a dedupe key: 128 bits of its SHA-256. Two keys that met
// would cost an event. That a new key meets one of five million has odds of one
// in 2^105, and nobody can choose a key that meets another's.
type KeyHash [16]byte

// HashKey returns the hash of a key.
func HashKey(key string) KeyHash {
	sum := sha256.Sum256([]byte(key))
	return KeyHash(sum[:])
}

// A KeyOwner is who owns a key, and until when by the clock of its store.
type KeyOwner struct {
	Offset  Offset
	Expires int64
}

// A KeyTable is a map of dedupe keys for a [Store], in which a key takes some 40
// bytes: entries lie side by side in chunks that are never copied, and all that
// grows by doubling is an index of five bytes for each. The garbage collector
// has nothing to follow in it. The zero KeyTable is empty. It is for one
// goroutine at a time.
type KeyTable struct {
	chunks [][]keyEntry
	end    uint32   // of the entries in chunks
	free   []uint32 // those that were deleted

	// The index: open addressing with linear probing.
	slots []uint32 // 1 + the number of an entry; 0 is free
	tags  []byte   // of the hash in each slot: most others are told apart without a look at the entry
	count int
}

type keyEntry struct {
	hash  KeyHash
	owner KeyOwner
}

// chunkSize is how many entries a chunk has; the first grows up to that.
const chunkSize = 1 << 10

// Len counts the keys.
func (t *KeyTable) Len() int { return t.count }

// Get returns who owns a key.
func (t *KeyTable) Get(h KeyHash) (KeyOwner, bool) {
	if i, ok := t.find(h); ok {
		return t.entry(t.slots[i]).owner, true
	}
	return KeyOwner{}, false
}

// Set gives a key to an owner.
func (t *KeyTable) Set(h KeyHash, owner KeyOwner) {
	if (t.count+1)*5 > len(t.slots)*4 {
		t.grow()
	}
	i, ok := t.find(h)
	if !ok {
		t.slots[i], t.tags[i] = t.add(), h.tag()
		t.count++
	}
	*t.entry(t.slots[i]) = keyEntry{h, owner}
}

// Delete forgets a key. What stands behind its slot moves up, so that no search
// ends too early.
func (t *KeyTable) Delete(h KeyHash) {
	gap, ok := t.find(h)
	if !ok {
		return
	}
	t.free = append(t.free, t.slots[gap])
	t.count--
	for i := t.next(gap); t.slots[i] != 0; i = t.next(i) {
		home := t.home(t.entry(t.slots[i]).hash)
		if (i-home)&t.mask() >= (i-gap)&t.mask() {
			t.slots[gap], t.tags[gap] = t.slots[i], t.tags[i]
			gap = i
		}
	}
	t.slots[gap] = 0
}

// find returns the slot of a key, or the free one where its search ends.
func (t *KeyTable) find(h KeyHash) (slot int, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	tag := h.tag()
	for i := t.home(h); ; i = t.next(i) {
		n := t.slots[i]
		if n == 0 {
			return i, false
		}
		if t.tags[i] == tag && t.entry(n).hash == h {
			return i, true
		}
	}
}

func (t *KeyTable) mask() int          { return len(t.slots) - 1 }
func (t *KeyTable) next(i int) int     { return (i + 1) & t.mask() }
func (t *KeyTable) home(h KeyHash) int { return int(binary.LittleEndian.Uint64(h[:])) & t.mask() }
func (h KeyHash) tag() byte            { return h[len(h)-1] }
func (t *KeyTable) entry(n uint32) *keyEntry {
	return &t.chunks[(n-1)/chunkSize][(n-1)%chunkSize]
}

// add makes room for an entry.
func (t *KeyTable) add() uint32 {
	if n := len(t.free); n > 0 {
		last := t.free[n-1]
		t.free = t.free[:n-1]
		return last
	}
	switch {
	case t.end == 0:
		t.chunks = [][]keyEntry{nil}
	case t.end%chunkSize == 0:
		t.chunks = append(t.chunks, make([]keyEntry, 0, chunkSize))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, keyEntry{})
	t.end++
	return t.end
}

// grow doubles the index.
func (t *KeyTable) grow() {
	before := t.slots
	size := max(8, 2*len(before))
	t.slots, t.tags = make([]uint32, size), make([]byte, size)
	for _, n := range before {
		if n == 0 {
			continue
		}
		h := t.entry(n).hash
		i := t.home(h)
		for t.slots[i] != 0 {
			i = t.next(i)
		}
		t.slots[i], t.tags[i] = n, h.tag()
	}
}
