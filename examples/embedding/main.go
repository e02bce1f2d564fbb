// Command embedding runs flows inside a Go program, with node types of its own:
// a source that the program feeds over a channel (feed.go), a processor
// (shout.go) and a sink that calls the program (tell.go).
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
	"github.com/flowd/flowd/nodes"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// registry is every node type of flowd, and those of this program. It is a
// value: two engines in a program can have different ones.
func registry(lines <-chan line, tell func(text string) error) *engine.Registry {
	return nodes.All().With(feedFrom(lines), shout, tellTo(tell))
}

// run feeds the lines of in to the flows of the documents, and writes to out
// what they tell, until in ends or ctx is done.
func run(ctx context.Context, documents []string, in io.Reader, out io.Writer) error {
	doc, diags := flows.Load(documents, os.LookupEnv)
	if err := diags.Err(); err != nil {
		return err
	}
	lines := make(chan line)
	eng := engine.New(registry(lines, func(text string) error {
		_, err := fmt.Fprintln(out, text)
		return err
	}), engine.Options{})
	if _, err := eng.Apply(ctx, doc); err != nil {
		return err
	}
	go func() {
		defer close(lines) // the source has finished then, and so has the engine
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			taken := make(chan error, 1)
			select {
			case lines <- line{scanner.Text(), taken}:
			case <-ctx.Done():
				return
			}
			if err := <-taken; err != nil {
				fmt.Fprintln(os.Stderr, "not taken:", err)
			}
		}
	}()
	return eng.Run(ctx)
}
