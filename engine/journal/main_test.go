package journal_test

import (
	"context"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/flowd/flowd/engine"
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

func event(id string, size int) *engine.Event {
	data := make([]byte, size)
	for i := range data {
		data[i] = 'x'
	}
	return &engine.Event{ID: id, Source: "test", Type: "tick", Data: engine.JSON([]byte(fmt.Sprintf("%q", id+string(data))))}
}

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	opt := journal.Options{SegmentSize: 64 << 10, KeepSize: 1 << 20}
	j := mustOpen(t, dir, opt)
	log, _ := j.Log(ctx, "f")
	c, _ := log.Cursor(ctx, "main")
	batch := make([]*engine.Event, 10)
	for i := range 3000 {
		if err := log.Append(ctx, []*engine.Event{event(fmt.Sprint(i), 900)}); err != nil {
			t.Fatal(i, err)
		}
		if i%500 == 499 {
			j.Close()
			j = mustOpen(t, dir, opt)
			log, _ = j.Log(ctx, "f")
			c, _ = log.Cursor(ctx, "main")
		}
		if i%10 == 9 {
			for got := 0; got < 10; {
				n, err := c.Next(ctx, batch)
				if err != nil {
					t.Fatal(err)
				}
				for k, e := range batch[:n] {
					if want := fmt.Sprint(i - 9 + got + k); e.ID != want {
						t.Fatal(e.ID, want)
					}
				}
				got += n
			}
			if err := c.Commit(ctx, batch[0].Offset); err != nil {
				t.Fatal(err)
			}
			if err := c.Commit(ctx, engine.Offset(i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	fmt.Printf("%+v\n", j.Stats())
	fmt.Println(j.Losses())
	j.Close()
}
