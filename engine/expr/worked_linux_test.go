package expr

import (
	"syscall"
	"time"
)

// worked is how long the thread has used a processor.
func worked() time.Duration {
	const thread = 1 // RUSAGE_THREAD, getrusage(2)
	var used syscall.Rusage
	if err := syscall.Getrusage(thread, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
