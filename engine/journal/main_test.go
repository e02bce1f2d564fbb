package journal_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustOpen(t testing.TB, dir string, opt journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	return j
}
