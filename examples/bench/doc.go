// Command bench measures flowd beside programs that were written by hand for
// one job each, and prints how many times as much flowd takes. README.md says
// what the jobs are.
//
// events.go makes the events, a file for each job (file.go) runs the programs
// and counts what came out, process.go starts and measures them, and table.go
// prints. A figure is only told if every event arrived, whole and once.
package main
