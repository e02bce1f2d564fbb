package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func graphCommand() *command {
	format := ""
	return &command{
		name: "graph", args: "[FLOW] [-f PATH]... [--format FORMAT]", most: 1,
		summary: "draw the flows",
		flags: func(set *flag.FlagSet, o *options) {
			fileFlag(set, o)
			set.StringVar(&format, "format", "text", "draw as `FORMAT`: text, mermaid, dot or svg (default text)")
		},
		run: func(_ context.Context, o *options, args []string) error {
			draw := map[string]func(io.Writer, []*drawing){
				"text": drawText, "mermaid": drawMermaid, "dot": drawDot, "svg": drawSVG,
			}[format]
			if draw == nil {
				return usage("--format: want text, mermaid, dot or svg, got %q%s", format, hint(format, []string{"text", "mermaid", "dot", "svg"}))
			}
			doc, diags := o.load() // what can be drawn is, whatever is wrong with it
			if len(doc.Flows) == 0 {
				return diags
			}
			var drawings []*drawing
			var known []string
			for _, f := range doc.Flows {
				known = append(known, f.Name)
				if len(args) == 0 || args[0] == f.Name {
					drawings = append(drawings, drawingOf(f))
				}
			}
			if len(drawings) == 0 {
				return usage("no flow %q%s", args[0], hint(args[0], known))
			}
			draw(o.out, drawings)
			return nil
		},
	}
}

// A drawing is a flow as boxes and arrows.
type drawing struct {
	name  string
	boxes []*box
	edges []edge
}

type box struct {
	id, kind string
	note     string // its type, where the id is another
	layer    int    // steps from the sources
	row      int    // in its layer
}

type edge struct {
	from, to *box
	port     string
}

func drawingOf(f *flows.Flow) *drawing {
	d := &drawing{name: f.Name}
	byID := map[string]*box{}
	for i, n := range f.Nodes {
		b := &box{id: n.ID, kind: kindOf(n, i == 0)}
		if n.ID != n.Type {
			b.note = n.Type
		}
		byID[n.ID] = b
		d.boxes = append(d.boxes, b)
	}
	for i, n := range f.Nodes {
		refs := n.From
		if len(refs) == 0 && i > 0 && byID[n.ID].kind != engine.SourceKind.String() {
			refs = []flows.Ref{{ID: n.Above.ID}}
		}
		for _, ref := range refs {
			if from := byID[ref.ID]; from != nil {
				d.edges = append(d.edges, edge{from, byID[n.ID], ref.Port})
			}
		}
	}
	d.layers()
	return d
}

// kindOf is the kind of a node: a type that is a source and a sink is a source
// where nothing leads to it.
func kindOf(n *flows.Node, first bool) string {
	specs := registry.Lookup(n.Type)
	switch {
	case len(specs) == 0:
		return "unknown"
	case first && len(n.From) == 0:
		return specs[0].Kind.String()
	}
	return specs[len(specs)-1].Kind.String()
}

// layers puts each box behind all that lead to it. A loop, which is a mistake,
// ends after as many rounds as there are boxes.
func (d *drawing) layers() {
	for range d.boxes {
		for _, e := range d.edges {
			e.to.layer = min(max(e.to.layer, e.from.layer+1), len(d.boxes))
		}
	}
	rows := map[int]int{}
	for _, b := range d.boxes {
		b.row = rows[b.layer]
		rows[b.layer]++
	}
}

// drawText draws each run of nodes as a line.
func drawText(w io.Writer, drawings []*drawing) {
	for _, d := range drawings {
		fmt.Fprintln(w, d.name)
		ways := map[*box][]edge{}
		into := map[*box]int{}
		for _, e := range d.edges {
			ways[e.from] = append(ways[e.from], e)
			into[e.to]++
		}
		for _, b := range d.boxes {
			// A box amid a run is drawn with the one before it.
			if into[b] == 1 && len(ways[b]) <= 1 && amid(b, ways) {
				continue
			}
			if len(ways[b]) == 0 && into[b] > 0 {
				continue
			}
			if len(ways[b]) == 0 {
				fmt.Fprintf(w, "  %s\n", b.id)
			}
			for _, e := range ways[b] {
				fmt.Fprintf(w, "  %s%s", b.id, dotted(e.port))
				for at := e.to; ; {
					fmt.Fprintf(w, " → %s", at.id)
					next := ways[at]
					if len(next) != 1 || into[at] > 1 || next[0].port != "" {
						break
					}
					at = next[0].to
				}
				fmt.Fprintln(w)
			}
		}
	}
}

// amid reports whether no way out of a box names a port, so that the line of the
// box before it goes on.
func amid(b *box, ways map[*box][]edge) bool {
	for _, e := range ways[b] {
		if e.port != "" {
			return false
		}
	}
	return true
}

func dotted(port string) string {
	if port == "" {
		return ""
	}
	return "." + port
}

// label is what stands in a box.
func (b *box) label() string {
	if b.note == "" {
		return b.id
	}
	return b.id + " (" + b.note + ")"
}

func drawMermaid(w io.Writer, drawings []*drawing) {
	fmt.Fprintln(w, "flowchart LR")
	shapes := map[string][2]string{"source": {`(["`, `"])`}, "sink": {`[/"`, `"/]`}}
	for _, d := range drawings {
		fmt.Fprintf(w, "  subgraph %s\n", d.name)
		for _, b := range d.boxes {
			shape, ok := shapes[b.kind]
			if !ok {
				shape = [2]string{`["`, `"]`}
			}
			fmt.Fprintf(w, "    %s.%s%s%s%s\n", d.name, b.id, shape[0], b.label(), shape[1])
		}
		for _, e := range d.edges {
			arrow := "-->"
			if e.port != "" {
				arrow = "-- " + e.port + " -->"
			}
			fmt.Fprintf(w, "    %s.%s %s %s.%s\n", d.name, e.from.id, arrow, d.name, e.to.id)
		}
		fmt.Fprintln(w, "  end")
	}
}

func drawDot(w io.Writer, drawings []*drawing) {
	fmt.Fprint(w, "digraph flows {\n  rankdir=LR;\n  node [shape=box];\n")
	shapes := map[string]string{"source": ", shape=oval", "sink": ", shape=box3d"}
	for i, d := range drawings {
		fmt.Fprintf(w, "  subgraph cluster_%d {\n    label=%q;\n", i, d.name)
		for _, b := range d.boxes {
			fmt.Fprintf(w, "    %q [label=%q%s];\n", d.name+"."+b.id, b.label(), shapes[b.kind])
		}
		for _, e := range d.edges {
			label := ""
			if e.port != "" {
				label = fmt.Sprintf(" [label=%q]", e.port)
			}
			fmt.Fprintf(w, "    %q -> %q%s;\n", d.name+"."+e.from.id, d.name+"."+e.to.id, label)
		}
		fmt.Fprintln(w, "  }")
	}
	fmt.Fprintln(w, "}")
}

// Sizes of a picture, in pixels.
const (
	boxHeight  = 36
	gapX, gapY = 64, 20
	marginSVG  = 24
	titleSVG   = 30
)

var colours = map[string]string{"source": "#d9f2e3", "processor": "#e3ecfb", "sink": "#fbe9d0", "unknown": "#f5d5d5"}

// drawSVG draws the flows below each other, each in layers from left to right.
func drawSVG(w io.Writer, drawings []*drawing) {
	var body strings.Builder
	width, y := 0, marginSVG
	for _, d := range drawings {
		ways, rows := d.ways()
		x, ends := d.columns(ways)
		width = max(width, marginSVG+textWidth(d.name))
		fmt.Fprintf(&body, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", marginSVG, y+14, html.EscapeString(d.name))
		top := y + titleSVG
		middle := func(row int) int { return top + row*(boxHeight+gapY) + boxHeight/2 }
		var labels strings.Builder // over all lines
		for _, w := range ways {
			atX, atY := x[w.from.layer]+w.from.width(), middle(w.from.row)
			fmt.Fprintf(&body, `<path d="M%d,%d`, atX, atY)
			for layer := w.from.layer + 1; layer <= w.to.layer; layer++ {
				toX, toY := x[layer], middle(w.row)
				if layer == w.to.layer {
					toY = middle(w.to.row)
				}
				begin := ends[layer-1]
				if begin > atX {
					fmt.Fprintf(&body, ` L%d,%d`, begin, atY)
				}
				bend := (begin + toX) / 2
				fmt.Fprintf(&body, ` C%d,%d %d,%d %d,%d`, bend, atY, bend, toY, toX, toY)
				if layer == w.from.layer+1 && w.port != "" {
					fmt.Fprintf(&labels, `<text x="%d" y="%d" font-size="11" fill="#667" text-anchor="middle" stroke="#fff" stroke-width="4" paint-order="stroke">%s</text>`+"\n",
						begin+(toX-begin)*55/100, atY+(toY-atY)*65/100-5, html.EscapeString(w.port))
				}
				atX, atY = toX, toY
			}
			if w.to.layer <= w.from.layer { // a loop, which is a mistake
				toX, toY := x[w.to.layer], middle(w.to.row)
				fmt.Fprintf(&body, ` C%d,%d %d,%d %d,%d`, atX+gapX, atY, toX-gapX, toY, toX, toY)
			}
			fmt.Fprint(&body, `" fill="none" stroke="#667" marker-end="url(#arrow)"/>`+"\n")
		}
		body.WriteString(labels.String())
		for _, b := range d.boxes {
			bx, by := x[b.layer], top+b.row*(boxHeight+gapY)
			fmt.Fprintf(&body, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="%s" stroke="#667"/>`+"\n", bx, by, b.width(), boxHeight, colours[b.kind])
			fmt.Fprintf(&body, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", bx+b.width()/2, by+boxHeight/2+5, html.EscapeString(b.label()))
			width = max(width, bx+b.width())
		}
		y = top + rows*(boxHeight+gapY) + marginSVG/2
	}
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width+marginSVG, y)
	fmt.Fprintln(w, `<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#667"/></marker></defs>`)
	fmt.Fprintln(w, `<rect width="100%" height="100%" fill="#fff"/>`)
	fmt.Fprint(w, body.String())
	fmt.Fprintln(w, "</svg>")
}

func (b *box) width() int { return max(64, textWidth(b.label())+24) }

// textWidth is how wide a text is at most, about.
func textWidth(text string) int {
	width := 0
	for _, r := range text {
		switch {
		case r >= 0x1100 || strings.ContainsRune("MWmw@%", r):
			width += 14
		case unicode.IsUpper(r):
			width += 11
		default:
			width += 8
		}
	}
	return width
}

// A way is an arrow of the picture: all edges from one box to another.
type way struct {
	edge
	row int // of the layers that it passes, where no box is
}

// ways are the arrows, and how many rows they and the boxes take.
func (d *drawing) ways() (ways []*way, rows int) {
	used := map[int]int{} // by layer
	for _, b := range d.boxes {
		used[b.layer] = max(used[b.layer], b.row+1)
	}
	for _, e := range d.edges {
		same := slices.IndexFunc(ways, func(w *way) bool { return w.from == e.from && w.to == e.to })
		if same >= 0 {
			ways[same].port += ", " + cmp.Or(e.port, "out")
			continue
		}
		w := &way{edge: e}
		for layer := e.from.layer + 1; layer < e.to.layer; layer++ {
			w.row = max(w.row, used[layer])
		}
		for layer := e.from.layer + 1; layer < e.to.layer; layer++ {
			used[layer] = w.row + 1
		}
		ways = append(ways, w)
	}
	for _, n := range used {
		rows = max(rows, n)
	}
	return ways, rows
}

// columns are where the layers begin and end. Behind each is room for the ports
// that lead out of it.
func (d *drawing) columns(ways []*way) (begins, ends map[int]int) {
	widest, gap, last := map[int]int{}, map[int]int{}, 0
	for _, b := range d.boxes {
		widest[b.layer] = max(widest[b.layer], b.width())
		last = max(last, b.layer)
	}
	for _, w := range ways {
		gap[w.from.layer] = max(gap[w.from.layer], textWidth(w.port)+24)
	}
	begins, ends = map[int]int{}, map[int]int{}
	at := marginSVG
	for layer := 0; layer <= last; layer++ {
		begins[layer], ends[layer] = at, at+widest[layer]
		at = ends[layer] + max(gapX, gap[layer])
	}
	return begins, ends
}
