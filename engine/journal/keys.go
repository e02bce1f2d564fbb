package journal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/flowd/flowd/engine"
)

// claims are keys that were won together.
type claims struct {
	scope   scope
	expires int64 // Unix nanoseconds
	ttl     time.Duration
	list    []claim
}

type claim struct {
	hash  engine.KeyHash
	owner engine.Offset
}

// size is about how many bytes the record of claims takes.
func (c claims) size() int { return 32 + 20*len(c.list) }

// A keyring has all keys in memory, by the time when they expire.
type keyring struct {
	mu      sync.Mutex
	most    int
	count   int
	scopes  map[scope][]bucket
	pending map[uint64][]claims // by flow: not written yet
	sealed  []claims            // written to the active segment
}

// A bucket has the keys of a node that expire within a quarter of their time to
// live, so that expiry is to drop it.
type bucket struct {
	end  int64 // when the last of them expires
	keys *engine.KeyTable
}

// keys are those of a node.
type keys struct {
	j     *Journal
	flow  *flow
	scope scope
}

// Keys returns the keys of a node. The owners of its claims are offsets in the
// log of that flow.
func (j *Journal) Keys(_ context.Context, flow, node string) (engine.Keys, error) {
	return &keys{j, j.flow(flow), scope{hash64(flow), hash64(node)}}, nil
}

// Claim answers from memory. What is won is written with the commit of its
// owner; if that will not come any more, or never does, at once.
func (k *keys) Claim(ctx context.Context, wanted []engine.Claim, ttl time.Duration) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("a time to live of %v is no time", ttl)
	}
	j := k.j
	if j.queue.isClosed() {
		return nil, ErrClosed
	}
	j.mu.Lock()
	furthest := k.flow.furthest()
	j.mu.Unlock()
	won, now, err := j.keys.claim(k.scope, wanted, j.now(), ttl, furthest)
	if err != nil || len(now.list) == 0 {
		return won, err
	}
	if err := j.submit(ctx, &keysOp{j, now}); err != nil {
		return nil, err
	}
	return won, nil
}

// keysOp writes claims that no commit will write.
type keysOp struct {
	j      *Journal
	claims claims
}

func (o *keysOp) bulky() bool { return false }
func (o *keysOp) size() int   { return o.claims.size() }

func (o *keysOp) write(f *frame) { f.claims(o.claims) }

func (o *keysOp) written(err error) {
	if err == nil {
		o.j.keys.remember([]claims{o.claims})
	} else {
		o.j.keys.drop(o.claims)
	}
}

// claim returns who wins, and of that what is to be written at once: claims of
// owners that are in no log, or up to furthest.
func (r *keyring) claim(s scope, wanted []engine.Claim, now time.Time, ttl time.Duration, furthest engine.Offset) ([]bool, claims, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expireScope(s, now.UnixNano())
	if r.count+len(wanted) > r.most {
		r.expireAll(now.UnixNano())
	}
	won := make([]bool, len(wanted))
	expires := now.Add(ttl).UnixNano()
	later := claims{scope: s, expires: expires, ttl: ttl}
	atOnce := later
	var full error
	for i, w := range wanted {
		hash := engine.HashKey(w.Key)
		if owner, ok := r.find(s, hash, now.UnixNano(), ttl); ok {
			won[i] = owner == w.Owner
			continue
		}
		if r.count >= r.most {
			full = fmt.Errorf("%d dedupe keys are remembered already, and no more can be: shorten the time for which they are", r.most)
			break
		}
		won[i] = true
		r.add(s, claim{hash, w.Owner}, expires, ttl)
		if w.Owner.Logged() && w.Owner > furthest {
			later.list = append(later.list, claim{hash, w.Owner})
		} else {
			atOnce.list = append(atOnce.list, claim{hash, w.Owner})
		}
	}
	if full != nil {
		// Nobody will know that these were won.
		r.remove(later)
		r.remove(atOnce)
		return nil, claims{}, full
	}
	if len(later.list) > 0 {
		if r.pending == nil {
			r.pending = map[uint64][]claims{}
		}
		r.pending[s.flow] = append(r.pending[s.flow], later)
	}
	return won, atOnce, nil
}

// find returns who has a key. One that would last longer than the time to live
// from now on was claimed before the clock was set back, and counts as claimed
// now.
func (r *keyring) find(s scope, hash engine.KeyHash, now int64, ttl time.Duration) (engine.Offset, bool) {
	for _, b := range r.scopes[s] {
		e, ok := b.keys.Get(hash)
		if !ok || e.Expires <= now {
			continue
		}
		if most := now + int64(ttl); e.Expires > most {
			e.Expires = most
			b.keys.Set(hash, e)
		}
		return e.Offset, true
	}
	return 0, false
}

// add adds a key to the bucket in which it expires.
func (r *keyring) add(s scope, c claim, expires int64, ttl time.Duration) {
	width := max(int64(ttl/4), 1)
	end := expires/width*width + width
	buckets := r.scopes[s]
	for _, b := range buckets {
		if b.end == end {
			r.count -= b.keys.Len()
			b.keys.Set(c.hash, engine.KeyOwner{Offset: c.owner, Expires: expires})
			r.count += b.keys.Len()
			return
		}
	}
	if r.scopes == nil {
		r.scopes = map[scope][]bucket{}
	}
	keys := new(engine.KeyTable)
	keys.Set(c.hash, engine.KeyOwner{Offset: c.owner, Expires: expires})
	r.scopes[s] = append(buckets, bucket{end, keys})
	r.count++
}

// remove takes keys back.
func (r *keyring) remove(c claims) {
	for _, k := range c.list {
		for _, b := range r.scopes[c.scope] {
			if e, ok := b.keys.Get(k.hash); ok && e.Offset == k.owner {
				b.keys.Delete(k.hash)
				r.count--
			}
		}
	}
}

func (r *keyring) drop(c claims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(c)
}

func (r *keyring) expireScope(s scope, now int64) {
	buckets := r.scopes[s]
	kept := buckets[:0]
	for _, b := range buckets {
		if b.end > now {
			kept = append(kept, b)
		} else {
			r.count -= b.keys.Len()
		}
	}
	clear(buckets[len(kept):])
	if len(kept) > 0 {
		r.scopes[s] = kept
	} else {
		delete(r.scopes, s)
	}
}

func (r *keyring) expireAll(now int64) {
	for s := range r.scopes {
		r.expireScope(s, now)
	}
}

func (r *keyring) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expireAll(now.UnixNano())
}

func (r *keyring) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// settle takes the pending claims of a flow whose owners are settled at o.
func (r *keyring) settle(flow uint64, o engine.Offset) (settled []claims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pending := r.pending[flow]
	kept := pending[:0]
	for _, c := range pending {
		var now, later []claim
		for _, k := range c.list {
			if k.owner <= o {
				now = append(now, k)
			} else {
				later = append(later, k)
			}
		}
		if len(now) > 0 {
			settled = append(settled, claims{c.scope, c.expires, c.ttl, now})
		}
		if len(later) > 0 {
			kept = append(kept, claims{c.scope, c.expires, c.ttl, later})
		}
	}
	clear(pending[len(kept):])
	if len(kept) > 0 {
		r.pending[flow] = kept
	} else {
		delete(r.pending, flow)
	}
	return settled
}

// pendingSize is about how many bytes settle gives to write, at most.
func (r *keyring) pendingSize(flow uint64) (size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.pending[flow] {
		size += c.size()
	}
	return size
}

// putBack makes claims pending again that were not written.
func (r *keyring) putBack(list []claims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range list {
		r.pending[c.scope.flow] = append(r.pending[c.scope.flow], c)
	}
}

// remember notes what was written to the active segment, for its summary.
func (r *keyring) remember(list []claims) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = append(r.sealed, list...)
}

// sealing returns what the summary of the active segment says of keys.
func (r *keyring) sealing(now time.Time) (list []claims) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.sealed {
		if c.expires > now.UnixNano() {
			list = append(list, c)
		}
	}
	return list
}

// seal begins a segment.
func (r *keyring) seal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = nil
}

// load adds claims read from the log, if they still count.
func (r *keyring) load(c claims, now time.Time) {
	if c.expires <= now.UnixNano() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range c.list {
		r.add(c.scope, k, c.expires, c.ttl)
	}
}

// living returns those of the claims that still count.
func (r *keyring) living(c claims, now time.Time) claims {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := claims{scope: c.scope, expires: c.expires, ttl: c.ttl}
	if c.expires <= now.UnixNano() {
		return kept
	}
	for _, k := range c.list {
		for _, b := range r.scopes[c.scope] {
			if e, ok := b.keys.Get(k.hash); ok && e.Offset == k.owner && e.Expires > now.UnixNano() {
				kept.list = append(kept.list, k)
				break
			}
		}
	}
	return kept
}
