package slack

import (
	"fmt"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/flows"
)

// Slack's limits of blocks (docs.slack.dev, Block Kit), and of their texts
// together: it refuses messages of about 13,200 characters although each block
// is legal (slackapi/bolt-js#2509).
const (
	maxBlocks      = 50
	maxSection     = 3000
	maxField       = 2000
	maxHeader      = 150
	maxMarkdown    = 12000
	maxBlocksTexts = 12000
)

// Blocks are the blocks of a message as a document gives them: a list of
// blocks, or one, whose texts are texts with {{ }} in them, or an expression
// for the whole list. The zero Blocks is unset.
type Blocks struct {
	whole expr.Expr
	parts []*part
}

// A part is a value of blocks: text, a list, a map, or another scalar.
type part struct {
	text  expr.Text
	clean func(string) string // what expressions put into text
	items []*part
	keys  []string // of items, in a map
	plain any
	kind  flows.Kind
}

// IsSet reports whether the document gave the field.
func (b *Blocks) IsSet() bool { return b.whole.IsSet() || b.parts != nil }

// Check tells the mistakes of its expressions, for such events.
func (b *Blocks) Check(in engine.Schema) flows.Diagnostics {
	diags := b.whole.Check(in)
	for _, p := range b.parts {
		diags = append(diags, p.check(in)...)
	}
	return diags
}

func (p *part) check(in engine.Schema) flows.Diagnostics {
	diags := p.text.Check(in)
	for _, item := range p.items {
		diags = append(diags, item.check(in)...)
	}
	return diags
}

// Forget lets go of the document.
func (b *Blocks) Forget() {
	b.whole.Forget()
	for _, p := range b.parts {
		p.forget()
	}
}

func (p *part) forget() {
	p.text.Forget()
	for _, item := range p.items {
		item.forget()
	}
}

var _ engine.Checked = (*Blocks)(nil)

// FlowType is what messages and documentation call it.
func (*Blocks) FlowType() string { return "list of blocks with {{ }} in their texts, or expression" }

// DecodeValue compiles v.
func (b *Blocks) DecodeValue(v *flows.Value) flows.Diagnostics {
	blocks := v.Items
	switch v.Kind {
	case flows.String:
		return b.whole.DecodeValue(v)
	case flows.Map:
		blocks = []*flows.Value{v}
	case flows.List:
	default:
		return flows.Diagnostics{v.Errorf("want a list of blocks, or an expression that gives one")}
	}
	b.parts = []*part{}
	var diags flows.Diagnostics
	for _, block := range blocks {
		if block.Kind != flows.Map {
			diags = append(diags, block.Errorf("want a block, like {type: divider}"))
			continue
		}
		p, d := compile(block, "", plainText(block))
		b.parts, diags = append(b.parts, p), append(diags, d...)
	}
	return diags
}

// plainText reports whether the texts of a block are shown as they are:
// escaping would show there.
func plainText(block *flows.Value) bool {
	kind := block.Get("type")
	return kind != nil && kind.Text == richText
}

const richText = "rich_text"

func compile(v *flows.Value, key string, plain bool) (*part, flows.Diagnostics) {
	p := &part{kind: v.Kind}
	var diags flows.Diagnostics
	add := func(v *flows.Value, key string) {
		item, d := compile(v, key, plain)
		p.items, diags = append(p.items, item), append(diags, d...)
	}
	switch v.Kind {
	case flows.Map:
		for _, e := range v.Entries {
			p.keys = append(p.keys, e.Key.Text)
			add(e.Value, e.Key.Text)
		}
	case flows.List:
		for _, item := range v.Items {
			add(item, key)
		}
	case flows.String:
		p.clean = cleaner(key, plain)
		diags = p.text.DecodeValue(v)
	default:
		p.plain = v.Any()
	}
	return p, diags
}

// cleaner is what is done to a value under key. Markup is only in the text of
// text objects; a URL or the value of a button must not be changed.
func cleaner(key string, plain bool) func(string) string {
	if key == "text" && !plain {
		return escape
	}
	return func(s string) string { return s }
}

// render is the blocks of an event, each text no longer than Slack takes. A
// list that Slack would refuse is an error.
func (b *Blocks) render(e *engine.Event) ([]any, error) {
	var blocks []any
	if b.whole.IsSet() {
		v, err := b.whole.Eval(e)
		if err != nil {
			return nil, fmt.Errorf("blocks: %w", err)
		}
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("blocks: want a list of blocks, got %T", v)
		}
		for _, block := range list {
			m, _ := block.(map[string]any)
			blocks = append(blocks, escaped(block, "", m["type"] == richText))
		}
	}
	for _, p := range b.parts {
		block, err := p.render(e)
		if err != nil {
			return nil, fmt.Errorf("blocks: %w", err)
		}
		blocks = append(blocks, block)
	}
	return blocks, fit(blocks)
}

func (p *part) render(e *engine.Event) (any, error) {
	switch p.kind {
	case flows.String:
		return p.text.RenderWith(e, p.clean)
	case flows.List:
		list := make([]any, len(p.items))
		for i, item := range p.items {
			v, err := item.render(e)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case flows.Map:
		m := make(map[string]any, len(p.items))
		for i, item := range p.items {
			v, err := item.render(e)
			if err != nil {
				return nil, err
			}
			m[p.keys[i]] = v
		}
		return m, nil
	}
	return p.plain, nil
}

// escaped is a copy of blocks that came from an event.
func escaped(v any, key string, plain bool) any {
	switch v := v.(type) {
	case string:
		return cleaner(key, plain)(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = escaped(item, key, plain)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			m[k] = escaped(item, k, plain)
		}
		return m
	}
	return v
}

// fit cuts the texts of blocks, which it owns, to Slack's limits.
func fit(blocks []any) error {
	if len(blocks) > maxBlocks {
		return fmt.Errorf("the message has %d blocks, and Slack takes %d", len(blocks), maxBlocks)
	}
	total := 0
	for _, v := range blocks {
		block, _ := v.(map[string]any)
		switch block["type"] {
		case "header":
			total += shortenText(block["text"], maxHeader)
		case "section":
			total += shortenText(block["text"], maxSection)
			fields, _ := block["fields"].([]any)
			for _, field := range fields {
				total += shortenText(field, maxField)
			}
		case "context":
			elements, _ := block["elements"].([]any)
			for _, element := range elements {
				total += shortenText(element, maxSection)
			}
		case "markdown":
			total += shortenText(block, maxMarkdown)
		}
	}
	if total > maxBlocksTexts {
		return fmt.Errorf("the blocks have %d characters of text, and Slack takes %d", total, maxBlocksTexts)
	}
	return nil
}

// shortenText cuts the text of a text object and returns its length.
func shortenText(v any, limit int) int {
	object, _ := v.(map[string]any)
	text, ok := object["text"].(string)
	if !ok {
		return 0
	}
	text = cut(text, limit)
	object["text"] = text
	return size(text)
}
