package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/admin"
	"github.com/flowd/flowd/flows"
)

var configCommand = &command{
	name: "config", args: "[-f PATH]...",
	summary: "print the documents as flowd understands them: merged, with variables put in, without secrets",
	flags:   fileFlag,
	run: func(_ context.Context, o *options, _ []string) error {
		doc, diags := o.check()
		fmt.Fprint(o.err, diags.Format())
		if diags.Failed() {
			return status(wrong)
		}
		text, err := resolved(doc).Write()
		if err != nil {
			return err
		}
		_, err = o.out.Write(text)
		return err
	},
}

// resolved is a document as one value, without secrets.
func resolved(doc *flows.Document) *flows.Value {
	whole := &flows.Value{Kind: flows.Map}
	put(whole, "server", doc.Server.Mask(engine.ServerConfig{}))
	put(whole, "admin", doc.Admin.Mask(admin.Config{}))
	put(whole, "store", doc.Store.Mask(storeConfig{}))
	all := &flows.Value{Kind: flows.Map}
	for _, f := range doc.Flows {
		one := &flows.Value{Kind: flows.Map}
		if f.Description != "" {
			put(one, "description", text(f.Description))
		}
		if f.Lanes > 1 {
			put(one, "lanes", &flows.Value{Kind: flows.Int, Text: strconv.Itoa(f.Lanes)})
		}
		put(one, "order_by", f.OrderBy)
		nodes := &flows.Value{Kind: flows.List}
		for i, n := range f.Nodes {
			nodes.Items = append(nodes.Items, resolvedNode(n, i == 0))
		}
		put(one, "nodes", nodes)
		put(all, f.Name, one)
	}
	put(whole, "flows", all)
	return whole
}

func resolvedNode(n *flows.Node, first bool) *flows.Value {
	v := &flows.Value{Kind: flows.Map}
	config := n.Config
	for _, s := range registry.Lookup(n.Type) {
		if s.Kind.String() == kindOf(n, first) {
			config = config.Mask(s.Default)
		}
	}
	put(v, n.Type, config)
	put(v, "id", text(n.ID))
	if len(n.From) > 0 {
		from := &flows.Value{Kind: flows.List}
		for _, ref := range n.From {
			from.Items = append(from.Items, ref.At)
		}
		put(v, "from", from)
	}
	put(v, "when", n.When)
	put(v, "retry", n.Retry)
	put(v, "timeout", n.Timeout)
	if n.OnError == flows.Drop {
		put(v, "on_error", text("drop"))
	}
	return v
}

func text(s string) *flows.Value { return &flows.Value{Kind: flows.String, Text: s} }

// put adds an entry to a map, unless it is left out.
func put(m *flows.Value, key string, v *flows.Value) {
	if v != nil {
		m.Entries = append(m.Entries, flows.Entry{Key: text(key), Value: v})
	}
}
