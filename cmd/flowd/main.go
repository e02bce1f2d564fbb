// Command flowd runs the flows of a flows.yaml, and runs them anew when the
// file is saved.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
