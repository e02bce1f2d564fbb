package expr

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

const payload = `{
	"n": 7, "f": 2.5, "big": 9007199254740993, "next": 9007199254740992, "whole": 3.0, "neg": -4, "max": 9223372036854775807,
	"yes": true, "no": false, "null": null, "text": "Héllo Wörld", "digits": "17", "empty": "",
	"list": [1, 2, 3], "mixed": [1, "a", null, true, [2], {"k": 3}], "none": [],
	"room": {"name": "support-1", "sid": "RM_1"}, "at": "2026-01-31T09:00:00Z",
	"items": [{"name": "b", "n": 2, "on": true}, {"name": "a", "n": 1, "on": false}, {"name": "c", "n": 3, "on": true}]
}`

// Each case is an expression over payload and what it gives, as JSON.
var cases = []struct{ source, want string }{
	// Names.
	{`id`, `"EV_1"`}, {`source`, `"livekit"`}, {`type`, `"participant_joined"`}, {`subject`, `"support-1"`},
	{`time`, `"2026-01-31T09:00:00Z"`}, {`data.room`, `{"name":"support-1","sid":"RM_1"}`}, {`error`, `null`}, {`error.message`, `null`},
	{`meta.node`, `"livekit"`}, {`meta.path`, `"/livekit"`}, {`meta.headers["x-one"]`, `"1"`}, {`meta.headers["x-two"]`, `null`},
	{`meta`, `{"headers":{"x-one":"1"},"path":"/livekit","node":"livekit"}`}, {`keys(meta)`, `["headers","node","path"]`},

	// What is not there is nil, and reading on from nil is nil.
	{`data.a`, `null`}, {`data.a.b.c`, `null`}, {`data.a[0].b["c"][1]`, `null`}, {`data.null.x`, `null`},
	{`data.list[3]`, `null`}, {`data.list[-4]`, `null`}, {`data.list[-1]`, `3`}, {`data.list["x"]`, `null`}, {`data.list.x`, `null`},
	{`data.list[1.0]`, `2`}, {`data.list[0.5]`, `null`}, {`data.room[0]`, `null`}, {`data.room["name"]`, `"support-1"`},
	{`data.n.x`, `null`}, {`data.n[0]`, `null`}, {`data.text.x`, `null`}, {`data.yes.x.y`, `null`}, {`data["ro" + "om"].sid`, `"RM_1"`},
	{`data?.a?.b`, `null`}, {`data.a?.b.c[0]`, `null`}, {`data.room?.name`, `"support-1"`},
	{`data.a[1:2]`, `null`}, {`get(data.a, "b")`, `null`}, {`get(data.room, "sid")`, `"RM_1"`}, {`get(data.list, 9)`, `null`},
	{`data.a ?? "x"`, `"x"`}, {`data.a.b ?? data.n ?? 1`, `7`}, {`data.no ?? true`, `false`},
	{`data[data.a]`, `null`}, {`data.list[data.a]`, `null`},

	// Beside nil.
	{`data.a startsWith "x"`, `false`}, {`data.a endsWith "x"`, `false`}, {`data.a contains "x"`, `false`}, {`data.a matches "x"`, `false`},
	{`"x" startsWith data.a`, `false`}, {`"x" matches data.a`, `false`}, {`data.a in [1]`, `false`}, {`data.a in [nil]`, `false`},
	{`1 in data.a`, `false`}, {`nil in data.a`, `false`}, {`not (data.a contains "x")`, `true`}, {`data.a not in [1]`, `true`},
	{`data.a not contains "x"`, `true`}, {`data.a == nil`, `true`}, {`data.null == nil`, `true`}, {`data.n == nil`, `false`}, {`data.n != nil`, `true`},
	{`data.a == "x"`, `false`}, {`data.a != "x"`, `true`}, {`data.a == data.b`, `true`}, {`type == nil`, `false`},
	{`data.a < 3`, `false`}, {`data.a >= 3`, `false`}, {`3 > data.a`, `false`}, {`data.a <= data.b`, `false`},
	{`lower(data.a)`, `null`}, {`int(data.a)`, `null`}, {`split(data.a, ",")`, `null`}, {`date(data.a)`, `null`}, {`lower(data.a) == "x"`, `false`},
	{`string(data.a)`, `""`}, {`len(data.a)`, `0`}, {`any(data.a, # == 1)`, `false`}, {`all(data.a, # == 1)`, `true`}, {`map(data.a, #)`, `[]`},
	{`filter(data.a, #)`, `[]`}, {`sum(data.a)`, `0`}, {`first(data.a)`, `null`}, {`join(data.a, ",")`, `""`}, {`keys(data.a)`, `[]`},
	{`concat(data.a, data.list)`, `[1,2,3]`}, {`sort(data.a)`, `[]`}, {`reduce(data.a, #acc + #)`, `null`}, {`type(data.a)`, `"nil"`},
	{`max(data.a)`, `null`}, {`hasPrefix(data.a, "x")`, `false`}, {`hash(data.a) == hash(nil)`, `true`}, {`toJSON(data.a)`, `"null"`},
	{`take(data.a, 2)`, `[]`}, {`count(data.a)`, `0`}, {`groupBy(data.a, #)`, `{}`}, {`sortBy(data.a, #)`, `[]`}, {`fromPairs(data.a)`, `{}`},

	// Numbers.
	{`data.n + 1`, `8`}, {`data.n - 8`, `-1`}, {`data.n * 3`, `21`}, {`data.n / 2`, `3.5`}, {`data.n / 7`, `1`}, {`data.n % 4`, `3`}, {`-data.n`, `-7`},
	{`+data.n`, `7`}, {`data.f + 1`, `3.5`}, {`data.n + data.f`, `9.5`}, {`data.n * data.f`, `17.5`}, {`data.whole % 2`, `1`}, {`data.neg % 3`, `-1`},
	{`2 ** 10`, `1024`}, {`2 ^ 0.5`, `1.4142135623730951`}, {`(-2) ** 63`, `-9223372036854775808`}, {`2 ** -1`, `0.5`}, {`2 ** 100`, `1267650600228229401496703205376`},
	{`data.big`, `9007199254740993`}, {`data.big == 9007199254740993`, `true`}, {`data.big == data.next`, `false`}, {`data.big > data.next`, `true`},
	{`data.big == 9007199254740992.0`, `false`}, {`data.big > 9007199254740992.0`, `true`}, {`data.big + 1`, `9007199254740994`}, {`data.big / 1`, `9007199254740993`},
	{`data.whole == 3`, `true`}, {`3 == data.whole`, `true`}, {`data.whole in [3]`, `true`}, {`data.n == 7.0`, `true`}, {`data.n == 7.5`, `false`},
	{`data.max - 1 + 1 == data.max`, `true`}, {`data.max < 9.3e18`, `true`}, {`data.f > 2`, `true`}, {`1 < data.n < 10`, `true`}, {`1 < data.n < 5`, `false`},
	{`data.max == 9223372036854775807.0`, `false`}, {`data.n in 1..10`, `true`}, {`data.f in 1..10`, `false`},
	{`abs(data.neg)`, `4`}, {`abs(-2.5)`, `2.5`}, {`ceil(data.f)`, `3`}, {`floor(data.f)`, `2`}, {`round(2.5)`, `3`}, {`round(data.n)`, `7`},
	{`int("17")`, `17`}, {`int(data.digits) + 1`, `18`}, {`int(data.f)`, `2`}, {`int(data.n)`, `7`}, {`float("2.5")`, `2.5`}, {`float(data.n)`, `7`}, {`int("-9223372036854775808")`, `-9223372036854775808`},
	{`string(1767225600.0)`, `"1767225600"`}, {`string(data.big)`, `"9007199254740993"`}, {`string(2.5)`, `"2.5"`}, {`string(1e21)`, `"1e+21"`}, {`string(true)`, `"true"`}, {`string(0.1 + 0.2)`, `"0.30000000000000004"`},
	{`string(data.list)`, `"[1,2,3]"`}, {`string("x")`, `"x"`},
	{`max(1, data.f, 2)`, `2.5`}, {`min(data.list)`, `1`}, {`max([1, [5, 2]], 3)`, `5`}, {`mean(data.list)`, `2`}, {`median([3, 1, 2, 10])`, `2.5`}, {`mean([])`, `0`},
	{`max(data.big, data.next)`, `9007199254740993`}, {`sum(data.list)`, `6`}, {`sum([0.5, 1])`, `1.5`}, {`sum([data.max, -1])`, `9223372036854775806`},
	{`bitand(6, 3)`, `2`}, {`bitor(6, 3)`, `7`}, {`bitxor(6, 3)`, `5`}, {`bitnand(6, 3)`, `4`}, {`bitnot(0)`, `-1`}, {`bitshl(1, 4)`, `16`}, {`bitshr(-16, 2)`, `-4`}, {`bitushr(-1, 60)`, `15`},
	{`1_000`, `1000`}, {`0xff`, `255`}, {`0b11`, `3`},

	// Text. Places in it are counted in characters.
	{`data.room.name + "!"`, `"support-1!"`}, {`data.text contains "Wör"`, `true`}, {`data.text startsWith "Hé"`, `true`}, {`data.text endsWith "x"`, `false`},
	{`data.text matches "^H.llo"`, `true`}, {`data.text matches "(?i)wörld$"`, `true`}, {`data.text matches data.digits`, `false`}, {`data.text matches "W" + ".r"`, `true`},
	{`upper(data.text)`, `"HÉLLO WÖRLD"`}, {`lower("ÉA")`, `"éa"`}, {`len(data.text)`, `11`}, {`data.text[1]`, `"é"`}, {`data.text[-1]`, `"d"`}, {`data.text[99]`, `null`},
	{`data.text[0:2]`, `"Hé"`}, {`data.text[6:]`, `"Wörld"`}, {`data.text[:-6]`, `"Héllo"`}, {`data.text[5:2]`, `""`}, {`data.text[:]`, `"Héllo Wörld"`},
	{`indexOf(data.text, "W")`, `6`}, {`lastIndexOf(data.text, "l")`, `9`}, {`indexOf(data.text, "x")`, `-1`}, {`data.text | indexOf("o")`, `4`},
	{`trim("  a ")`, `"a"`}, {`trim("--a-", "-")`, `"a"`}, {`trimPrefix("abc", "ab")`, `"c"`}, {`trimSuffix("abc", "c")`, `"ab"`}, {`trimPrefix(" a")`, `"a"`},
	{`split("a,b,c", ",")`, `["a","b","c"]`}, {`split("a,b,c", ",", 2)`, `["a","b,c"]`}, {`splitAfter("a,b", ",")`, `["a,","b"]`}, {`split("é!", "")`, `["é","!"]`}, {`split("a", ",", 0)`, `[]`},
	{`replace("aXbX", "X", "-")`, `"a-b-"`}, {`replace("aXbX", "X", "-", 1)`, `"a-bX"`}, {`replace("ab", "", ".")`, `".a.b."`}, {`replace("aa", "a", "")`, `""`},
	{`repeat("ab", 3)`, `"ababab"`}, {`repeat("", 1000000000)`, `""`}, {`repeat("a", 0)`, `""`}, {`join(["a", "b"], "-")`, `"a-b"`}, {`join(data.list)`, `"123"`}, {`join([1, nil, true, {a: 1}], ",")`, `"1,,true,{\"a\":1}"`},
	{`hasPrefix("abc", "ab")`, `true`}, {`hasSuffix("abc", "ab")`, `false`}, {`toBase64("héé")`, `"aMOpw6k="`}, {`fromBase64("aMOpw6k=")`, `"héé"`},
	{`toJSON({b: 1, a: [nil, "<&>", 2.5]})`, `"{\"a\":[null,\"<&>\",2.5],\"b\":1}"`}, {`fromJSON("{\"a\": 9007199254740993}").a`, `9007199254740993`},
	{`hash("abc")`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`}, {`hash({a: 1}) == hash("{\"a\":1}")`, `true`}, {`hash(1) == hash("1")`, `true`},
	{`slug("Aiko's Room #1")`, `"aiko-s-room-1"`}, {`slug("  会議 A ")`, `"会議-a"`}, {`slug("../..")`, `""`},
	{`uuid("a") == uuid("a")`, `true`}, {`uuid("a") == uuid("b")`, `false`}, {`uuid(1) == uuid("1")`, `false`}, {`uuid() == uuid()`, `false`}, {`uuid(data) matches "^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"`, `true`},
	{`uuid() matches "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"`, `true`},
	{`"a" < "b"`, `true`}, {`"B" < "a"`, `true`}, {"`a\\b` == \"a\\\\b\"", `true`},

	// Lists and maps.
	{`[1, "a", nil, {b: 2}]`, `[1,"a",null,{"b":2}]`}, {`{a: 1, "b c": 2, (data.digits): 3}`, `{"a":1,"b c":2,"17":3}`}, {`{}`, `{}`}, {`[]`, `[]`},
	{`data.list[1:]`, `[2,3]`}, {`data.list[:9]`, `[1,2,3]`}, {`data.list[-2:-1]`, `[2]`}, {`1..3`, `[1,2,3]`}, {`3..1`, `[]`}, {`-1..1`, `[-1,0,1]`},
	{`2 in data.list`, `true`}, {`"2" in data.list`, `false`}, {`"name" in data.room`, `true`}, {`"x" in data.room`, `false`}, {`1 in data.room`, `false`}, {`{k: 3.0} in data.mixed`, `true`},
	{`type in ["a", "participant_joined"]`, `true`}, {`data.list == [1, 2.0, 3]`, `true`}, {`data.list == [1, 2]`, `false`}, {`data.room == {sid: "RM_1", name: "support-1"}`, `true`}, {`data.room == {sid: nil, name: "support-1"}`, `false`},
	{`map(data.list, # * 2)`, `[2,4,6]`}, {`map(data.list, #index)`, `[0,1,2]`}, {`map(data.items, .name)`, `["b","a","c"]`}, {`map(data.items, ({n: .name}))`, `[{"n":"b"},{"n":"a"},{"n":"c"}]`},
	{`filter(data.items, .on)`, `[{"name":"b","n":2,"on":true},{"name":"c","n":3,"on":true}]`}, {`filter(data.items, {.n > 1}) | map(.name) | join("+")`, `"b+c"`},
	{`all(data.list, # > 0)`, `true`}, {`any(data.list, # > 2)`, `true`}, {`none(data.list, # > 3)`, `true`}, {`one(data.list, # > 2)`, `true`}, {`one(data.list, # > 1)`, `false`}, {`all(data.list, # > 1)`, `false`}, {`none(data.list, # == 1)`, `false`},
	{`count(data.list, # > 1)`, `2`}, {`count([true, false])`, `1`}, {`sum(data.items, .n)`, `6`}, {`find(data.items, .n > 1).name`, `"b"`}, {`findLast(data.items, .n > 1).name`, `"c"`}, {`find(data.list, # > 9)`, `null`},
	{`findIndex(data.list, # > 1)`, `1`}, {`findLastIndex(data.list, # > 1)`, `2`}, {`findIndex(data.list, # > 9)`, `null`},
	{`reduce(data.list, #acc + #, 10)`, `16`}, {`reduce(data.list, #acc * #)`, `6`}, {`reduce(data.list, #acc + #index)`, `4`}, {`reduce([], #acc, 5)`, `5`},
	{`groupBy(data.items, .on ? "on" : "off") | keys()`, `["off","on"]`}, {`groupBy(data.list, # % 2)`, `{"1":[1,3],"0":[2]}`}, {`map(sortBy(data.items, .name), .n)`, `[1,2,3]`}, {`map(sortBy(data.items, .n, "desc"), .name)`, `["c","b","a"]`},
	{`sortBy([{n: 1}, {n: nil}, {n: 0.5}], .n) | map(.n)`, `[null,0.5,1]`}, {`sort([3, 1.5, 2])`, `[1.5,2,3]`}, {`sort(["b", "a"], "desc")`, `["b","a"]`}, {`data.list | reverse()`, `[3,2,1]`},
	{`uniq([1, 1.0, "1", nil, nil, [1], [1.0]])`, `[1,"1",null,[1]]`}, {`flatten([1, [2, [3, []]], "a"])`, `[1,2,3,"a"]`}, {`concat([1], [2, 3], [])`, `[1,2,3]`}, {`take(data.list, 2)`, `[1,2]`}, {`take(data.list, 9)`, `[1,2,3]`},
	{`first(data.list)`, `1`}, {`last(data.list)`, `3`}, {`keys(data.room)`, `["name","sid"]`}, {`values(data.room)`, `["support-1","RM_1"]`}, {`toPairs({b: 1, a: 2})`, `[["a",2],["b",1]]`}, {`fromPairs([["a", 1]])`, `{"a":1}`},
	{`len(data.room)`, `2`}, {`len(data.list)`, `3`}, {`map(data.list, map(data.list, #))`, `[[1,2,3],[1,2,3],[1,2,3]]`}, {`map(data.list, let x = #; map(data.list, # * x))`, `[[1,2,3],[2,4,6],[3,6,9]]`},
	{`map(data.list, any(data.list, # > 2) ? # : 0)`, `[1,2,3]`},

	// Flow.
	{`data.yes ? 1 : 2`, `1`}, {`if data.no { 1 } else if data.yes { 2 } else { 3 }`, `2`}, {`data.yes && !data.no`, `true`}, {`data.no or data.yes`, `true`}, {`data.no and data.a`, `false`}, {`data.yes or data.a`, `true`},
	{`let x = data.n; let y = x + 1; x * y`, `56`}, {`let a = (let b = 1; b + 1); let c = 3; a * c`, `6`}, {`1; 2; 3`, `3`}, {`data.n // a comment`, `7`}, {`data.n /* another */ + 1`, `8`},
	{`type(1)`, `"int"`}, {`type(1.5)`, `"float"`}, {`type("a")`, `"string"`}, {`type([])`, `"array"`}, {`type({})`, `"map"`}, {`type(true)`, `"bool"`}, {`type(time)`, `"time.Time"`},

	// Times.
	{`time > date("2026-01-01")`, `true`}, {`time == date(data.at)`, `true`}, {`time < date("2026-01-31T18:00:00+09:00")`, `false`}, {`time <= date("2026-01-31T18:00:00+09:00")`, `true`},
	{`time + duration("1h30m")`, `"2026-01-31T10:30:00Z"`}, {`duration("1h") + time`, `"2026-01-31T10:00:00Z"`}, {`time - duration("7d")`, `"2026-01-24T09:00:00Z"`}, {`time - date("2026-01-31")`, `"9h0m0s"`},
	{`duration("1h") * 2`, `"2h0m0s"`}, {`1.5 * duration("1h")`, `"1h30m0s"`}, {`duration("1h") / 2`, `"30m0s"`}, {`duration("1h") / duration("15m")`, `4`}, {`-duration("1h")`, `"-1h0m0s"`}, {`abs(-duration("1h")) == duration("60m")`, `true`}, {`duration("2h") > duration("1h")`, `true`}, {`duration("2h") - duration("1h")`, `"1h0m0s"`},
	{`sum([duration("1h"), duration("2h")])`, `"3h0m0s"`},
	{`time.Year()`, `2026`}, {`time.Month()`, `1`}, {`time.Weekday()`, `6`}, {`time.Unix()`, `1769850000`}, {`time.Format("2006/01/02")`, `"2026/01/31"`}, {`time.In("Asia/Tokyo")`, `"2026-01-31T18:00:00+09:00"`}, {`time.In(timezone("Asia/Tokyo")).Hour()`, `18`}, {`time.In("Asia/Tokyo") == time`, `true`},
	{`time.AddDate(0, 1, 0)`, `"2026-03-03T09:00:00Z"`}, {`time.Truncate(duration("24h"))`, `"2026-01-31T00:00:00Z"`}, {`(time - date("2026-01-31")).Hours()`, `9`}, {`time.Add(duration("1s")).After(time)`, `true`}, {`duration("90s").Minutes()`, `1.5`}, {`duration("90s").String()`, `"1m30s"`},
	{`date("2026-01-31", "2006-01-02")`, `"2026-01-31T00:00:00Z"`}, {`date("31/01/2026", "02/01/2006", "Asia/Tokyo")`, `"2026-01-31T00:00:00+09:00"`}, {`date(timezone("Asia/Tokyo"), "2026-01-31")`, `"2026-01-31T00:00:00+09:00"`},
	{`now() - time > duration("-99999h")`, `true`}, {`now(timezone("UTC")) >= now() - duration("1m")`, `true`}, {`[time, {at: time}]`, `["2026-01-31T09:00:00Z",{"at":"2026-01-31T09:00:00Z"}]`},
	{`[time][0] > date("2026-01-01")`, `true`}, {`{at: time}.at.Year()`, `2026`}, {`let t = {at: time}; t.at - time`, `"0s"`},
	{`max([], 1)`, `1`}, {`time in [date("2026-01-31T09:00:00Z")]`, `true`},
}

func TestAnExpressionGives(t *testing.T) {
	for _, c := range cases {
		v, err := eval(t, c.source, payload)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		got, err := engine.Value(v).Bytes()
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
		}
		if diff := cmp.Diff(normal(t, []byte(c.want)), normal(t, got)); diff != "" {
			t.Errorf("%s: got %s, want %s", c.source, got, c.want)
		}
	}
}

// normal is JSON text with its keys in order.
func normal(t *testing.T, raw []byte) string {
	t.Helper()
	v, err := engine.JSON(raw).Value()
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	if f, ok := v.(float64); ok {
		return formatFloat(f)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Each case is an expression over payload and what its error says.
var failures = []struct{ source, want string }{
	{`data.a + 1`, `evaluating "data.a + 1": data.a is nil`},
	{`1 - data.room.x.y`, `data.room.x.y is nil`},
	{`data.items[0].x * 2`, `data.items[0].x is nil`},
	{`int(data.a) + 1`, `int(data.a) is nil`},
	{`-data.a`, `data.a is nil`},
	{`data.a % 2`, `data.a is nil`},
	{`data.text + data.a`, `data.a is nil`},
	{`data.a..3`, `data.a is nil`},
	{`sum([1, nil])`, `item 1 of [1, nil] is nil, not a number`},
	{`map(data.items, .x + 1)`, `.x is nil`},
	{`data.text + 1`, `can't add data.text (text) and 1 (a number)`},
	{`data.room - 1`, `can't subtract data.room (a map) and 1 (a number)`},
	{`data.text < 3`, `can't compare data.text (text) and 3 (a number)`},
	{`data.list startsWith "x"`, `startsWith is between texts, got data.list (a list) and "x" (text)`},
	{`data.list matches "x"`, `matches is between texts, got data.list (a list) and "x" (text)`},
	{`1 in data.text`, `can't look for 1 (a number) in data.text (text), only in a list or map`},
	{`data.a and data.yes`, `data.a is nil, neither true nor false`},
	{`data.yes and data.n`, `data.n is a number, neither true nor false`},
	{`not data.a`, `data.a is nil, neither true nor false`},
	{`data.a ? 1 : 2`, `data.a is nil, neither true nor false`},
	{`data.text ? 1 : 2`, `data.text is text, neither true nor false`},
	{`filter(data.items, .x)`, `.x is nil, neither true nor false`},
	{`data.max + 1`, `the result is too large for a 64-bit integer`},
	{`data.max * 2`, `the result is too large for a 64-bit integer`},
	{`-data.max - 2`, `the result is too large for a 64-bit integer`},
	{`-(-data.max - 1)`, `the result is too large for a 64-bit integer`},
	{`(-data.max - 1) * -1`, `the result is too large for a 64-bit integer`},
	{`(-data.max - 1) / -1`, `the result is too large for a 64-bit integer`},
	{`abs(-data.max - 1)`, `the result is too large for a 64-bit integer`},
	{`sum([data.max, 1])`, `the result is too large for a 64-bit integer`},
	{`int(data.f * 1e300)`, `the result is too large for a 64-bit integer`},
	{`data.n / 0`, `division by zero`},
	{`data.n / 0.0`, `division by zero`},
	{`data.n % 0`, `division by zero`},
	{`data.f % 2`, `% is between whole numbers`},
	{`data.f * 1e308 * 1e10`, `the result is too large for a number`},
	{`data.f ** 1e10`, `the result is too large for a number`},
	{`int(data.text)`, `data.text is no whole number`},
	{`float(data.text)`, `data.text is no number`},
	{`float(replace("NaNx", "x", data.empty))`, `is no number`},
	{`upper(data.n)`, `data.n is a number, not text`},
	{`len(data.n)`, `data.n is a number, not text or a list or a map`},
	{`split(data.text, data.a)`, `data.a is nil`},
	{`map(data.text, #)`, `data.text is text, not a list`},
	{`sort(data.mixed)`, `have no order`},
	{`max(data.mixed)`, `data.mixed holds text, and numbers are wanted`},
	{`repeat("a", data.neg)`, `data.neg is negative`},
	{`bitshl(1, data.neg)`, `data.neg is negative`},
	{`bitand(data.f, 1)`, `data.f is no whole number`},
	{`data.list[0.5:]`, `a slice is between whole numbers`},
	{`data.n[1:]`, `data.n is a number, and a slice is of a list or text`},
	{`1..data.f`, `a range is between whole numbers`},
	{`data.text matches data.text + "("`, `this is no regular expression: missing closing )`},
	{`date(data.text)`, `data.text is no date that can be read`},
	{`date(data.at, data.text)`, `data.at is no date that can be read`},
	{`duration(data.text)`, `data.text is no duration`},
	{`timezone(data.text)`, `unknown time zone`},
	{`timezone("../" + data.text)`, `unknown time zone`},
	{`fromJSON(data.text)`, `data.text is no JSON`},
	{`fromBase64(data.text)`, `data.text is no base64`},
	{`fromPairs(data.list)`, `item 0 of data.list is no list of a key and a value`},
	{`fromPairs([[data.n, 1]])`, `the key of item 0`},
	{`{(data.n): 1}`, `data.n is no text, as a key must be`},
	{`groupBy(data.list, data.list)`, `and a group is by text or a number`},
	{`sort(data.list, data.text)`, `the order of sorting is "asc" or "desc"`},
	{`sum([1, duration("1h")])`, `holds numbers and durations`},
}

func TestAnExpressionThatCantBeEvaluatedFailsTheEvent(t *testing.T) {
	for _, c := range failures {
		v, err := eval(t, c.source, payload)
		if err == nil {
			t.Errorf("%s: got %v, want an error", c.source, v)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %q, want %q", c.source, err, c.want)
		}
		if !engine.IsPermanent(err) {
			t.Errorf("%s: the error is not permanent: trying again can't help", c.source)
		}
		for _, ugly := range []string{"interface", "runtime error", "float64", "int64", "[]any", "map[string]", "panic", "mistake of flowd"} {
			if strings.Contains(err.Error(), ugly) {
				t.Errorf("%s: %v is not for people", c.source, err)
			}
		}
	}
}

func TestAnErrorSaysWhereInTheDocument(t *testing.T) {
	var x Expr
	if diags := x.DecodeValue(yaml(t, "who: data.name\nsum: >-\n  data.n +\n  data.missing\n").Get("sum")); diags != nil {
		t.Fatal(diags)
	}
	_, err := x.Eval(event(payload))
	if want := `evaluating "data.n + data.missing"`; err == nil || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "data.missing is nil") {
		t.Errorf("got %v, want %s", err, want)
	}
	if !strings.Contains(err.Error(), " at :3:3: ") {
		t.Errorf("%v has not the place 3:3", err)
	}
}

func TestAPayloadThatIsNotJSONFailsWhatReadsIt(t *testing.T) {
	if _, err := eval(t, `data.x`, `{`); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("got %v", err)
	}
	if v, err := eval(t, `type`, `{`); v != "participant_joined" || err != nil {
		t.Errorf("got %v, %v: type does not need the payload", v, err)
	}
	if v, err := eval(t, `meta.path`, `{`); v != "/livekit" || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestTheTimeOfAnEventIsUTC(t *testing.T) {
	e := event(`{}`)
	e.Time = time.Date(2026, 1, 31, 18, 0, 0, 0, time.FixedZone("", 9*3600))
	x := MustExpr(`{{ time }} {{ time.Hour() }}`)
	if got, err := x.Eval(e); got != "2026-01-31T09:00:00Z 9" || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAnErrorPortGivesItsFailure(t *testing.T) {
	e := event(`{}`)
	first := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	e.Failure = &engine.Failure{Message: "no route", Node: "slack", Attempts: 3, First: first, Last: first}
	x := MustExpr(`"{{ error.node }} failed {{ error.attempts }} times: {{ error.message }} ({{ error.first }})"`)
	got, err := x.Eval(e)
	if want := `"slack failed 3 times: no route (2026-01-31T09:00:00Z)"`; got != want || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestValuesOfNodesWrittenInGoAreRead(t *testing.T) {
	type kind string
	e := event(`null`)
	e.Meta = engine.Meta{"tags": []string{"a", "b"}, "labels": map[string]string{"x": "1"}, "n": 7, "bytes": []byte("x"), "chan": make(chan int)}
	e.Data = engine.Value(map[string]any{
		"int": 3, "u8": uint8(4), "huge": uint64(math.MaxUint64), "f32": float32(0.5), "num": json.Number("9007199254740993"), "exp": json.Number("1e3"),
		"kind": kind("k"), "ints": []int{3, 4}, "maps": []map[string]any{{"a": 1}}, "nilmap": map[string]any(nil), "pointer": new(int), "nilpointer": (*int)(nil),
		"data": engine.JSON([]byte(`{"a":1}`)), "bytes": []byte("x"),
	})
	for source, want := range map[string]any{
		`data.int + 1`: int64(4), `data.u8 == 4`: true, `data.huge > 1e19`: true, `data.f32 * 2`: 1.0, `data.num`: int64(9007199254740993), `data.exp`: 1000.0,
		`data.kind + "!"`: "k!", `data.ints[1]`: int64(4), `sum(data.ints)`: int64(7), `max(data.ints)`: int64(4), `4 in data.ints`: true, `data.ints == [3, 4]`: true,
		`data.maps[0].a`: int64(1), `map(data.maps, .a)[0]`: int64(1), `data.nilmap.x`: nil, `data.pointer`: int64(0), `data.nilpointer`: nil, `join(data.ints, "-")`: "3-4",
		`data.data.a`: int64(1), `data.bytes`: "eA==", `"b" in meta.tags`: true, `meta.labels.x`: "1", `meta.n`: int64(7), `meta.bytes`: "eA==", `toJSON(data.ints)`: "[3,4]", `len(meta.labels)`: int64(1), `flatten([data.ints])[0]`: int64(3),
	} {
		x := MustExpr(source)
		got, err := x.Eval(e)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: got %v, %v, want %v", source, got, err, want)
		}
	}
	x := MustExpr(`meta.chan`)
	if _, err := x.Eval(e); err == nil || strings.Contains(err.Error(), "chan int") {
		t.Errorf("got %v", err)
	}
	x = MustExpr(`data.c + 1`)
	e.Data = engine.Value(map[string]any{"c": make(chan int)})
	if _, err := x.Eval(e); err == nil || !strings.Contains(err.Error(), "writing JSON: ") {
		t.Errorf("got %v", err)
	}
}

func TestAPlainValueIsItselfWithExpressionsAtItsLeaves(t *testing.T) {
	v := yaml(t, `
who: data.room.name
line: "{{ data.room.name }}: {{ data.n }}"
n: 3
f: 2.50
yes: true
nothing: null
text: '"quoted"'
list: [type, 1, {deep: data.list}]
`)
	var x Expr
	if diags := x.DecodeValue(v); diags != nil {
		t.Fatal(diags)
	}
	got, err := x.Eval(event(payload))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"who": "support-1", "line": "support-1: 7", "n": int64(3), "f": 2.5, "yes": true, "nothing": nil, "text": "quoted",
		"list": []any{"participant_joined", int64(1), map[string]any{"deep": []any{int64(1), int64(2), int64(3)}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEvaluatingChangesNothingItReads(t *testing.T) {
	e := event(payload)
	before, err := e.Data.Value()
	if err != nil {
		t.Fatal(err)
	}
	copied, _ := engine.JSON([]byte(payload)).Value()
	for _, c := range cases {
		var x Expr
		if diags := x.DecodeValue(&flows.Value{Kind: flows.String, Text: c.source}); diags.Failed() {
			continue
		}
		got, _ := x.Eval(e)
		if list, ok := got.([]any); ok { // as a careless node might
			_ = append(list, "spoilt")
		}
		if diff := cmp.Diff(copied, before); diff != "" {
			t.Fatalf("%s: %s", c.source, diff)
		}
	}
}
