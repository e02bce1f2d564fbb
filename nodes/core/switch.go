package core

import (
	"context"
	_ "embed"
	"regexp"
	"slices"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

//go:embed switch.go
var switchSource string

// Switch sends each event on by one of several ports.
var Switch = engine.ProcessorSpec[SwitchConfig]{
	About: engine.About{
		Type:    "switch",
		Summary: "Sends each event on by the port whose expression is the first to be true; `from: ID.PORT` takes it there.",
		Example: `switch: {joined: type == "participant_joined", left: type == "participant_left", else: other}`,
		Source:  switchSource,
	},
	Ports:  SwitchConfig.ports,
	Passes: true,
	Gives:  SwitchConfig.gives,
	New:    newSwitch,
}

// SwitchConfig is the configuration of a switch.
type SwitchConfig struct {
	// Cases are the ports and their expressions, in the order in which they
	// are asked: `PORT: EXPRESSION`. The first one that is true takes the
	// event.
	Cases Cases `flow:",main"`
	// Else is the port that takes the events that no expression is true for:
	// one of the others or one of its own. Without it they end here.
	Else string `flow:"else"`
	// All gives the event to every port whose expression is true, not only to
	// the first.
	All bool `flow:"all"`
}

// Cases are the ports of a switch in the order of the document.
type Cases []Case

// A Case is a port and the condition of the events that leave by it.
type Case struct {
	Port string
	When expr.Condition
}

// FlowType is what messages and documentation call it.
func (Cases) FlowType() string { return "map of conditions" }

var portName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// DecodeValue decodes a map of ports, keeping its order.
func (cs *Cases) DecodeValue(v *flows.Value) flows.Diagnostics {
	if v.Kind != flows.Map {
		return flows.Diagnostics{v.Errorf("want a map of ports and their expressions")}
	}
	var diags flows.Diagnostics
	for _, entry := range v.Entries {
		c := Case{Port: entry.Key.Text}
		if wrong := wrongPort(c.Port); wrong != "" {
			diags = append(diags, entry.Key.Errorf("%s", wrong))
		}
		diags = append(diags, c.When.DecodeValue(entry.Value)...)
		*cs = append(*cs, c)
	}
	return diags
}

// wrongPort says what is wrong with the name of a port, or nothing.
func wrongPort(name string) string {
	switch {
	case name == "error":
		return "every node has a port error already, for the events that it could not handle"
	case !portName.MatchString(name):
		return "the name of a port is made of a-z, 0-9 and -, and begins with a letter"
	}
	return ""
}

// Validate says what is wrong beyond the types of the fields.
func (c *SwitchConfig) Validate(report flows.Report) {
	if len(c.Cases) == 0 {
		report("", "want at least one port and its expression")
	}
	if wrong := wrongPort(c.Else); c.Else != "" && wrong != "" {
		report("else", "%s", wrong)
	}
}

// ports lists the ports in the order of the document, that of else last if it
// is one of its own.
func (c SwitchConfig) ports() []string {
	var names []string
	for _, cs := range c.Cases {
		names = append(names, cs.Port)
	}
	if c.Else != "" && !slices.Contains(names, c.Else) {
		names = append(names, c.Else)
	}
	return names
}

// gives parts the events as the switch does.
func (c SwitchConfig) gives(in engine.Schema) []engine.Schema {
	out := make([]engine.Schema, len(c.ports()))
	rest := in
	for port, cs := range c.Cases {
		from := rest
		if c.All {
			from = in
		}
		out[port], _ = cs.When.Narrow(from)
		_, rest = cs.When.Narrow(rest)
	}
	if other := slices.Index(c.ports(), c.Else); other >= 0 {
		out[other] = out[other].And(rest)
	}
	return out
}

// Fits says which ports no event leaves by, where it is known which come.
func (c SwitchConfig) Fits(in engine.Schema, report flows.Report) {
	rest := in
	for _, cs := range c.Cases {
		alone, _ := cs.When.Narrow(in)
		left, others := cs.When.Narrow(rest)
		if !c.All && len(alone) > 0 && len(left) == 0 {
			report(cs.Port, "the cases before take every event for which this is true").Severity = flows.Warning
		}
		rest = others
	}
	if c.Else != "" && len(rest) == 0 {
		report("else", "every event goes to one of the other ports").Severity = flows.Warning
	}
}

func newSwitch(c SwitchConfig) (engine.Processor, error) {
	other := slices.Index(c.ports(), c.Else) // -1 without else
	return engine.Each(func(_ context.Context, e *engine.Event, out *engine.Outlet) error {
		var taken []int
		for port, cs := range c.Cases {
			ok, err := cs.When.True(e)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			taken = append(taken, port)
			if !c.All {
				break
			}
		}
		if taken == nil && other >= 0 {
			taken = append(taken, other)
		}
		for i, port := range taken {
			if i > 0 {
				e = e.Copy() // the branches may meet again
			}
			out.EmitTo(port, e)
		}
		return nil
	}), nil
}

var _ engine.Fitter = SwitchConfig{}
