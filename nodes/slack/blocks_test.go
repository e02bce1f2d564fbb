package slack

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
)

// rendered are the blocks of a configuration for a payload, as JSON has them.
func rendered(t *testing.T, config string, data any) (any, error) {
	t.Helper()
	c, diags := decode(t, "webhook_url: https://x/y\nblocks:"+config)
	if diags.Failed() {
		t.Fatal(diags)
	}
	blocks, err := c.Blocks.render(&engine.Event{Data: engine.Value(data)})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(blocks)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v, nil
}

func TestWhatTheUserWroteInBlocksStaysAndWhatEventsSayIsEscaped(t *testing.T) {
	got, err := rendered(t, `
  - type: header
    text: {type: plain_text, text: "{{ data.who }} & co", emoji: true}
  - type: section
    text: {type: mrkdwn, text: "*{{ data.who }}* <https://example.com|x>"}
    fields:
      - {type: mrkdwn, text: "{{ data.who }}"}
    accessory: {type: image, image_url: "https://x?a=1&b={{ data.q }}", alt_text: "{{ data.who }}"}
  - type: rich_text
    elements: [{type: rich_text_section, elements: [{type: text, text: "{{ data.who }}"}]}]
  - {type: markdown, text: "{{ data.who }}", n: 1, nothing: null}
`, map[string]any{"who": "<@U1>", "q": "2&3"})
	if err != nil {
		t.Fatal(err)
	}
	const safe = "&lt;@U1&gt;"
	want := []any{
		map[string]any{"type": "header", "text": map[string]any{"type": "plain_text", "text": safe + " & co", "emoji": true}},
		map[string]any{
			"type": "section", "text": map[string]any{"type": "mrkdwn", "text": "*" + safe + "* <https://example.com|x>"},
			"fields":    []any{map[string]any{"type": "mrkdwn", "text": safe}},
			"accessory": map[string]any{"type": "image", "image_url": "https://x?a=1&b=2&3", "alt_text": "<@U1>"},
		},
		map[string]any{"type": "rich_text", "elements": []any{map[string]any{
			"type": "rich_text_section", "elements": []any{map[string]any{"type": "text", "text": "<@U1>"}},
		}}},
		map[string]any{"type": "markdown", "text": safe, "n": 1.0, "nothing": nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

func TestBlocksOfAnExpressionAreEscapedWithoutChangingTheEvent(t *testing.T) {
	block := func(kind, text string) map[string]any {
		return map[string]any{"type": kind, "text": map[string]any{"type": "mrkdwn", "text": text}, "block_id": "<b>"}
	}
	rich := map[string]any{"type": "rich_text", "elements": []any{map[string]any{"text": "<"}}}
	data := map[string]any{"blocks": []any{block("section", "<!here> *b*"), block("header", strings.Repeat("x", 200)), rich}}
	got, err := rendered(t, " data.blocks", data)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{block("section", "&lt;!here&gt; *b*"), block("header", strings.Repeat("x", 145)+"…"), rich}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	untouched := []any{block("section", "<!here> *b*"), block("header", strings.Repeat("x", 200)), rich}
	if diff := cmp.Diff(untouched, data["blocks"]); diff != "" {
		t.Errorf("the event has changed (-want +got):\n%s", diff)
	}
}

func TestTextsInBlocksAreCutAndListsThatAreTooLongFail(t *testing.T) {
	long := map[string]any{"long": strings.Repeat("語", 20000)}
	text := `{type: mrkdwn, text: "{{ data.long }}"}`
	for _, c := range []struct {
		name, config string
		length       int
		err          string
	}{
		{"header", `[{type: header, text: ` + text + `}]`, maxHeader, ""},
		{"section", `[{type: section, text: ` + text + `}]`, maxSection, ""},
		{"field", `[{type: section, fields: [` + text + `]}]`, maxField, ""},
		{"context", `[{type: context, elements: [{type: image}, ` + text + `]}]`, maxSection, ""},
		{"markdown", `[{type: markdown, text: "{{ data.long }}"}]`, maxMarkdown, ""},
		{"one block is no list", `{type: section, text: ` + text + `}`, maxSection, ""},
		{"all together", `[` + strings.Repeat(`{type: section, text: `+text+`}, `, 5) + `]`, 0, "Slack takes 12000"},
		{"too many", `[` + strings.Repeat(`{type: divider}, `, 51) + `]`, 0, "51 blocks, and Slack takes 50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := rendered(t, " "+c.config, long)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			// An ellipsis, and room for a fence that was not open.
			if n := strings.Count(string(raw), "語"); n != c.length-5 {
				t.Errorf("%d letters of %d", n, c.length)
			}
		})
	}
}
