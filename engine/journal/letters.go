package journal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/flowd/flowd/engine"
)

// A letter is where a dead letter is in the log.
type letter struct {
	seg      *segment
	at, size int64
}

// deadLetters are those of all flows. Their ids are numbers that only grow.
type deadLetters struct{ j *Journal }

// Add has letters written, all or none, and sets their ids.
func (d deadLetters) Add(ctx context.Context, letters ...engine.DeadLetter) error {
	if err := ctx.Err(); err != nil || len(letters) == 0 {
		return err
	}
	op := &letterOp{j: d.j, letters: letters}
	for _, l := range letters {
		body, err := appendLetter(nil, l)
		if err != nil {
			return err
		}
		op.bodies = append(op.bodies, body)
	}
	d.j.mu.Lock()
	taken := d.j.lettersSize
	d.j.mu.Unlock()
	if taken+int64(op.size()) > d.j.opt.KeepSize/2 {
		return fmt.Errorf("%w: dead letters take %d bytes, half of the store: retry or drop some of them", engine.ErrFull, taken)
	}
	return d.j.submit(ctx, op)
}

// List reads all letters, oldest first.
func (d deadLetters) List(ctx context.Context) ([]engine.DeadLetter, error) {
	if d.j.queue.isClosed() {
		return nil, ErrClosed
	}
	d.j.mu.Lock()
	all := maps.Clone(d.j.letters)
	d.j.mu.Unlock()
	list := make([]engine.DeadLetter, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, err := d.j.readLetter(id, all[id])
		switch {
		case errors.Is(err, errGone): // removed, or written again, since
			d.j.mu.Lock()
			now, ok := d.j.letters[id]
			d.j.mu.Unlock()
			if !ok {
				continue
			}
			if l, err = d.j.readLetter(id, now); err != nil {
				return nil, err
			}
		case errors.Is(err, errRecord):
			d.j.damaged(all[id].seg, span{all[id].at, all[id].at + all[id].size})
			continue
		case err != nil:
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

// Remove has letters removed; one that is not there is no error.
func (d deadLetters) Remove(ctx context.Context, ids ...string) error {
	if err := ctx.Err(); err != nil || len(ids) == 0 {
		return err
	}
	op := &removeOp{j: d.j}
	for _, s := range ids {
		if id, err := strconv.ParseUint(s, 10, 64); err == nil {
			op.ids = append(op.ids, id)
		}
	}
	return d.j.submit(ctx, op)
}

// appendLetter writes what a record holds of a letter.
func appendLetter(b []byte, l engine.DeadLetter) ([]byte, error) {
	if l.Event == nil {
		return nil, errors.New("a dead letter without an event")
	}
	failure, err := json.Marshal(l.Failure)
	if err != nil {
		return nil, fmt.Errorf("dead letter: %w", err)
	}
	b = appendText(b, l.Flow)
	b = appendText(b, failure)
	b = binary.AppendUvarint(b, uint64(l.Event.Offset))
	return appendEvent(b, l.Event)
}

func readLetterBody(body []byte) (l engine.DeadLetter, err error) {
	r := reader[[]byte]{rest: body}
	l.Flow = string(r.text())
	failure := r.text()
	offset := engine.Offset(r.uvarint())
	if r.bad || json.Unmarshal(failure, &l.Failure) != nil {
		return l, errRecord
	}
	if l.Event, err = readEvent(r.rest); err != nil {
		return l, err
	}
	l.Event.Offset = offset
	return l, nil
}

// letterBody reads the bytes of a letter.
func (l letter) body(id uint64) ([]byte, error) {
	b, err := l.seg.read(make([]byte, l.size), l.at)
	if err != nil {
		return nil, err
	}
	rec, ok := firstRecord(b)
	if !ok || rec.kind != kindLetter {
		return nil, errRecord
	}
	r := reader[[]byte]{rest: rec.payload}
	if sum := r.fixed32(); r.bad || sum != l.seg.mark.sum(l.at, r.rest) || r.uvarint() != id || r.bad {
		return nil, errRecord
	}
	return r.rest, nil
}

func (j *Journal) readLetter(id uint64, at letter) (engine.DeadLetter, error) {
	body, err := at.body(id)
	if err != nil {
		return engine.DeadLetter{}, err
	}
	l, err := readLetterBody(body)
	l.ID = strconv.FormatUint(id, 10)
	return l, err
}

type letterOp struct {
	j       *Journal
	letters []engine.DeadLetter
	bodies  [][]byte
	first   uint64
	places  []letter
}

// bulky is false though letters may be big: they take the place of events, which
// go thereby. Add has its own limit.
func (o *letterOp) bulky() bool { return false }

func (o *letterOp) size() (n int) {
	for _, b := range o.bodies {
		n += len(b) + 24
	}
	return n
}

func (o *letterOp) write(f *frame) {
	o.first = f.nextLetter
	for i, body := range o.bodies {
		o.places = append(o.places, f.letter(o.first+uint64(i), body))
	}
	f.nextLetter += uint64(len(o.bodies))
}

func (o *letterOp) written(err error) {
	if err != nil {
		return
	}
	for i, l := range o.places {
		id := o.first + uint64(i)
		o.letters[i].ID = strconv.FormatUint(id, 10)
		o.j.setLetter(id, l)
	}
}

// setLetter notes where a letter is. Journal.mu is held.
func (j *Journal) setLetter(id uint64, l letter) {
	j.lettersSize += l.size - j.letters[id].size
	j.letters[id] = l
	j.nextLetter = max(j.nextLetter, id+1)
}

// removeLetters forgets letters. Journal.mu is held.
func (j *Journal) removeLetters(ids []uint64) {
	for _, id := range ids {
		j.lettersSize -= j.letters[id].size
		delete(j.letters, id)
	}
}

type removeOp struct {
	j   *Journal
	ids []uint64
}

func (o *removeOp) bulky() bool    { return false }
func (o *removeOp) size() int      { return 16 + 10*len(o.ids) }
func (o *removeOp) write(f *frame) { f.removed(o.ids) }

func (o *removeOp) written(err error) {
	if err == nil {
		o.j.removeLetters(o.ids)
		o.j.removedHere = append(o.j.removedHere, o.ids...)
	}
}
