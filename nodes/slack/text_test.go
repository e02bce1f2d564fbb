package slack

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

type vectors struct {
	Escape []struct {
		In  string `json:"in"`
		Out string `json:"out"`
	} `json:"escape"`
	Responses []struct {
		API     api               `json:"api"`
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
		Class   string            `json:"class"`
		Wait    *int64            `json:"wait_s"`
		TS      string            `json:"ts"`
	} `json:"responses"`
}

func cases(t testing.TB) (v vectors) {
	t.Helper()
	raw, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Escape) == 0 || len(v.Responses) == 0 {
		t.Fatal("no cases")
	}
	return v
}

func TestTextIsEscapedAsSlackAsks(t *testing.T) {
	for _, c := range cases(t).Escape {
		if got := escape(c.In); got != c.Out {
			t.Errorf("%q: got %q, want %q", c.In, got, c.Out)
		}
	}
}

func TestCutLeavesNothingTorn(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	// With a limit of 20, room is for 15 units, then an ellipsis, and a fence.
	for _, c := range []struct{ name, in, want string }{
		{"what fits is whole", x(20), x(20)},
		{"a letter too many", x(21), x(15) + "…"},
		{"two units a letter", strings.Repeat("𝄞", 11), strings.Repeat("𝄞", 7) + "…"},
		{"many bytes a letter", strings.Repeat("語", 20), strings.Repeat("語", 20)},
		{"before an entity", x(13) + "&amp;" + x(9), x(13) + "…"},
		{"before an entity's end", x(11) + "&amp;" + x(9), x(11) + "…"},
		{"behind an entity", x(10) + "&amp;" + x(9), x(10) + "&amp;…"},
		{"an ampersand of the text", x(9) + "a & b" + x(9), x(9) + "a & b" + "x…"},
		{"in a link", x(5) + "<https://example.com|here>", x(5) + "…"},
		{"in a mention", x(5) + "<@U123456789>" + x(9), x(5) + "…"},
		{"behind a link", "<https://a|b>" + x(20), "<https://a|b>xx…"},
		{"behind a less-than sign", "5 < 6" + x(20), "5 < 6" + x(10) + "…"},
		{"in a code block", "```\n" + x(30) + "\n```", "```\n" + x(11) + "…\n```"},
		{"behind a code block", "```a```" + x(30), "```a```" + x(8) + "…"},
		{"in a fence", x(13) + "```code```", x(13) + "…"},
		{"in a closing fence", "```" + x(11) + "```" + x(9), "```" + x(11) + "…\n```"},
		{"before a mark", x(14) + "e\u0301" + x(9), x(14) + "…"},
		{"in a family", x(10) + "👩\u200d👩\u200d👧" + x(9), x(10) + "…"},
		{"before a skin tone", x(13) + "👍🏽" + x(9), x(13) + "…"},
		{"between flags", x(11) + "🇯🇵🇫🇷" + x(9), x(11) + "🇯🇵…"},
		{"bytes that are no text", x(10) + "\xff" + x(20), x(10) + "\uFFFDxxxx…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cut(c.in, 20); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzCut(f *testing.F) {
	f.Add("a & b < c > d ```code``` <@U1> 👩\u200d👧", 20)
	f.Add(strings.Repeat("&<>`", 50), 33)
	f.Add("e"+strings.Repeat("\u0301", 200), 100)
	f.Fuzz(func(t *testing.T, in string, limit int) {
		limit = max(10, min(limit, 5000))
		got := cut(escape(in), limit)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is no UTF-8", got)
		}
		if size(got) > limit {
			t.Fatalf("%d units, the limit is %d", size(got), limit)
		}
		// Every & that is left begins a whole entity.
		plain := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(got)
		if strings.ContainsAny(plain, "&<>") {
			t.Fatalf("%q has a torn entity", got)
		}
		if size(escape(strings.ToValidUTF8(in, "\uFFFD"))) <= limit && got != escape(strings.ToValidUTF8(in, "\uFFFD")) {
			t.Fatalf("%q fits, and became %q", in, got)
		}
	})
}
