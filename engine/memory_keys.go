package engine

import (
	"context"
	"slices"
	"sync"
	"time"
)

// memoryKeys remembers keys by their hashes.
type memoryKeys struct {
	mu      sync.Mutex
	began   time.Time
	buckets []keyBucket
}

// A keyBucket has the keys that expire within a quarter of their time to live,
// so that to forget them is to drop it.
type keyBucket struct {
	end  time.Duration // when all of them have expired
	keys *KeyTable
}

// Claim gives a key to the first who wants it.
func (k *memoryKeys) Claim(_ context.Context, claims []Claim, ttl time.Duration) ([]bool, error) {
	won := make([]bool, len(claims))
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Since(k.began)
	k.buckets = slices.DeleteFunc(k.buckets, func(b keyBucket) bool { return b.end <= now })
	into := k.bucket(now+ttl, ttl)
	for i, c := range claims {
		hash := HashKey(c.Key)
		if owner, taken := k.find(hash, now); taken {
			won[i] = owner == c.Owner
			continue
		}
		won[i] = true
		into.Set(hash, KeyOwner{c.Owner, int64(now + ttl)})
	}
	return won, nil
}

func (k *memoryKeys) find(hash KeyHash, now time.Duration) (Offset, bool) {
	for _, b := range k.buckets {
		if owner, ok := b.keys.Get(hash); ok && int64(now) < owner.Expires {
			return owner.Offset, true
		}
	}
	return 0, false
}

// bucket is where the keys are that expire at a time.
func (k *memoryKeys) bucket(expires, ttl time.Duration) *KeyTable {
	width := max(ttl/4, 1)
	end := expires.Truncate(width) + width
	for _, b := range k.buckets {
		if b.end == end {
			return b.keys
		}
	}
	keys := new(KeyTable)
	k.buckets = append(k.buckets, keyBucket{end, keys})
	return keys
}

var _ Keys = (*memoryKeys)(nil)
