package journal_test

import (
	"context"
	"fmt"
	"os"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/journal"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, id := range []string{"1", "2"} { // a program that is started twice
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			panic(err)
		}
		log, err := j.Log(context.Background(), "calls")
		if err != nil {
			panic(err)
		}
		if err := log.Append(context.Background(), []*engine.Event{{ID: id}}); err != nil {
			panic(err)
		}
		fmt.Println(id, "is at", log.End())
		if err := j.Close(); err != nil {
			panic(err)
		}
	}
	// Output:
	// 1 is at 1
	// 2 is at 2
}
