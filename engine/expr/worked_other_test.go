//go:build !linux

package expr

import "time"

var began = time.Now()

// worked is how long the test has run.
func worked() time.Duration { return time.Since(began) }
