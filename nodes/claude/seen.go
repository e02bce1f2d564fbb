package claude

import "hash/maphash"

// maxSeen is how many records are remembered at least; twice as many at most,
// at some 20 bytes each.
const maxSeen = 1 << 18

// A seen remembers the newest uuids of the records that were read, as hashes
// in two generations: when the younger is full, the older one is forgotten.
type seen struct {
	seed       maphash.Seed
	young, old map[uint64]struct{}
	limit      int
}

func newSeen(limit int) *seen {
	return &seen{seed: maphash.MakeSeed(), young: map[uint64]struct{}{}, limit: limit}
}

func (s *seen) has(uuid string) bool {
	h := maphash.String(s.seed, uuid)
	_, young := s.young[h]
	_, old := s.old[h]
	return young || old
}

// add remembers a uuid and reports whether it is new.
func (s *seen) add(uuid string) bool {
	if s.has(uuid) {
		return false
	}
	if len(s.young) >= s.limit {
		s.old, s.young = s.young, make(map[uint64]struct{}, s.limit)
	}
	s.young[maphash.String(s.seed, uuid)] = struct{}{}
	return true
}
