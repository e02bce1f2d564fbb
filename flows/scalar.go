package flows

import (
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

func (c *composer) scalar(n *yaml.Node, start int, key *Value) *Value {
	v := &Value{Text: n.Value, Kind: String}
	c.text = c.text[:0]
	for _, r := range n.Value {
		c.text = append(c.text, r)
	}
	t := &tracer{src: c.src, pos: start, text: c.text}
	var ok bool
	switch {
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		c.end, ok = t.quoted()
		v.Span = c.src.span(start, c.end)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		c.end, ok = t.block()
		v.Span = c.src.span(start, start+1)
	case n.Value == "":
		v.Kind = Null
		v.Span = c.nothing(start, key)
		c.tagged(n, v, "!!null")
		return v
	default:
		c.end, ok = t.plain()
		v.Kind = kindOf(n.Value)
		v.Span = c.src.span(start, c.end)
	}
	if ok {
		v.places = t.places
	}
	c.tagged(n, v, "")
	return v
}

// nothing is the place of a value that was left out: its key, or its dash.
func (c *composer) nothing(start int, key *Value) Span {
	if key != nil {
		return key.Span
	}
	for at := start - 1; at >= 0 && c.src.line(at) == c.src.line(start); at-- {
		if r := c.src.at(at); !isBlank(r) {
			return c.src.span(at, at+1)
		}
	}
	return c.src.span(start, start+1)
}

// tagged applies the tag that n is given by hand. Own is the tag its kind has
// anyway, or empty for a scalar.
func (c *composer) tagged(n *yaml.Node, v *Value, own string) {
	if n.Style&yaml.TaggedStyle == 0 || n.Tag == own {
		return
	}
	kinds := map[string]Kind{"!!null": Null, "!!bool": Bool, "!!int": Int, "!!float": Float}
	kind, plain := kinds[n.Tag]
	switch {
	case n.Tag == "!!str" && v.Scalar():
		v.Kind = String
	case plain && v.Scalar() && (kindOf(v.Text) == kind || kind == Float && kindOf(v.Text) == Int):
		v.Kind = kind
	default:
		at := c.src.offset(n.Line, n.Column)
		for c.src.at(at) == '&' {
			for !isBlank(c.src.at(at)) && at < len(c.src.runes) {
				at++
			}
			for isBlank(c.src.at(at)) {
				at++
			}
		}
		end := at
		for end < len(c.src.runes) && !isBlank(c.src.at(end)) && !isBreak(c.src.at(end)) {
			end++
		}
		d := Diagnostic{Span: c.src.span(at, end), Message: fmt.Sprintf("unknown tag %q", string(c.src.runes[at:end]))}
		if strings.HasPrefix(n.Tag, "!!") {
			d.Message = fmt.Sprintf("%s is not %q", v.describe(), string(c.src.runes[at:end]))
		} else {
			d.Hint = "text that begins with ! must be in quotes"
		}
		c.fail(d)
		v.broken = true
	}
}

// The forms of YAML 1.2's core schema, section 10.3.2.
var (
	intForm   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatForm = regexp.MustCompile(`^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

// kindOf is what a plain scalar is. yes, no, on and off are text.
func kindOf(text string) Kind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	}
	switch {
	case !strings.ContainsRune("+-.0123456789", rune(text[0])):
	case intForm.MatchString(text):
		return Int
	case floatForm.MatchString(text):
		return Float
	}
	return String
}
