package flows

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// A loader merges files into a document.
type loader struct {
	doc      *Document
	flows    map[string]*Value // by name, the key that gave it
	sections map[string]*Value
	noFlows  *Value // a key flows: with nothing under it
	diags    Diagnostics
}

func (l *loader) fail(d Diagnostic) { l.diags = append(l.diags, d) }

// nameForm is the form of names of flows and nodes; wordForm finds what may be
// one at the beginning of a text.
var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	wordForm = regexp.MustCompile(`^[a-z][a-z0-9-]*`)
)

var (
	sections   = []string{"server", "admin", "store", "flows"}
	flowKeys   = []string{"description", "lanes", "order_by", "nodes"}
	engineKeys = []string{"id", "from", "when", "retry", "on_error", "timeout"}
)

// document takes what one file says.
func (l *loader) document(root *Value) {
	if root.Kind == Null {
		return
	}
	if root.Kind != Map {
		l.fail(wrong(root, "a map", sections))
		return
	}
	for _, e := range root.Entries {
		name := e.Key.Text
		switch {
		case strings.HasPrefix(name, "x-"):
		case !slices.Contains(sections, name):
			l.fail(unknownKey(e.Key, sections))
		case name == "flows":
			l.flowsOf(e)
		default:
			l.section(e)
		}
	}
}

// section takes one of the daemon's own settings.
func (l *loader) section(e Entry) {
	name := e.Key.Text
	if first := l.sections[name]; first != nil {
		l.fail(twice(e.Key, first))
		return
	}
	l.sections[name] = e.Key
	*map[string]**Value{"server": &l.doc.Server, "admin": &l.doc.Admin, "store": &l.doc.Store}[name] = e.Value
}

func (l *loader) flowsOf(section Entry) {
	switch v := section.Value; {
	case v.Kind == Null || v.Kind == Map && len(v.Entries) == 0:
		l.noFlows = section.Key
		return
	case v.Kind != Map:
		l.fail(wrong(v, "a map of flows by name", nil))
		return
	}
	for _, e := range section.Value.Entries {
		name := e.Key.Text
		if first := l.flows[name]; first != nil {
			l.fail(twice(e.Key, first))
			continue
		}
		l.flows[name] = e.Key
		if !nameForm.MatchString(name) {
			l.fail(badName(e.Key, name))
		}
		l.doc.Flows = append(l.doc.Flows, l.flow(e))
	}
}

func badName(at *Value, name string) Diagnostic {
	d := at.Errorf("%q can't be a name", name)
	d.Hint = "a name is lower-case letters, digits and -, and begins with a letter"
	return d
}

func (l *loader) flow(e Entry) *Flow {
	f := &Flow{Name: e.Key.Text, At: e.Key, Lanes: 1}
	if e.Value.Kind != Map {
		if !e.Value.broken {
			l.fail(wrong(e.Value, "a flow", flowKeys))
		}
		return f
	}
	for _, e := range e.Value.Entries {
		switch e.Key.Text {
		case "description":
			l.diags = append(l.diags, decode(e.Value, reflect.ValueOf(&f.Description).Elem())...)
		case "lanes":
			diags := decode(e.Value, reflect.ValueOf(&f.Lanes).Elem())
			if diags == nil && e.Value.Whole() && (f.Lanes < 1 || f.Lanes > mostLanes) {
				diags = Diagnostics{e.Value.Errorf("want 1 to %d lanes, got %d", mostLanes, f.Lanes)}
			}
			if l.diags = append(l.diags, diags...); diags != nil || !e.Value.Whole() {
				f.Lanes = 0
			}
		case "order_by":
			f.OrderBy = e.Value
		case "nodes":
			l.nodes(f, e.Value)
		default:
			l.fail(unknownKey(e.Key, flowKeys))
		}
	}
	if e.Value.Get("nodes") == nil {
		l.fail(e.Key.Errorf("%q is missing", "nodes"))
	}
	return f
}

// mostLanes is how many lanes a flow may have.
const mostLanes = 64

func (l *loader) nodes(f *Flow, list *Value) {
	if list.broken {
		return
	}
	if list.Kind != List || len(list.Items) == 0 {
		d := list.Errorf("want a list of nodes, got %s", list.describe())
		d.Hint = "each node begins with a dash"
		l.fail(d)
		return
	}
	ids := map[string]*Node{}
	given := map[string]*Value{}
	var above *Node
	for _, item := range list.Items {
		n := l.node(item)
		if n == nil {
			continue
		}
		n.Above = above
		above = n
		f.Nodes = append(f.Nodes, n)
		if n.ID == "" {
			continue
		}
		id := item.Get("id")
		if first := given[n.ID]; first != nil {
			l.fail(twice(id, first))
			n.ID = ""
			continue
		}
		given[n.ID], ids[n.ID] = id, n
	}
	nameNodes(f, ids)
	l.references(f, ids)
}

// nameNodes names the nodes that the document does not: by their type, the
// second of a type type-2.
func nameNodes(f *Flow, ids map[string]*Node) {
	of := map[string]int{}
	for _, n := range f.Nodes {
		of[n.Type]++
		if n.ID != "" {
			continue
		}
		n.ID = n.Type
		if of[n.Type] > 1 {
			n.ID = fmt.Sprintf("%s-%d", n.Type, of[n.Type])
		}
		for number := 2; ids[n.ID] != nil; number++ {
			n.ID = fmt.Sprintf("%s-%d", n.Type, number)
		}
		ids[n.ID] = n
	}
}

// node takes an entry of nodes, or returns nil if it is none.
func (l *loader) node(item *Value) *Node {
	switch {
	case item.broken:
		return nil
	case item.Kind == String && nameForm.MatchString(item.Text):
		return &Node{Type: item.Text, At: item, Config: &Value{Kind: Null, Span: item.Span}}
	case item.Kind != Map:
		var types []string // what may have been meant for one
		if word := wordForm.FindString(item.Text); word != "" {
			types = []string{word}
		}
		l.fail(wrong(item, "a node", types))
		return nil
	}
	n := &Node{}
	var types []Entry
	for _, e := range item.Entries {
		switch e.Key.Text {
		case "id":
			l.diags = append(l.diags, decode(e.Value, reflect.ValueOf(&n.ID).Elem())...)
			if n.ID != "" && !nameForm.MatchString(n.ID) {
				l.fail(badName(e.Value, n.ID))
			}
		case "from":
			n.From = l.from(e.Value)
		case "when":
			n.When = e.Value
		case "retry":
			n.Retry = e.Value
		case "timeout":
			n.Timeout = e.Value
		case "on_error":
			l.onError(n, e.Value)
		default:
			types = append(types, e)
		}
	}
	types = l.misspelt(types)
	if len(types) == 0 {
		d := item.Errorf("this node has no type")
		d.Hint = "beside id, from, when, retry, on_error and timeout it has one key, its type"
		l.fail(d)
		return nil
	}
	if len(types) > 1 {
		d := types[1].Key.Errorf("a node has one type, and this one has %q and %q", types[0].Key.Text, types[1].Key.Text)
		d.Hint = "give each a dash of its own"
		if types[0].Value.Kind == Null {
			d.Hint = fmt.Sprintf("indent it more than %q to put it under that", types[0].Key.Text)
		}
		l.fail(d)
	}
	n.Type, n.At, n.Config = types[0].Key.Text, types[0].Key, types[0].Value
	return n
}

// misspelt takes out of several candidates for a node's type those that were
// meant to be a key of the engine's.
func (l *loader) misspelt(types []Entry) []Entry {
	for i := 0; i < len(types) && len(types) > 1; {
		key := types[i].Key
		if nearest(key.Text, engineKeys) == "" {
			i++
			continue
		}
		l.fail(key.Errorf("unknown key %q", key.Text).Suggest(key.Text, engineKeys))
		types = slices.Delete(types, i, i+1)
	}
	return types
}

func (l *loader) onError(n *Node, v *Value) {
	switch {
	case v.broken:
	case v.Scalar() && v.Text == "dead_letter":
	case v.Scalar() && v.Text == "drop":
		n.OnError = Drop
	default:
		l.fail(v.Errorf("want dead_letter or drop, got %s", v.describe()).Suggest(v.Text, []string{"dead_letter", "drop"}))
	}
}

func (l *loader) from(v *Value) []Ref {
	items := []*Value{v}
	if v.Kind == List {
		items = v.Items
	}
	if len(items) == 0 {
		l.fail(v.Errorf("want the id of a node, got %s", v.describe()))
	}
	var refs []Ref
	for _, item := range items {
		if item.broken {
			continue
		}
		if !item.Scalar() || item.Kind == Null {
			l.fail(item.Errorf("want the id of a node, got %s", item.describe()))
			continue
		}
		id, port, dot := strings.Cut(item.Text, ".")
		if dot && port == "" {
			l.fail(item.Errorf("no port behind the dot of %q", item.Text))
		}
		refs = append(refs, Ref{ID: id, Port: port, At: item})
	}
	return refs
}

// references checks that every from names a node.
func (l *loader) references(f *Flow, ids map[string]*Node) {
	var known []string
	for _, n := range f.Nodes {
		known = append(known, n.ID)
	}
	for _, n := range f.Nodes {
		for i, ref := range n.From {
			if ids[ref.ID] == nil {
				l.fail(ref.At.Errorf("no node %q in flow %q", ref.ID, f.Name).Suggest(ref.ID, known))
				continue
			}
			n.From[i].Node = ids[ref.ID]
		}
	}
	// A node without from may be a source, so these are the loops there are
	// whatever the types of the nodes.
	l.diags = append(l.diags, f.Loops(func(n *Node) bool { return len(n.From) == 0 })...)
}
