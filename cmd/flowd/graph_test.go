package main

import (
	"strings"
	"testing"
)

func TestNoArrowOfAPictureGoesThroughABox(t *testing.T) {
	source, fork, middle, sink := &box{id: "in"}, &box{id: "fork"}, &box{id: "middle"}, &box{id: "out"}
	d := &drawing{boxes: []*box{source, fork, middle, sink}, edges: []edge{
		{from: source, to: fork}, {fork, middle, "a"}, {fork, sink, "b"}, {fork, sink, "c"},
		{from: middle, to: sink}, {from: source, to: sink},
	}}
	d.layers()
	ways, rows := d.ways()
	if len(ways) != 5 || rows != 3 {
		t.Errorf("%d arrows in %d rows", len(ways), rows)
	}
	for _, w := range ways {
		for _, b := range d.boxes {
			if b.layer > w.from.layer && b.layer < w.to.layer && b.row == w.row {
				t.Errorf("the arrow from %s to %s goes through %s", w.from.id, w.to.id, b.id)
			}
		}
	}
}

func TestThereIsRoomForTheNamesOfPorts(t *testing.T) {
	from, to := &box{id: "a"}, &box{id: "b"}
	port := strings.Repeat("W", 30)
	d := &drawing{boxes: []*box{from, to}, edges: []edge{{from, to, port}}}
	d.layers()
	ways, _ := d.ways()
	begins, ends := d.columns(ways)
	if room := begins[1] - ends[0]; room < textWidth(port) {
		t.Errorf("%d pixels for %d", room, textWidth(port))
	}
}
