package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A workload is one job, and the programs that do it.
type workload struct {
	name, about string
	events      int    // by default
	of          string // what they are instead of events, or empty
	once        bool   // is enough
	columns     []column
	prepare     func(context.Context, *bench) ([]program, error) // the first is the baseline
}

// A column is what is measured of each program.
type column struct {
	name   string
	digits int  // behind the point
	ratio  bool // to the baseline is told
}

// A program does the job of a workload once and returns a figure for each
// column, or an error if an event was lost or came twice.
type program struct {
	name string
	run  func(context.Context) ([]float64, error)
}

var workloads = []workload{fileToFile, webhooks, deadReceiver, inProcess, filteredOut, emptyNodes, startUp, manyFlows}

// bench is what the workloads share.
type bench struct {
	dir   string // for what they write
	flowd string // the program
	n     int    // events

	dead     time.Duration // that the receiver is dead
	profiles string        // the folder for profiles of flowd, or empty
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var b bench
	set := flag.NewFlagSet("bench", flag.ExitOnError)
	only := set.String("run", "", "run the workloads whose names match `REGEXP`")
	set.IntVar(&b.n, "n", 0, "send `N` events (default what the workload says)")
	count := set.Int("count", 5, "run each program `N` times and tell the median")
	set.StringVar(&b.dir, "dir", "", "work in `DIR` and leave there what was written (default a folder in the system's own)")
	set.DurationVar(&b.dead, "dead", time.Minute, "have the receiver of W2-dead refuse connections for `TIME`")
	set.StringVar(&b.profiles, "profile", "", "leave profiles of flowd in `DIR`; taking them costs some")
	if err := set.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "flowd-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	if b.flowd, err = b.build(ctx, "cmd/flowd"); err != nil {
		return err
	}
	for _, w := range workloads {
		if !chosen.MatchString(w.name) {
			continue
		}
		if err := b.measure(ctx, w, *count, out); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// measure runs the programs of a workload one after the other, count times, so
// that what slows the machine down meets all of them, and prints the table.
func (b *bench) measure(ctx context.Context, w workload, count int, out io.Writer) error {
	one := *b
	if one.n == 0 {
		one.n = w.events
	}
	one.dir = filepath.Join(b.dir, w.name)
	if err := os.MkdirAll(one.dir, 0o700); err != nil {
		return err
	}
	if w.once {
		count = 1
	}
	programs, err := w.prepare(ctx, &one)
	if err != nil {
		return err
	}
	figures := make([][][]float64, count) // by run, program and column
	for i := range figures {
		for _, p := range programs {
			row, err := p.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			figures[i] = append(figures[i], row)
		}
	}
	fmt.Fprintf(out, "%s: %s; %d %s, medians of %d\n", w.name, w.about, one.n, cmp.Or(w.of, "events"), count)
	return printTable(out, w.columns, programs, figures)
}
