// Command bench measures flowd beside programs that were written by hand for
// one job each, and prints how many times as much flowd takes. README.md says
// what the jobs are.
//
// events.go makes the events, and a file for each job runs the programs and
// counts what came out: file.go, webhook.go, dead.go, inprocess.go, start.go.
// load.go posts webhooks, receiver.go gets what is posted on, process.go starts
// and measures processes, and table.go prints. A figure is only told if every
// event arrived, whole and once.
package main
