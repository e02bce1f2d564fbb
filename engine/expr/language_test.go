package expr

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestEqualValuesHaveEqualKeysAndOthersHaveNot(t *testing.T) {
	classes := [][]string{
		{`1`, `1.0`, `2 - 1`}, {`"1"`}, {`1.5`}, {`nil`, `data.nope`}, {`"null"`}, {`""`}, {`true`}, {`"true"`}, {`[1]`, `[1.0]`}, {`["1"]`}, {`"[1]"`}, {`{a: 1, b: 2}`, `{b: 2.0, a: 1}`}, {`{a: "1", b: 2}`},
		{`time`, `time.In("Asia/Tokyo")`}, {`string(time)`}, {`duration("1h")`, `duration("60m")`}, {`"1h0m0s"`}, {`2 ** 60`, `float(2 ** 60)`}, {`2 ** 60 + 1`}, {`0`, `-0.0`, `0.0`},
		{`data.big`}, {`data.next`, `9007199254740992.0`}, {`repeat("a", 300)`}, {`repeat("a", 301)`}, {`[]`}, {`{}`}, {`[nil]`}, {`[[]]`}, {`"a\"b"`}, {`["a", "b"]`}, {`["a\",\"b"]`}, {`data`}, {`toJSON(data)`},
	}
	seen := map[string]string{}
	for _, class := range classes {
		var first string
		for i, source := range class {
			key, diags := Language.Key(&flows.Value{Kind: flows.String, Text: source})
			if diags != nil {
				t.Fatal(diags)
			}
			got, err := key(event(payload))
			if err != nil || got == "" || len(got) > longKey {
				t.Errorf("%s: got %q, %v", source, got, err)
			}
			if i == 0 {
				first = got
				if other, ok := seen[got]; ok {
					t.Errorf("%s and %s both have the key %q", source, other, got)
				}
				seen[got] = source
			} else if got != first {
				t.Errorf("%s: got %q, and %s has %q", source, got, class[0], first)
			}
		}
	}
}

func TestTheLanguageCompilesWhen(t *testing.T) {
	when, diags := Language.Condition(yaml(t, `data.n > 3`))
	if diags != nil {
		t.Fatal(diags)
	}
	for data, want := range map[string]bool{`{"n":4}`: true, `{"n":3}`: false, `{}`: false} {
		if got, err := when(event(data)); got != want || err != nil {
			t.Errorf("%s: got %v, %v", data, got, err)
		}
	}
	if _, err := when(event(`{"n":"x"}`)); err == nil {
		t.Error("a condition that fails is no error")
	}
	if _, diags := Language.Condition(yaml(t, `type`)); !diags.Failed() {
		t.Error("a condition that can't be one is no mistake")
	}
	if _, diags := Language.Key(yaml(t, `tpye`)); !diags.Failed() {
		t.Error("a key with an unknown name is no mistake")
	}
}

func TestAConditionIsTrueOrFalse(t *testing.T) {
	c := MustCondition(`type == "participant_joined" && data.room.name startsWith "support-"`)
	for data, want := range map[string]bool{`{"room":{"name":"support-1"}}`: true, `{"room":{"name":"x"}}`: false, `{}`: false} {
		if got, err := c.True(event(data)); got != want || err != nil {
			t.Errorf("%s: got %v, %v", data, got, err)
		}
	}
	flag := MustCondition(`data.flag`)
	for data, want := range map[string]string{`{}`: "is nil, neither", `{"flag":1}`: "is a number, neither", `{"flag":"true"}`: "is text, neither"} {
		got, err := flag.True(event(data))
		if got || err == nil || !strings.Contains(err.Error(), want) || !engine.IsPermanent(err) {
			t.Errorf("%s: got %v, %v", data, got, err)
		}
	}
	var unset Condition
	if got, err := unset.True(event(`{}`)); !got || err != nil || unset.IsSet() {
		t.Errorf("unset: got %v, %v", got, err)
	}
	var constant Condition
	if diags := constant.DecodeValue(yaml(t, "false")); diags != nil {
		t.Fatal(diags)
	}
	if got, err := constant.True(event(`{}`)); got || err != nil {
		t.Errorf("false: got %v, %v", got, err)
	}
}

func TestARequestIsOverBodyHeadersQueryAndPath(t *testing.T) {
	names := map[string]any{
		"body": map[string]any{"action": "opened", "id": int64(9007199254740993)}, "headers": map[string]any{"x-github-event": "issues"},
		"query": map[string]any{"a": "1"}, "path": "/hook",
	}
	for source, want := range map[string]any{
		`headers["x-github-event"] + "." + body.action`: "issues.opened", `body.id`: int64(9007199254740993), `query.a`: "1", `path`: "/hook",
		`{{ path }}/{{ body.nope }}`: "/hook/", `body.nope.x`: nil, `headers["x-none"] ?? "none"`: "none",
	} {
		r := MustRequest(source)
		if got, err := r.Eval(names); got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", source, got, err, want)
		}
	}
	r := MustRequest(`body.x`)
	if got, err := r.Eval(nil); got != nil || err != nil {
		t.Errorf("without names: got %v, %v", got, err)
	}
}

func TestWhatCameFromTheEnvironmentIsNeverShown(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "flows.yaml")
	document := `
flows:
  a:
    nodes:
      - stdin: {a: 'data.x + 1 > 3 and data.token == "${TOKEN}"', b: '"${TOKEN}" + 1', c: "${TOKEN}", d: "data.${TOKEN} + 1", e: 'int("${TOKEN}")', f: '"${TOKEN}" ++', g: "${TOKEN}(1)", h: 'data.x + $$x'}
`
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "s3cr3t"
	doc, diags := flows.Load([]string{file}, func(string) (string, bool) { return secret, true })
	if diags.Failed() {
		t.Fatal(diags)
	}
	for _, entry := range doc.Flows[0].Nodes[0].Config.Entries {
		var x Expr
		diags := x.DecodeValue(entry.Value)
		told := diags.Format()
		if !diags.Failed() {
			_, err := x.Eval(event(`{"x":"a"}`))
			if err == nil {
				t.Errorf("%s: no error to look at", entry.Key.Text)
				continue
			}
			told = err.Error()
			if !strings.Contains(told, file+":5:") {
				t.Errorf("%s: %s has no place", entry.Key.Text, told)
			}
		}
		if strings.Contains(told, secret) {
			t.Errorf("%s: the secret is shown: %s", entry.Key.Text, told)
		}
	}
}

func TestAFieldSaysWhatItReads(t *testing.T) {
	for source, want := range map[string][]string{
		`type == "x" && data.room.name startsWith "a"`: {"data.room.name", "type"},
		`data`:                             {"data*"},
		`data.a + data.a.b`:                {"data.a", "data.a.b"},
		`data.a == data.b`:                 {"data.a*", "data.b*"},
		`data.a == 1`:                      {"data.a"},
		`data.list[0].x`:                   {"data.list*"},
		`data["a"]["b"] == "x"`:            {"data.a.b"},
		`data[type]`:                       {"data*", "type"},
		`data?.a?.b > 1`:                   {"data.a.b"},
		`map(data.items, .name)`:           {"data.items*"},
		`any(data.items, # == id)`:         {"data.items*", "id*"},
		`let r = data.room; r.name == "x"`: {"data.room*"},
		`upper(data.name)`:                 {"data.name*"},
		`data.a ? data.b : data.c`:         {"data.a", "data.b*", "data.c*"},
		`data.a.b + data.a.c > data.a.b`:   {"data.a.b", "data.a.c"},
		`(data.a ?? 3) > 1`:                {"data.a"},
		`"x" in data.a`:                    {"data.a*"},
		`not data.a`:                       {"data.a"},
		`time.Year()`:                      {"time"},
		`data.a[1:data.n]`:                 {"data.a*", "data.n*"},
		`{a: data.x, (type): [data.y]}`:    {"data.x*", "data.y*", "type*"},
		`meta.headers["x"]`:                {"meta.headers.x*"},
		`concat(data.a, data.a.b)`:         {"data.a*"},
		`uuid()`:                           nil,
		`{{ data.x }} and {{ data.y.z }}`:  {"data.x*", "data.y.z*"},
	} {
		x := MustExpr(source)
		var got []string
		for _, p := range x.Reads() {
			path := strings.Join(p.Names, ".")
			if p.Whole {
				path += "*"
			}
			got = append(got, path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", source, diff)
		}
	}
	c, text := MustCondition(`data.n > 1`), MustText(`{{ type }}`)
	if len(c.Reads()) != 1 || len(text.Reads()) != 1 {
		t.Errorf("got %v, %v", c.Reads(), text.Reads())
	}
}

func TestTheFieldsNameTheirTypes(t *testing.T) {
	got := []string{Expr{}.FlowType(), Condition{}.FlowType(), Text{}.FlowType(), Request{}.FlowType()}
	want := []string{"expression", "condition", "text with {{ }}", "expression over the request"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestACompiledFieldIsUsedByManyAtOnce(t *testing.T) {
	x := MustExpr(`let n = data.n; {sum: sum(map(data.list, # * n)), text: "" + data.room.name, odd: filter(data.list, # % 2 == 1), match: type matches "^" + source}`)
	want := map[string]any{"sum": int64(42), "text": "support-1", "odd": []any{int64(1), int64(3)}, "match": false}
	shared := event(payload)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				got, err := x.Eval(shared)
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("%v %s", err, diff)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestMustPanicsOnAMistake(t *testing.T) {
	defer func() {
		if r, _ := recover().(string); !strings.Contains(r, "unknown name") {
			t.Errorf("got %q", r)
		}
	}()
	MustExpr("evnt")
}
