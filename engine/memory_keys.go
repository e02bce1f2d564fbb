package engine

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// memoryKeys remembers keys by a hash of them: there may be many, and without a
// pointer in them the garbage collector does not look at each.
type memoryKeys struct {
	mu      sync.Mutex
	began   time.Time
	buckets []keyBucket
}

// A keyBucket has the keys that expire within a quarter of their time to live,
// so that to forget them is to drop it.
type keyBucket struct {
	end    time.Duration // when all of them have expired
	owners map[keyHash]keyOwner
}

// A keyHash stands for a key: 128 bits of its SHA-256, since two keys that met
// would cost an event.
type keyHash [16]byte

type keyOwner struct {
	offset  Offset
	expires time.Duration
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
		sum := sha256.Sum256([]byte(c.Key))
		hash := keyHash(sum[:])
		if owner, taken := k.find(hash, now); taken {
			won[i] = owner.offset == c.Owner
			continue
		}
		won[i] = true
		into[hash] = keyOwner{c.Owner, now + ttl}
	}
	return won, nil
}

func (k *memoryKeys) find(hash keyHash, now time.Duration) (keyOwner, bool) {
	for _, b := range k.buckets {
		if owner, ok := b.owners[hash]; ok && now < owner.expires {
			return owner, true
		}
	}
	return keyOwner{}, false
}

// bucket is where the keys are that expire at a time.
func (k *memoryKeys) bucket(expires, ttl time.Duration) map[keyHash]keyOwner {
	width := max(ttl/4, 1)
	end := expires.Truncate(width) + width
	for _, b := range k.buckets {
		if b.end == end {
			return b.owners
		}
	}
	owners := map[keyHash]keyOwner{}
	k.buckets = append(k.buckets, keyBucket{end, owners})
	return owners
}

var _ Keys = (*memoryKeys)(nil)
