package journal_test

import (
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/enginetest"
	"github.com/flowd/flowd/engine/journal"
	"github.com/flowd/flowd/engine/journal/memfs"
)

func TestAJournalIsAStore(t *testing.T) {
	for _, size := range []int64{64 << 10, 64 << 20} {
		opt := journal.Options{SegmentSize: size, Cache: 1 << 10}
		dirs := map[engine.Store]string{}
		enginetest.TestStore(t, func(t *testing.T) engine.Store {
			dir := t.TempDir()
			s := mustOpen(t, dir, opt)
			dirs[s] = dir
			return s
		}, func(t *testing.T, s engine.Store) engine.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := mustOpen(t, dirs[s], opt)
			dirs[again] = dirs[s]
			return again
		})
	}
}

func TestAJournalInMemoryIsAStore(t *testing.T) {
	folders := map[engine.Store]*memfs.FS{}
	enginetest.TestStore(t, func(t *testing.T) engine.Store {
		fs := memfs.New()
		s := mustOpen(t, "", journal.Options{FS: fs})
		folders[s] = fs
		return s
	}, func(t *testing.T, s engine.Store) engine.Store {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		fs := folders[s].Crash(nil)
		again := mustOpen(t, "", journal.Options{FS: fs})
		folders[again] = fs
		return again
	})
}
