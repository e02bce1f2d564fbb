package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// format is what the file of that name says.
const format = "flowd journal 1\n"

// Open opens the journal in a folder, which it makes if need be. One process
// can have it open at a time.
func Open(dir string, opt Options) (*Journal, error) {
	j, err := open(dir, opt)
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	return j, nil
}

func open(dir string, opt Options) (_ *Journal, err error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	if opt.FS == nil {
		if opt.FS, err = openFolder(dir); err != nil {
			return nil, err
		}
	}
	j := &Journal{
		fs: opt.FS, opt: opt, opened: time.Now(),
		queue: queue{wake: make(chan struct{}, 1)}, stopped: make(chan struct{}), keys: keyring{most: opt.MaxKeys},
		flows: map[uint64]*flow{}, checkpoints: map[scope]map[string][]byte{}, letters: map[uint64]letter{}, nextLetter: 1,
	}
	j.upkept = j.opened
	if j.unlock, err = j.fs.Lock(); err != nil {
		return nil, err
	}
	if err := j.load(); err != nil {
		return nil, errors.Join(err, j.release())
	}
	go j.run()
	return j, nil
}

// load reads the folder and rebuilds the indexes.
func (j *Journal) load() error {
	names, err := j.fs.List()
	if err != nil {
		return err
	}
	if err := j.checkFormat(slices.Contains(names, "format")); err != nil {
		return err
	}
	if err := j.openFiles(names); err != nil {
		return err
	}
	openings, err := j.chain()
	if err != nil {
		return err
	}
	for i, s := range j.segments {
		if err := j.loadSegment(i, openings[i]); err != nil {
			return fmt.Errorf("reading %s: %w", s.name(), err)
		}
	}
	for _, fl := range j.flows {
		// A cursor beyond the end has seen events that are gone.
		if seen := fl.furthest(); seen > fl.w.last {
			j.lose(fl, fl.w.last+1, seen)
			fl.w.last = seen
		}
		fl.last = fl.w.last
	}
	if len(j.segments) == 0 {
		return j.openSegment()
	}
	j.active = j.segments[len(j.segments)-1]
	return j.renew(j.active)
}

// renew makes the last frame last, for it is about to be acted on. Its sync may
// have failed just before the process ended, and the system believes it to be
// on disk: it is written again.
func (j *Journal) renew(s *segment) error {
	b, err := readFull(s.file, make([]byte, s.end-s.newest), s.newest)
	if err != nil {
		return err
	}
	if err := j.write(s, b, s.newest); err != nil {
		return err
	}
	return j.sync(s)
}

// checkFormat refuses a folder of another format, and names that of a new one.
func (j *Journal) checkFormat(exists bool) error {
	if !exists {
		return j.writeFormat()
	}
	f, err := j.fs.Open("format")
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := readFull(f, make([]byte, 128), 0)
	if err != nil {
		return err
	}
	if string(b) != format {
		return fmt.Errorf("its format is %q and this flowd knows %q: use the flowd that wrote it, or another folder",
			strings.TrimSpace(string(b)), strings.TrimSpace(format))
	}
	return nil
}

func (j *Journal) writeFormat() error {
	const unfinished = "format.new"
	if err := j.fs.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := j.fs.Create(unfinished)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(format), 0)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := j.fs.Rename(unfinished, "format"); err != nil {
		return err
	}
	return j.fs.Sync()
}

// readFull fills b from pos on, as far as there is something.
func readFull(r io.ReaderAt, b []byte, pos int64) ([]byte, error) {
	n, err := r.ReadAt(b, pos)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// openFiles opens the segments, in order, and the spare file.
func (j *Journal) openFiles(names []string) error {
	for _, name := range names {
		m, ok := parseName(name)
		if !ok && !strings.HasSuffix(name, ".old") {
			continue
		}
		if !ok && j.spare != nil {
			if err := j.fs.Remove(name); err != nil {
				return err
			}
			continue
		}
		f, err := j.fs.Open(name)
		if err != nil {
			return err
		}
		size, err := f.Size()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		if !ok {
			j.spare = &spare{name, f, size}
			continue
		}
		s := &segment{mark: m, file: f, size: size, end: size, begun: j.opened, sealed: j.opened}
		j.segments = append(j.segments, s)
		j.number = max(j.number, m.number())
	}
	slices.SortFunc(j.segments, func(a, b *segment) int { return int(int64(a.mark.number()) - int64(b.mark.number())) })
	return nil
}

// An opening is the first record of a segment.
type opening struct {
	before     uint32 // number of the segment before
	end        int64  // of that
	summary    int64  // of that, if not 0
	begun      time.Time
	frame      []byte // its records
	at, behind int64
}

// chain reads the first frames, learns from them where segments end, and puts
// aside files that never became one.
func (j *Journal) chain() ([]*opening, error) {
	var openings []*opening
	for i := len(j.segments) - 1; i >= 0; i-- {
		s := j.segments[i]
		o, err := readOpening(s)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.name(), err)
		}
		if i+1 < len(j.segments) {
			if next := openings[0]; next != nil {
				switch n := s.mark.number(); {
				case n > next.before: // was given up before it was used
					if err := j.discard(i); err != nil {
						return nil, err
					}
					continue
				case n < next.before:
					j.damage = append(j.damage, Damage{File: fmt.Sprintf("%08d-*.log", next.before)})
				default:
					s.end, s.sealed = next.end, next.begun
					s.summary = span{next.summary, next.end}
				}
			}
		} else if o == nil {
			// A new segment whose first frame was not finished, unless others follow.
			if _, _, err := s.scan(0, s.size).next(); errors.Is(err, io.EOF) {
				if err := j.discard(i); err != nil {
					return nil, err
				}
				continue
			}
		}
		openings = slices.Insert(openings, 0, o)
	}
	return openings, nil
}

// discard puts aside a file that never became a segment.
func (j *Journal) discard(i int) error {
	s := j.segments[i]
	aside, err := j.putAside(s)
	if err != nil {
		return err
	}
	j.segments = slices.Delete(j.segments, i, i+1)
	if aside == nil {
		return s.file.Close()
	}
	j.spare = aside
	return nil
}

// readOpening returns nil if the first frame is damaged.
func readOpening(s *segment) (*opening, error) {
	sc := s.scan(0, s.size)
	frame, err := sc.frame(0)
	if err != nil || frame == nil {
		return nil, err
	}
	o := &opening{frame: slices.Clone(frame[frameHeader:]), at: frameHeader, behind: int64(len(frame))}
	first, ok := firstRecord(o.frame)
	if !ok || first.kind != kindOpening {
		return nil, nil
	}
	r := reader[[]byte]{rest: first.payload}
	if v := r.uvarint(); v != version {
		return nil, fmt.Errorf("its version is %d and this flowd knows %d: use the flowd that wrote it, or another folder", v, version)
	}
	o.before, o.end, o.summary = uint32(r.uvarint()), int64(r.uvarint()), int64(r.uvarint())
	o.begun = time.Unix(0, r.varint())
	if r.bad || o.end < 0 || o.summary < 0 || o.summary > o.end {
		return nil, nil
	}
	return o, nil
}

// loadSegment replays a segment: from its summary, if it has one, else from all
// of its frames.
func (j *Journal) loadSegment(i int, o *opening) error {
	s := j.segments[i]
	re := replay{j: j, seg: s, oldest: i == 0}
	last := i == len(j.segments)-1
	if o != nil {
		s.begun, s.first, s.newest = o.begun, o.behind, 0
		re.frame(o.frame, o.at)
	}
	if last {
		j.keys.seal()
		j.removedHere = nil
	} else if o != nil && s.summary.from > 0 {
		sc := s.scan(s.summary.from, s.end)
		frame, err := sc.frame(s.summary.from)
		if err != nil {
			return err
		}
		if frame != nil && s.summary.from+int64(len(frame)) == s.end {
			re.summary(frame[frameHeader:], s.summary.from+frameHeader)
			return nil
		}
	}
	sc := s.scan(s.first, s.end)
	for {
		records, at, err := sc.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		re.frame(records, at)
		s.newest = at - frameHeader
	}
	if !last && sc.pos < s.end {
		sc.bad = append(sc.bad, span{sc.pos, s.end})
	}
	for _, b := range sc.bad {
		j.damaged(s, b)
	}
	s.summary = span{}
	if last {
		s.end = sc.pos
		if b, err := sc.window(s.end, len(s.mark)); err != nil {
			return err
		} else if string(b) == string(s.mark[:]) {
			j.opt.Log.Info("an unfinished write is cut off", "file", s.name(), "at", s.end)
		}
	}
	return nil
}

// damaged reports a part of a segment that can't be read, once.
func (j *Journal) damaged(s *segment, part span) {
	d := Damage{s.name(), part.from, part.to}
	j.mu.Lock()
	known := slices.Contains(j.damage, d)
	if !known {
		j.damage = append(j.damage, d)
	}
	j.mu.Unlock()
	if !known {
		j.opt.Log.Error("a part of the store is damaged", "file", d.File, "from", d.From, "to", d.To)
	}
}

// lose reports events that are gone. Journal.mu is held, or not needed yet.
func (j *Journal) lose(fl *flow, first, last engine.Offset) {
	for _, l := range j.lost {
		if l.hash == fl.hash && l.First <= last && first <= l.Last {
			// Only what is beside it is news.
			if first < l.First {
				j.lose(fl, first, l.First-1)
			}
			if last > l.Last {
				j.lose(fl, l.Last+1, last)
			}
			return
		}
	}
	j.lost = append(j.lost, lost{fl.hash, Lost{First: first, Last: last}})
	j.opt.Log.LogAttrs(context.Background(), slog.LevelError, "events are lost",
		slog.String("flow", fl.name), slog.Uint64("first", uint64(first)), slog.Uint64("last", uint64(last)))
}

// missed reports those of first to last that are not among the events.
func (fl *flow) missed(first, last engine.Offset, events []*engine.Event) {
	fl.j.mu.Lock()
	defer fl.j.mu.Unlock()
	for _, e := range events {
		if e.Offset > first {
			fl.j.lose(fl, first, e.Offset-1)
		}
		first = e.Offset + 1
	}
	if first <= last {
		fl.j.lose(fl, first, last)
	}
}
