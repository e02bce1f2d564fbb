// Package files reads events from files and standard input, and writes events
// to files: the sources tail and stdin, and the sink file.
//
// # The path of an event
//
// In: the follower of a tail (tail.go, follower.go) finds the files of its
// pattern (scan.go) and goes round them; tailed.go reads one file on from its
// checkpoint (checkpoint.go, identity_*.go) and notices when it is truncated;
// framer.go cuts what was read into lines; line.go makes an event of each; put.go
// puts a batch of them in while the next one is read. stdin.go does the same with
// standard input, which has no checkpoint.
//
// Out: the sink (file.go) makes a line (format.go) and a path (path.go) of each
// event, and hands the lines of one file to the pool of open files (pool.go),
// which appends them in one write (appender.go) and puts files aside
// (rotate.go).
//
// # Invariants
//
//  1. A line is read when its line end is there. A checkpoint moves past it
//     only after Put has returned nil.
//  2. The same line of the same file has the same event id however often it is
//     read; two lines never share one, also when they are equal, and also when
//     the file was truncated or replaced in between.
//  3. A file that is renamed is read to its end before the one that took its
//     name is begun.
//  4. While one batch is being put in, at most one more is taken. A batch has at
//     most 512 lines, and 1 MiB and a line.
//  5. Nothing that an event says makes the sink write outside the folder that
//     the fixed part of its path names.
//  6. A file is only ever grown by whole lines, each in one write, whoever
//     writes to it in this process. After a crash or a failed write the next
//     line begins at the beginning of a line.
//  7. At most 128 files are open for writing, unless more are being written to
//     at that moment.
package files
