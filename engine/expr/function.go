package expr

import (
	"math"

	"github.com/flowd/flowd/engine"
)

// functions are those of the language that are no loops: expr-lang's, and ours
// (hash, slug, uuid).
var functions = map[string]*function{
	"abs":   {takes: []kinds{isNumber | isDuration}, gives: isNumber | isDuration, run: abs},
	"ceil":  {takes: []kinds{isNumber}, gives: isNumber, run: rounded(math.Ceil)},
	"floor": {takes: []kinds{isNumber}, gives: isNumber, run: rounded(math.Floor)},
	"round": {takes: []kinds{isNumber}, gives: isNumber, run: rounded(math.Round)},
	"int":   {takes: []kinds{isNumber | isText}, gives: isNumber, run: toInt},
	"float": {takes: []kinds{isNumber | isText}, gives: isNumber, run: toFloat},
	"string": {takes: []kinds{isAny}, gives: isText, run: func(s *state, args []any) any {
		return s.text(args[0])
	}},
	"type": {takes: []kinds{isAny}, gives: isText, run: func(_ *state, args []any) any { return typeName(args[0]) }},
	"len":  {takes: []kinds{isText | isList | isMap | isNil}, gives: isNumber, run: length},
	"get": {takes: []kinds{isList | isMap | isText, isNumber | isText | isNil}, gives: isAny, run: func(s *state, args []any) any {
		return s.index(args[0], args[1])
	}},

	"trim":        {takes: []kinds{isText, isText}, least: 1, gives: isText, run: trim},
	"trimPrefix":  {takes: []kinds{isText, isText}, least: 1, gives: isText, run: trimPrefix},
	"trimSuffix":  {takes: []kinds{isText, isText}, least: 1, gives: isText, run: trimSuffix},
	"upper":       {takes: []kinds{isText}, gives: isText, run: upper},
	"lower":       {takes: []kinds{isText}, gives: isText, run: lower},
	"split":       {takes: []kinds{isText, isText, isNumber}, least: 2, gives: isList, run: split},
	"splitAfter":  {takes: []kinds{isText, isText, isNumber}, least: 2, gives: isList, run: splitAfter},
	"replace":     {takes: []kinds{isText, isText, isText, isNumber}, least: 3, gives: isText, run: replace},
	"repeat":      {takes: []kinds{isText, isNumber}, gives: isText, run: repeat},
	"join":        {takes: []kinds{isList | isNil, isText}, least: 1, gives: isText, run: join},
	"indexOf":     {takes: []kinds{isText, isText}, gives: isNumber, run: indexOf},
	"lastIndexOf": {takes: []kinds{isText, isText}, gives: isNumber, run: lastIndexOf},
	"hasPrefix":   {takes: []kinds{isText | isNil, isText | isNil}, gives: isBool, run: hasPrefix},
	"hasSuffix":   {takes: []kinds{isText | isNil, isText | isNil}, gives: isBool, run: hasSuffix},
	"toJSON":      {takes: []kinds{isAny}, gives: isText, run: func(s *state, args []any) any { return s.json(args[0]) }},
	"fromJSON":    {takes: []kinds{isText}, gives: isJSON, run: fromJSON},
	"toBase64":    {takes: []kinds{isText}, gives: isText, run: toBase64},
	"fromBase64":  {takes: []kinds{isText}, gives: isText, run: fromBase64},
	"hash":        {takes: []kinds{isAny}, gives: isText, run: hash},
	"slug":        {takes: []kinds{isText}, gives: isText, run: slug},
	"uuid":        {takes: []kinds{isAny}, least: -1, gives: isText, impure: true, run: uuid},

	"first":     {takes: []kinds{isList | isNil}, gives: isAny, run: first},
	"last":      {takes: []kinds{isList | isNil}, gives: isAny, run: last},
	"take":      {takes: []kinds{isList | isNil, isNumber}, gives: isList, run: take},
	"reverse":   {takes: []kinds{isList | isNil}, gives: isList, run: reverse},
	"uniq":      {takes: []kinds{isList | isNil}, gives: isList, run: uniq},
	"concat":    {takes: []kinds{isList | isNil}, more: true, gives: isList, run: concat},
	"flatten":   {takes: []kinds{isList | isNil}, gives: isList, run: flatten},
	"sort":      {takes: []kinds{isList | isNil, isText}, least: 1, gives: isList, run: sorted},
	"keys":      {takes: []kinds{isMap | isNil}, gives: isList, run: keys},
	"values":    {takes: []kinds{isMap | isNil}, gives: isList, run: values},
	"toPairs":   {takes: []kinds{isMap | isNil}, gives: isList, run: toPairs},
	"fromPairs": {takes: []kinds{isList | isNil}, gives: isMap, run: fromPairs},
	"max":       {takes: []kinds{isNumber | isList}, more: true, gives: isNumber | isNil, run: maximum},
	"min":       {takes: []kinds{isNumber | isList}, more: true, gives: isNumber | isNil, run: minimum},
	"mean":      {takes: []kinds{isNumber | isList}, more: true, gives: isNumber, run: mean},
	"median":    {takes: []kinds{isNumber | isList}, more: true, gives: isNumber, run: median},

	"now":      {takes: []kinds{isZone}, least: -1, gives: isTime, impure: true, run: now},
	"date":     {takes: []kinds{isText | isZone, isText, isText}, least: 1, gives: isTime, run: date},
	"duration": {takes: []kinds{isText}, gives: isDuration, run: duration},
	"timezone": {takes: []kinds{isText}, gives: isZone, run: timezone},

	"bitand":  bitwise(func(_ *state, x, y int64) int64 { return x & y }),
	"bitor":   bitwise(func(_ *state, x, y int64) int64 { return x | y }),
	"bitxor":  bitwise(func(_ *state, x, y int64) int64 { return x ^ y }),
	"bitnand": bitwise(func(_ *state, x, y int64) int64 { return x &^ y }),
	"bitshl":  shift(func(x int64, by uint64) int64 { return x << by }),
	"bitshr":  shift(func(x int64, by uint64) int64 { return x >> by }),
	"bitushr": shift(func(x int64, by uint64) int64 { return int64(uint64(x) >> by) }),
	"bitnot": {takes: []kinds{isNumber}, gives: isNumber, run: func(s *state, args []any) any {
		return ^s.whole(args, 0)
	}},
}

// typeName is what type(v) gives, in expr-lang's words.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "map"
	}
	switch kindOf(v) {
	case isTime:
		return "time.Time"
	case isDuration:
		return "time.Duration"
	}
	return "unknown"
}

// fromJSON reads JSON as the engine reads payloads: integers stay exact.
func fromJSON(s *state, args []any) any {
	text := args[0].(string)
	s.spend(2 * len(text))
	s.take(itemSize * len(text)) // a list of digits takes that much
	v, err := engine.JSON([]byte(text)).Value()
	if err != nil {
		s.fail("%s is no JSON", s.name(0))
	}
	return v
}
