// Package journal is the store on disk: one append-only log for all flows, in
// which everything is a record. What it has acknowledged is never lost.
//
// # The path of an event
//
// Append (flow.go) encodes a batch (event.go) and queues it. The committer
// (commit.go), one goroutine, gathers all that waits into one frame
// (frame.go), writes it to the active segment (segment.go) and syncs once; for
// cursors and checkpoints alone it waits a moment, while events keep coming. It
// then publishes what the frame says to the indexes in memory and wakes those
// who wait. A cursor (cursor.go) takes recent events from memory and older ones
// from disk (page.go), by an index that has one entry for 128 events. What is
// delivered and no longer to be kept goes, a whole segment at a time (trim.go),
// and its file is used again. Open (open.go) reads the segments and rebuilds
// the indexes.
//
// # The folder
//
//	lock                    held with flock while the store is open; the process id inside is for people
//	format                  "flowd journal 1"
//	00000007-5bd1e995.log   segments: number, salt
//	00000003-9e3779b9.old   at most one file that waits to be used again
//
// A segment has no header: its number and its salt, both in its name, are its
// mark, and every frame in it begins with the mark. Numbers only grow. The salt
// is random, so that nobody who sends events can put a frame into a payload.
//
// # A frame
//
//	number u32 | salt u32 | length u32 | crc32c u32 | records: kind u8, length uvarint, payload
//
// Fixed integers are little-endian. The checksum covers the mark, the frame's
// place in the segment and the records: the frames of a file's earlier life as
// another segment never parse, nor does one that was written elsewhere. Records:
//
//	opening     version, number and end of the segment before, place of its summary, time;
//	            begins a segment. The records of its frame are all flows, cursors and checkpoints
//	flow        hash of the name, name, last offset, offset up to which it was dropped
//	event       crc, flow, offset, distance back to the event before it in its page, event
//	cursor      flow, name, offset; or that the cursor is gone
//	keys        flow, node, expiry, time to live, and the hash and owner of each key claimed
//	checkpoint  flow, node, key, value; or that it is gone
//	letter      crc, id, dead letter
//	removed     ids of dead letters
//	summary     begins the frame that ends a segment: its pages, keys, letters and removals
//
// Flows and nodes are named by the first 64 bits of the SHA-256 of their name,
// so no record needs another to be understood. Keys are the first 128. An event
// and a dead letter have a checksum of their own (of mark, place and record), since
// they are read singly.
//
// # Invariants
//
//  1. Append, Commit, Claim beside the log, Save, Add and Remove return nil only
//     after the frame that holds all of their records has been written and
//     synced (as often as Options.Fsync says). A frame is there wholly or not
//     at all.
//  2. Indexes in memory change only after the sync. What a failed frame would
//     have changed is as it was.
//  3. At most one frame is unsynced, and it is the last (fsync: always).
//  4. The offsets of a flow's events on disk rise by one, from frame to frame.
//     A gap is a loss, and reported.
//  5. A frame that holds a cursor also holds, or follows, every key claimed for
//     the offsets that it settles.
//  6. The first frame of a segment holds all flows, cursors and checkpoints, and
//     says where the segment before ends.
//  7. Segments go oldest first, and only when all their events are delivered,
//     or are as old as delivered ones get and wait for cursors that Tend has
//     called unwanted (orphan.go), which is told. What in one still counts
//     (keys, dead letters) is written again and synced before it goes.
//  8. No frame is written to a segment after a failed sync.
//  9. A number is given to one segment only; a file gets its new name, synced
//     in the folder, before anything is written to it.
//  10. Memory holds: an entry for 128 events of a flow, one for each live key,
//     cursor, checkpoint and dead letter, and at most Options.Cache bytes of
//     recent events. Payloads wait on disk.
//
// # Crashes
//
// In a frame. The last segment ends in bytes that are no frame. Nothing in them
// was acknowledged (1, 3). Open goes on writing at their beginning. They can't
// return: what the next frame does not overwrite has no mark in front of it.
// Should frames with the mark follow, it is no torn tail but damage, see below.
//
// After a frame, before its answer. The sender sends again, and its event is
// there twice: at least once. A cursor or a claim is as it was asked for.
//
// Roll (new name, folder synced; summary to the old segment; first frame of the
// new segment). After the new name: the new segment has no good frame, so it is
// put aside for later use and the old one goes on. After the summary: likewise,
// the summary is skipped and the next roll writes another. After the first
// frame: done. If the summary could not be written, Open scans. If the first
// frame fails, the old segment goes on only when the new one is surely gone:
// found later, its first frame would end the old one too early.
//
// Recycle (file renamed to .old, folder synced; at a roll renamed to the new
// segment). A rename that was lost leaves the segment where it was, the oldest:
// its events are delivered, its cursors are overruled by every later segment
// (6), its letters and keys are there twice with equal ids, and their removals
// come later (7). Two files named .old: one is deleted. Under its new name the
// file holds old frames with an old mark: no frame.
//
// Snapshot. There is none to get lost: a summary and a first frame are frames
// of the log itself, used only if their checksum is right.
//
// Trim (what counts is written again; segment renamed). In between, it is there
// twice, see Recycle.
//
// Dead letter. The engine commits the cursor after Add has returned, so a crash
// in between brings the event again and the letter may be there twice; never
// not at all. A removal is newer than what it removes, so it goes later (7).
//
// Claim. Until the commit that follows, a claim is in memory alone. A crash
// forgets it, and brings the events again, in the same order and with the same
// offsets, that win and lose the same keys. With the commit it is on disk, in
// the same frame (5).
//
// # Failures
//
// A write that fails (disk full) leaves the end of the segment where it was, and
// is tried again there with the next frame. A sync that fails says nothing about
// what is on disk, and a second sync may lie: the segment ends before that
// frame, a new one is opened whose first frame says so, and who waited gets an
// error (8). If the process dies before that, the frame may be found whole in
// the system's memory, though not on disk. It counts (an error is no promise
// that nothing was stored), and since it is the last one (3), Open writes it
// again before anything is done with it.
//
// Room is taken in steps ahead of the events, with a reserve behind it that only
// cursors and the like may use: on a full disk what is there can still be
// delivered, committed and trimmed. A full disk or log takes nothing more
// (engine.ErrFull), and mends by itself.
//
// Damage: a frame that does not parse, with frames behind it, or before the end
// that the next segment states. Open goes on at the next frame of the segment,
// found by its mark, and reports the bytes skipped and the offsets missing. A
// read that meets a damaged event reports it and goes on with the next one. Of
// the newest events of a flow that are in skipped bytes only the bytes are known,
// unless a cursor or the next segment tells how far the log went. An unknown
// format is refused.
package journal
