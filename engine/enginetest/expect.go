package enginetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

// dead is the key of expect for what was given up.
const dead = "dead"

// nodeOf is the node of a key of expect: ID or ID.PORT.
func nodeOf(key string) string {
	id, _, _ := strings.Cut(key, ".")
	return id
}

// compare finds what is not as the test expects.
func (r *rehearsal) compare() flows.Diagnostics {
	m := &matcher{}
	expect := r.scenario.Expect.Value
	letters := r.letters()
	if expect != nil {
		for _, e := range expect.Entries {
			name := e.Key.Text
			switch {
			case name == dead:
				m.list(dead, e.Value, letters)
			case counting(e.Value):
				m.counts(name, e.Value, &r.paths)
			default:
				m.list(name, e.Value, r.got[name])
			}
		}
	}
	if expect.Get(dead) == nil && len(letters) > 0 {
		d := r.scenario.at.Errorf("%d given up that the test does not expect: %s", len(letters), inYAML(shaped(letters[0], nil)))
		d.Hint = "if that is right, say so under expect: dead: [{node: …, error: …}]"
		m.diags = append(m.diags, d)
	}
	return m.diags
}

// letters are the dead letters as a test sees them.
func (r *rehearsal) letters() []any {
	var all []any
	for _, d := range r.dead {
		data, _ := d.Event.Data.Value() // what is no JSON shows as nil
		all = append(all, plain(map[string]any{
			"node": d.Failure.Node, "error": d.Failure.Message, "attempts": d.Failure.Attempts,
			"id": d.Event.ID, "type": d.Event.Type, "subject": d.Event.Subject, "data": data,
		}))
	}
	return all
}

// counting reports whether an expectation is one of numbers.
func counting(v *flows.Value) bool {
	return v.Kind == flows.Map && slices.ContainsFunc(v.Entries, func(e flows.Entry) bool {
		return slices.Contains(counts, e.Key.Text) && e.Value.Kind == flows.Int
	})
}

// A matcher compares what was expected with what there is. Each difference is
// blamed on the place of the expectation.
type matcher struct{ diags flows.Diagnostics }

func (m *matcher) counts(name string, want *flows.Value, of *paths) {
	for _, e := range want.Entries {
		if !slices.Contains(counts, e.Key.Text) {
			m.diags = append(m.diags, e.Key.Errorf("%q is no number of a node", e.Key.Text).Suggest(e.Key.Text, counts))
			continue
		}
		if got := of.count(name, e.Key.Text); strconv.Itoa(got) != e.Value.Text {
			m.diags = append(m.diags, e.Value.Errorf("%s: %s is %d", name, e.Key.Text, got))
		}
	}
}

// list compares what a node got, one by one.
func (m *matcher) list(name string, want *flows.Value, got []any) {
	items := want.Items
	switch want.Kind {
	case flows.List:
	case flows.Null:
	default: // one stands for a list of one
		items = []*flows.Value{want}
	}
	for i, item := range items {
		if i >= len(got) {
			m.diags = append(m.diags, item.Errorf("%s did not get this: it got %d", name, len(got)))
			continue
		}
		where := name
		if len(items) > 1 {
			where = fmt.Sprintf("%s, the %s", name, ordinal(i+1))
		}
		m.match(where, item, got[i])
	}
	if more := len(got) - len(items); more > 0 {
		m.diags = append(m.diags, want.Errorf("%s got %d more, first: %s", name, more, inYAML(shaped(got[len(items)], nil))))
	}
}

func ordinal(n int) string {
	switch {
	case n%100/10 == 1:
	case n%10 == 1:
		return fmt.Sprint(n, "st")
	case n%10 == 2:
		return fmt.Sprint(n, "nd")
	case n%10 == 3:
		return fmt.Sprint(n, "rd")
	}
	return fmt.Sprint(n, "th")
}

// match compares one value: maps may have more than is wanted, lists may not.
func (m *matcher) match(where string, want *flows.Value, got any) {
	switch want.Kind {
	case flows.Map:
		fields, ok := got.(map[string]any)
		if !ok {
			m.differs(where, want, got)
			return
		}
		for _, e := range want.Entries {
			m.field(where, e, fields)
		}
	case flows.List:
		list, ok := got.([]any)
		if !ok {
			m.differs(where, want, got)
			return
		}
		m.list(where, want, list)
	default:
		if !equal(want.Any(), got) {
			m.differs(where, want, got)
		}
	}
}

// field compares one field of a map.
func (m *matcher) field(where string, e flows.Entry, fields map[string]any) {
	key := e.Key.Text
	got, ok := fields[key]
	if lower := strings.ToLower(key); !ok && strings.HasSuffix(where, "headers") {
		got, ok = fields[lower]
	}
	inner := where + ": " + key
	if strings.Contains(where, ": ") {
		inner = where + "." + key
	}
	text, isText := got.(string)
	switch {
	case !ok && e.Value.Kind != flows.Null:
		m.diags = append(m.diags, e.Key.Errorf("%s has no %s", where, key).Suggest(key, slices.Collect(maps.Keys(fields))))
	case strings.HasPrefix(where, dead) && key == "error" && isText && e.Value.Scalar():
		if !strings.Contains(text, e.Value.Text) {
			m.differs(inner, e.Value, got)
		}
	default:
		m.match(inner, e.Value, got)
	}
}

func (m *matcher) differs(where string, want *flows.Value, got any) {
	d := want.Errorf("%s is %s", where, inYAML(got))
	d.Hint = "expected this"
	m.diags = append(m.diags, d)
}

// equal compares scalars; numbers by their value.
func equal(want, got any) bool {
	if w, ok := want.(int64); ok {
		if g, ok := got.(float64); ok {
			return float64(w) == g
		}
	}
	if w, ok := want.(float64); ok {
		if g, ok := got.(int64); ok {
			return w == float64(g)
		}
	}
	return want == got
}

// plain is v as the values of JSON.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	value, err := engine.JSON(text).Value()
	if err != nil {
		return string(text)
	}
	return value
}

// inYAML writes a value as a line of YAML.
func inYAML(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var fields []string
		for _, key := range slices.SortedFunc(maps.Keys(v), byInterest) {
			fields = append(fields, keyInYAML(key)+": "+inYAML(v[key]))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, inYAML(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		return quoted(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return quoted(fmt.Sprint(v))
	}
	return string(text)
}

func quoted(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return strconv.Quote(s)
	}
	return escaped(strings.TrimSpace(b.String()))
}

// escaped is text in double quotes, with escapes for what JSON has as it is and
// YAML has not, or what can't be seen.
func escaped(text string) string {
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsGraphic(r) }

// interest is the order in which people look at fields.
var interest = []string{"node", "error", "status", "method", "url", "path", "text", "channel", "type", "id", "subject"}

func byInterest(a, b string) int {
	rank := func(key string) int {
		if i := slices.Index(interest, key); i >= 0 {
			return i
		}
		return len(interest)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}

func keyInYAML(key string) string {
	for i, r := range key {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return quoted(key)
		}
	}
	if key == "" || slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(key)) {
		return quoted(key)
	}
	return key
}
