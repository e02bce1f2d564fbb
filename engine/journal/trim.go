package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// makeRoom sees to it that a frame of n bytes can be written: the next one, in
// the active segment. A bulky one also needs room within Options.KeepSize, and
// leaves the reserve alone.
func (j *Journal) makeRoom(n int64, bulky bool) error {
	if j.active == nil {
		return j.openSegment()
	}
	if a := j.active; a.end > a.first && a.end+n > j.opt.SegmentSize {
		if bulky {
			err := j.within(func() int64 {
				if j.spare != nil {
					return 0
				}
				return j.step()
			})
			if err != nil {
				return err
			}
		}
		for {
			err := j.openSegment()
			if err == nil {
				break
			}
			if !noSpace(err) {
				return err
			}
			if ok, trimErr := j.trimOldest(0); !ok || j.active == nil {
				return fullDisk(errors.Join(err, trimErr))
			}
		}
	}
	if !bulky {
		return nil
	}
	return j.extend(j.active.end + n + j.reserve())
}

// extend takes room for the active segment to grow to a size.
func (j *Journal) extend(size int64) error {
	a := j.active
	if size <= a.size {
		return nil
	}
	size += j.step() - 1
	size -= size % j.step()
	for {
		if err := j.within(func() int64 { return size - a.size }); err != nil {
			return err
		}
		if j.active != a { // what was carried has filled it
			return j.extend(min(size, j.active.end+j.step()))
		}
		err := a.file.Allocate(size)
		if err == nil {
			now, err := a.file.Size()
			j.mu.Lock()
			a.size = max(a.size, now, size)
			j.mu.Unlock()
			return err
		}
		if !noSpace(err) {
			return fmt.Errorf("taking room for %s: %w", a.name(), err)
		}
		if ok, err2 := j.giveBack(); !ok {
			return fullDisk(errors.Join(err, err2))
		}
	}
}

func fullDisk(err error) error { return fmt.Errorf("%w: the disk is full: %w", engine.ErrFull, err) }

// within sees to it that the folder may grow, by giving back what is delivered.
func (j *Journal) within(grow func() int64) error {
	for tries := 2 * len(j.segments); j.size()+grow() > j.opt.KeepSize; tries-- {
		ok, err := j.giveBack()
		if err != nil {
			return err
		}
		if !ok || tries < 0 {
			return fmt.Errorf("%w: %d of %d bytes are taken, most by events that are not delivered yet; the oldest is of flow %q",
				engine.ErrFull, j.size(), j.opt.KeepSize, j.holder())
		}
	}
	return nil
}

// giveBack gives the spare file back, or else the oldest segment.
func (j *Journal) giveBack() (bool, error) {
	sp := j.spare
	if sp == nil {
		return j.trimOldest(0)
	}
	j.setSpare(nil)
	sp.file.Close()
	if err := j.fs.Remove(sp.name); err != nil {
		return false, fmt.Errorf("removing %s: %w", sp.name, err)
	}
	return true, nil
}

// trimOld lets go of what is older than it is to be kept.
func (j *Journal) trimOld() {
	for range len(j.segments) {
		ok, err := j.trimOldest(j.opt.KeepAge)
		if err != nil {
			j.opt.Log.Warn("old events can't be removed", "error", err)
		}
		if !ok {
			return
		}
	}
}

// trimOldest lets the oldest segment go if all of it is delivered and it was
// sealed so long ago. Its file becomes the spare, or is removed.
func (j *Journal) trimOldest(age time.Duration) (bool, error) {
	if len(j.segments) < 2 || j.trimming {
		return false, nil
	}
	j.trimming = true // what is carried does not make room for itself so
	defer func() { j.trimming = false }()
	s := j.segments[0]
	kept := j.now().Sub(s.sealed)
	if kept < age || j.undelivered(s, kept >= j.opt.KeepAge) != nil {
		return false, nil
	}
	if err := errors.Join(j.sweep(), j.carry(s)); err != nil {
		return false, err
	}
	// While its file is there it is the oldest: no younger one may go before it.
	aside, err := j.putAside(s)
	if err != nil {
		return false, err
	}
	j.mu.Lock()
	j.mourn(s)
	j.segments = slices.Delete(j.segments, 0, 1)
	for _, fl := range j.flows {
		fl.pages = slices.Delete(fl.pages, 0, len(fl.pagesIn(s)))
	}
	j.damage = slices.DeleteFunc(j.damage, func(d Damage) bool { return d.File == s.name() })
	j.lost = slices.DeleteFunc(j.lost, func(l lost) bool {
		fl := j.flowOf(l.hash)
		return len(fl.pages) == 0 && l.Last <= fl.settled(true) || len(fl.pages) > 0 && l.Last < fl.pages[0].first
	})
	j.mu.Unlock()
	s.mu.Lock() // waits for who reads it
	s.gone = true
	s.mu.Unlock()
	if aside == nil {
		s.file.Close()
	}
	j.setSpare(cmp.Or(aside, j.spare))
	return true, j.fs.Sync()
}

// putAside renames a segment's file to be used again, or removes it if there is
// one already.
func (j *Journal) putAside(s *segment) (*spare, error) {
	name := s.name()
	old := strings.TrimSuffix(name, ".log") + ".old"
	if j.spare == nil && s.size >= j.opt.SegmentSize/2 && j.fs.Rename(name, old) == nil {
		return &spare{old, s.file, s.size}, nil
	}
	if err := j.fs.Remove(name); err != nil {
		return nil, fmt.Errorf("removing %s: %w", name, err)
	}
	return nil, nil
}

// undelivered returns a flow that has events in s that not all of its cursors
// have settled. Those of orphans don't count where s is aged.
func (j *Journal) undelivered(s *segment, aged bool) *flow {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, fl := range j.flows {
		if pages := fl.pagesIn(s); len(pages) > 0 && pages[len(pages)-1].last > fl.settled(aged) {
			return fl
		}
	}
	return nil
}

// holder names a flow that holds the oldest segment.
func (j *Journal) holder() string {
	fl := j.undelivered(j.segments[0], false)
	if fl == nil {
		return ""
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return fl.name
}

// carry writes again what still counts of a segment that is to go.
func (j *Journal) carry(s *segment) error {
	ops, err := j.livingKeys(s)
	if err != nil {
		return err
	}
	j.mu.Lock()
	for id, l := range j.letters {
		if l.seg == s {
			ops = append(ops, &carryLetter{j: j, id: id, from: l})
		}
	}
	j.mu.Unlock()
	for len(ops) > 0 {
		size, n := int64(frameHeader), 0
		for n < len(ops) && (n == 0 || size < 1<<20) {
			if l, ok := ops[n].(*carryLetter); ok {
				if err := l.read(); err != nil {
					return err
				}
			}
			size += int64(ops[n].size())
			n++
		}
		if err := j.makeRoom(size, false); err != nil && j.active == nil {
			return err
		}
		if err := j.put(ops[:n]...); err != nil {
			return err
		}
		ops = ops[n:]
	}
	if j.dirty && j.opt.Fsync != Never && j.active != nil {
		return j.sync(j.active)
	}
	return nil
}

// livingKeys returns what writes again the keys of a segment that still count.
func (j *Journal) livingKeys(s *segment) (ops []op, err error) {
	for sc := s.scan(s.summary.from, s.end); ; {
		records, at, err := sc.next()
		if errors.Is(err, io.EOF) {
			return ops, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.name(), err)
		}
		for _, r := range eachRecord(records, at) {
			if r.kind != kindKeys {
				continue
			}
			if c := j.keys.living(readClaims(r.payload), j.now()); len(c.list) > 0 {
				ops = append(ops, &carryKeys{j, c})
			}
		}
	}
}

// carryKeys writes keys again.
type carryKeys struct {
	j      *Journal
	claims claims
}

func (o *carryKeys) bulky() bool    { return false }
func (o *carryKeys) size() int      { return o.claims.size() }
func (o *carryKeys) write(f *frame) { f.claims(o.claims) }

func (o *carryKeys) written(err error) {
	if err == nil {
		o.j.keys.remember([]claims{o.claims})
	}
}

// carryLetter writes a dead letter again. One that can't be read is left.
type carryLetter struct {
	j        *Journal
	id       uint64
	from, to letter
	body     []byte
}

func (o *carryLetter) read() (err error) {
	o.body, err = o.from.body(o.id)
	if errors.Is(err, errRecord) {
		o.j.damaged(o.from.seg, span{o.from.at, o.from.at + o.from.size})
		return nil
	}
	return err
}

func (o *carryLetter) bulky() bool { return false }
func (o *carryLetter) size() int   { return len(o.body) + 24 }

func (o *carryLetter) write(f *frame) {
	if o.body != nil {
		o.to = f.letter(o.id, o.body)
	}
}

func (o *carryLetter) written(err error) {
	switch {
	case err != nil:
	case o.body == nil:
		o.j.removeLetters([]uint64{o.id})
	default:
		o.j.setLetter(o.id, o.to)
	}
	o.body = nil
}
