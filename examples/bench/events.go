package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

// bodies are webhooks as LiveKit posts them, one a line behind how many in a
// hundred are like it. What differs from event to event is $id, $at, $sid,
// $room, $who and $name.
//
//go:embed bodies.txt
var bodies string

const (
	repeats = 10      // in a hundred events repeat one of the last
	recent  = 1 << 10 // events; a repeat is one of these
	began   = 1767225600
)

// names are what participants are called, as it stands in JSON.
var names = []string{`佐藤 花子`, `Aiko`, `Ben Okafor`, `Ana \"Nana\" Souza`, `Zoë`, `Maximiliane Oberhuber`}

// An event is one webhook.
type event struct {
	body   []byte
	result result
	kept   bool // it reaches the sink: someone joined or left, told for the first time
}

// A result is what every program makes of an event that is kept.
type result struct {
	At   string `json:"at"`
	ID   string `json:"id"`
	Line string `json:"line"`
	Room string `json:"room"`
	Type string `json:"type"`
	Who  string `json:"who"`
}

// events are n webhooks, the same each time: 775 bytes each on average, of
// which 40 % are of someone who joins or leaves, and 10 % were there before.
func events(n int) iter.Seq[event] {
	return func(yield func(event) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		mix := parseMix()
		var last []event
		for i := range n {
			if len(last) > 0 && random.IntN(100) < repeats {
				again := last[random.IntN(len(last))]
				again.kept = false
				if !yield(again) {
					return
				}
				continue
			}
			e := mix[random.IntN(len(mix))].event(random, i)
			if len(last) < recent {
				last = append(last, e)
			} else {
				last[i%recent] = e
			}
			if !yield(e) {
				return
			}
		}
	}
}

// A template is a body in which something differs each time.
type template struct{ kind, text string }

// parseMix is a hundred templates, each as often as it is sent.
func parseMix() []template {
	var all []template
	for line := range strings.Lines(bodies) {
		share, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(share)
		var body struct{ Event string }
		if err != nil || json.Unmarshal([]byte(text), &body) != nil {
			panic("bodies.txt: " + line)
		}
		for range n {
			all = append(all, template{body.Event, text})
		}
	}
	return all
}

func (t template) event(random *rand.Rand, i int) event {
	id := "EV_" + name(random, 12)
	at := strconv.Itoa(began + i/50)
	room := fmt.Sprintf("support-%04d", random.IntN(2000))
	who := fmt.Sprintf("user-%05d", random.IntN(50_000))
	called := names[random.IntN(len(names))]
	text := strings.NewReplacer("$id", id, "$at", at, "$sid", "RM_"+name(random, 12),
		"$room", room, "$who", who, "$name", called).Replace(t.text)
	e := event{body: []byte(text), kept: t.kind == "participant_joined" || t.kind == "participant_left"}
	e.result = result{At: at, ID: id, Room: room, Type: t.kind, Who: who, Line: unquoted(called) + " in " + room}
	return e
}

// name is n letters and digits.
func name(random *rand.Rand, n int) string {
	const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

func unquoted(text string) (plain string) {
	if err := json.Unmarshal([]byte(`"`+text+`"`), &plain); err != nil {
		panic(err)
	}
	return plain
}

// writeEvents writes n events into a file, one a line.
func writeEvents(path string, n int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	w := bufio.NewWriter(f)
	for e := range events(n) {
		w.Write(e.body) // Flush tells what went wrong
		w.WriteByte('\n')
	}
	return w.Flush()
}

// checkResults compares a file of results with what must become of n events:
// each that is kept once, in order, with every field.
func checkResults(path string, n int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	got := json.NewDecoder(bufio.NewReader(f))
	got.DisallowUnknownFields()
	for e := range events(n) {
		if !e.kept {
			continue
		}
		var r result
		if err := got.Decode(&r); err != nil {
			return fmt.Errorf("%s is missing: %w", e.result.ID, err)
		}
		if r != e.result {
			return fmt.Errorf("got %v, want %v", r, e.result)
		}
	}
	if err := got.Decode(new(result)); err != io.EOF {
		return fmt.Errorf("there is more than was sent: %v", err)
	}
	return nil
}
