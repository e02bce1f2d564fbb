package enginetest

import (
	"fmt"
	"strings"

	"github.com/flowd/flowd/flows"
)

// Coverage is which nodes and ports the events of some tests came to. The zero
// Coverage is ready.
type Coverage struct {
	flows   []*flows.Flow
	reached map[string]map[string]bool // by flow
}

// Add counts what a test of a document reached.
func (c *Coverage) Add(doc *flows.Document, r *Result) {
	if c.reached == nil {
		c.reached = map[string]map[string]bool{}
	}
	for _, f := range doc.Flows {
		if c.reached[f.Name] == nil {
			c.reached[f.Name] = map[string]bool{}
			c.flows = append(c.flows, f)
		}
	}
	for place, reached := range r.Reached {
		if of := c.reached[r.Flow]; of != nil && reached {
			of[place] = true
		}
	}
}

// Report counts them, and lists those that no event came to.
func (c *Coverage) Report() string {
	var missed strings.Builder
	total, reached := map[string]int{}, map[string]int{}
	count := func(f *flows.Flow, what, place, none string) {
		total[what]++
		if c.reached[f.Name][place] {
			reached[what]++
			return
		}
		fmt.Fprintf(&missed, "  %s.%s: %s\n", f.Name, place, none)
	}
	for _, f := range c.flows {
		ports := map[string]bool{}
		for _, n := range f.Nodes {
			count(f, "nodes", n.ID, "no event came")
			for _, ref := range n.From {
				if port := ref.ID + "." + ref.Port; ref.Port != "" && !ports[port] {
					ports[port] = true
					count(f, "ports", port, "no event took this port")
				}
			}
		}
	}
	return fmt.Sprintf("coverage: %d of %d nodes, %d of %d ports\n%s",
		reached["nodes"], total["nodes"], reached["ports"], total["ports"], missed.String())
}
