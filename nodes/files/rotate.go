package files

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowd/flowd/flows"
)

// A Period is a length of time that begins at fixed points: hourly, daily, or
// a duration.
type Period struct {
	layout string // of what stays the same within it
	length flows.Duration
}

// FlowType is what messages and documentation call it.
func (Period) FlowType() string { return "period" }

// UnmarshalText reads a period.
func (p *Period) UnmarshalText(text []byte) error {
	switch string(text) {
	case "hourly":
		p.layout = "2006-01-02T15"
	case "daily":
		p.layout = "2006-01-02"
	default:
		if err := p.length.UnmarshalText(text); err != nil || p.length <= 0 {
			return fmt.Errorf("want hourly, daily or a duration like 6h, got %q", text)
		}
	}
	return nil
}

// same reports whether both times are in one period; without a period all
// times are.
func (p Period) same(a, b time.Time) bool {
	if p.length > 0 {
		length := time.Duration(p.length)
		return a.Truncate(length).Equal(b.Truncate(length))
	}
	return p.layout == "" || a.Local().Format(p.layout) == b.Local().Format(p.layout)
}

// fits returns up to which line, from line from on, the lines may go to the
// file before it is rotated.
func (r Rotate) fits(file os.FileInfo, l lines, from int) (to int) {
	if file.Size() > 0 && !r.Every.same(file.ModTime(), time.Now()) {
		return from
	}
	to = len(l.ends)
	if r.Size <= 0 {
		return to
	}
	room := int64(r.Size) - file.Size()
	to = from
	for to < len(l.ends) && int64(l.ends[to]-l.start(from)) <= room {
		to++
	}
	if to == from && file.Size() == 0 {
		to++
	}
	return to
}

const stamp = "20060102T150405.000Z"

// asideName is what the file name is called when it is put aside at t.
func asideName(name string, t time.Time) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + t.UTC().Format(stamp) + ext
}

// asideTime is when the file name was put aside under the name aside.
func asideTime(name, aside string) (time.Time, bool) {
	ext := filepath.Ext(name)
	rest, ok := strings.CutPrefix(aside, strings.TrimSuffix(name, ext)+"-")
	if !ok {
		return time.Time{}, false
	}
	rest, ok = strings.CutSuffix(strings.TrimSuffix(rest, ".gz"), ext)
	t, err := time.Parse(stamp, rest)
	return t, ok && err == nil
}

// rotate puts the file aside. The next write begins a new one.
func (a *appender) rotate(s settings) error {
	name := filepath.Base(a.at.rel)
	at := time.Now()
	for ; ; at = at.Add(time.Millisecond) {
		_, err := a.dir.Lstat(asideName(name, at))
		_, errGzip := a.dir.Lstat(asideName(name, at) + ".gz")
		if errors.Is(err, fs.ErrNotExist) && errors.Is(errGzip, fs.ErrNotExist) {
			break
		}
		if err := errors.Join(err, errGzip); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := a.dir.Rename(name, asideName(name, at)); err != nil {
		return err
	}
	if s.rotate.Keep > 0 || s.rotate.Gzip {
		dir, err := a.dir.OpenRoot(".")
		if err != nil {
			return errors.Join(err, a.close())
		}
		a.pool.behind.Go(func() {
			defer dir.Close()
			a.pool.tidy.Lock()
			defer a.pool.tidy.Unlock()
			if err := tidy(a.pool.ctx, dir, name, s.rotate); err != nil && a.pool.ctx.Err() == nil {
				a.pool.log.Error("tidying up rotated files", "path", a.at.path(), "error", err)
			}
		})
	}
	return a.close()
}

// tidy removes the files put aside beyond those that are kept, and compresses
// the others. What a crash left half done it does again.
func tidy(ctx context.Context, dir *os.Root, name string, r Rotate) error {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	var aside []string
	for _, e := range entries {
		if _, ok := asideTime(name, e.Name()); ok && e.Type().IsRegular() {
			aside = append(aside, e.Name())
		}
	}
	slices.SortFunc(aside, func(a, b string) int { // newest first
		at, _ := asideTime(name, a)
		bt, _ := asideTime(name, b)
		return bt.Compare(at)
	})
	var errs []error
	for i, old := range aside {
		switch {
		case r.Keep > 0 && i >= r.Keep:
			errs = append(errs, dir.Remove(old))
		case r.Gzip && !strings.HasSuffix(old, ".gz"):
			errs = append(errs, compress(ctx, dir, old))
		}
	}
	return errors.Join(errs...)
}

// compress replaces a file by its gzip, which is there only when it is whole.
func compress(ctx context.Context, dir *os.Root, name string) (err error) {
	from, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	part := name + ".gz.part"
	to, err := dir.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	z := gzip.NewWriter(to)
	z.Name, z.ModTime = name, info.ModTime()
	_, err = io.Copy(z, untilDone{ctx, from})
	if err = errors.Join(err, z.Close(), to.Sync(), to.Close()); err != nil {
		return errors.Join(err, dir.Remove(part))
	}
	if err := dir.Rename(part, name+".gz"); err != nil {
		return err
	}
	return dir.Remove(name)
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
