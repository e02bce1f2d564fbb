// Command file does by hand what file.yaml says: the program that a Go
// programmer writes for this one job in an hour. It trusts its input, keeps
// every id for as long as it runs, and knows nothing of a crash.
package main

import (
	"bufio"
	"log"
	"os"

	"github.com/tidwall/gjson"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	w := bufio.NewWriterSize(out, 64<<10)
	seen := map[string]struct{}{}
	var line []byte
	for lines.Scan() {
		body := lines.Bytes()
		event := gjson.GetBytes(body, "event").Raw
		if event != `"participant_joined"` && event != `"participant_left"` {
			continue
		}
		id := gjson.GetBytes(body, "id").Raw
		if _, ok := seen[id]; ok {
			continue
		}
		seen[id] = struct{}{}
		name := gjson.GetBytes(body, "participant.name").Raw
		room := gjson.GetBytes(body, "room.name").Raw
		line = append(line[:0], `{"at":`...)
		line = append(line, gjson.GetBytes(body, "createdAt").Raw...)
		line = append(line, `,"id":`...)
		line = append(line, id...)
		line = append(line, `,"line":`...)
		line = append(line, name[:len(name)-1]...)
		line = append(line, ` in `...)
		line = append(line, room[1:]...)
		line = append(line, `,"room":`...)
		line = append(line, room...)
		line = append(line, `,"type":`...)
		line = append(line, event...)
		line = append(line, `,"who":`...)
		line = append(line, gjson.GetBytes(body, "participant.identity").Raw...)
		line = append(line, "}\n"...)
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return w.Flush()
}
