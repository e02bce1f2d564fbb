package expr

import (
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestATextGives(t *testing.T) {
	for source, want := range map[string]string{
		`plain`:                                  `plain`,
		``:                                       ``,
		`{{ data.n }}`:                           `7`,
		`{{data.n}}{{data.f}}`:                   `72.5`,
		`a {{ data.room.name }} b`:               `a support-1 b`,
		`[{{ data.a }}]`:                         `[]`,
		`[{{ data.null.x.y }}]`:                  `[]`,
		`{{ data.room }}`:                        `{"name":"support-1","sid":"RM_1"}`,
		`{{ data.list }}`:                        `[1,2,3]`,
		`{{ [time, "<&>"] }}`:                    `["2026-01-31T09:00:00Z","<&>"]`,
		`{{ data.whole }}`:                       `3`,
		`{{ 1767225600.0 }}`:                     `1767225600`,
		`{{ data.big }}`:                         `9007199254740993`,
		`{{ 1 / 3 }}`:                            `0.3333333333333333`,
		`{{ data.yes }}`:                         `true`,
		`{{ time }}`:                             `2026-01-31T09:00:00Z`,
		`{{ duration("90m") }}`:                  `1h30m0s`,
		`{{ "}}" }}`:                             `}}`,
		`{{ '}}' + "\"}}" }}`:                    `}}"}}`,
		"{{ `}}` }}":                             `}}`,
		`{{ "{{" }} literal {{ "}}" }}`:          `{{ literal }}`,
		`{{ {a: {b: 1}} }}`:                      `{"a":{"b":1}}`,
		`{{ {a: {b: 1}}}}`:                       `{"a":{"b":1}}`,
		`{{ map(data.list, {# + 1}) }}`:          `[2,3,4]`,
		`{{ data.n /* }} */ }}`:                  `7`,
		`}} {{ data.n }} }}`:                     `}} 7 }}`,
		`{ {{ data.n }} }`:                       `{ 7 }`,
		"{{ data.n }}\n{{\n data.n\n}}":          "7\n7",
		`日本 {{ data.text }} 語`:                   `日本 Héllo Wörld 語`,
		`{{ if data.yes { "y" } else { "n" } }}`: `y`,
	} {
		var text Text
		if diags := text.DecodeValue(&flows.Value{Kind: flows.String, Text: source}); diags != nil {
			t.Errorf("%s: %v", source, diags)
			continue
		}
		got, err := text.Render(event(payload))
		if got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", source, got, err, want)
		}
		if !isTemplate(source) {
			continue
		}
		x := MustExpr(source)
		if v, err := x.Eval(event(payload)); v != want || err != nil {
			t.Errorf("%s as an expression: got %q, %v, want %q", source, v, err, want)
		}
	}
}

func TestANumberOrBooleanIsText(t *testing.T) {
	for source, want := range map[string]string{"3": "3", "2.50": "2.50", "true": "true", "0x10": "0x10"} {
		var text Text
		if diags := text.DecodeValue(yaml(t, source)); diags != nil {
			t.Error(diags)
		}
		if got, err := text.Render(event(`{}`)); got != want || err != nil || !text.IsSet() {
			t.Errorf("%s: got %q, %v", source, got, err)
		}
	}
}

func TestOnlyWhatExpressionsPutInIsCleaned(t *testing.T) {
	text := MustText(`<b>{{ data.room.name }}</b> {{ "<" }}`)
	got, err := text.RenderWith(event(payload), func(s string) string { return strings.ReplaceAll(s, "<", "&lt;") + "!" })
	if want := `<b>support-1!</b> &lt;!`; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestTheFixedPartOfATextIsKnown(t *testing.T) {
	for source, want := range map[string]struct {
		prefix string
		all    bool
	}{
		`logs/{{ type }}.jsonl`: {"logs/", false}, `{{ type }}`: {"", false}, `logs/all.jsonl`: {"logs/all.jsonl", true}, ``: {"", true},
	} {
		text := MustText(source)
		if prefix, all := text.Fixed(); prefix != want.prefix || all != want.all {
			t.Errorf("%q: got %q, %v", source, prefix, all)
		}
	}
	var unset Text
	if prefix, all := unset.Fixed(); prefix != "" || !all || unset.IsSet() {
		t.Errorf("unset: got %q, %v", prefix, all)
	}
	if got, err := unset.Render(event(`{}`)); got != "" || err != nil {
		t.Errorf("unset: got %q, %v", got, err)
	}
}

func TestATextIsNoLongerThanItsLimit(t *testing.T) {
	text := MustText(`{{ data.s }}{{ data.s }}`)
	e := event("{}")
	e.Data = engine.Value(map[string]any{"s": strings.Repeat("a", mostText/2)})
	if got, err := text.Render(e); len(got) != mostText || err != nil {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	e.Data = engine.Value(map[string]any{"s": strings.Repeat("a", mostText/2+1)})
	if got, err := text.Render(e); err == nil || !strings.Contains(err.Error(), "longer than 1 MiB") {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	grow := func(s string) string { return s + s + s }
	e.Data = engine.Value(map[string]any{"s": strings.Repeat("a", mostText/4)})
	if _, err := text.RenderWith(e, grow); err == nil {
		t.Error("what clean adds is not counted")
	}
}

func TestATextThatFailsFailsTheEvent(t *testing.T) {
	text := MustText(`{{ data.a + 1 }}`)
	if got, err := text.Render(event(`{}`)); err == nil || got != "" || !engine.IsPermanent(err) {
		t.Errorf("got %q, %v", got, err)
	}
}
