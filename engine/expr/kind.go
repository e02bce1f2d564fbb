package expr

import (
	"cmp"
	"strings"
	"time"

	"github.com/flowd/flowd/engine"
)

// kinds is a set of kinds of value. The checker works with sets, since what an
// event holds is known only in part.
type kinds uint16

const (
	isNil kinds = 1 << iota
	isBool
	isNumber
	isText
	isList
	isMap
	isTime
	isDuration
	isZone

	isJSON = isNil | isBool | isNumber | isText | isList | isMap
	isAny  = isZone<<1 - 1
)

// beyondJSON names the kinds that an event can't hold.
var beyondJSON = map[kinds]string{isTime: "a time", isDuration: "a duration", isZone: "a time zone"}

func (k kinds) String() string {
	if k|isNil == isJSON {
		return "a value of JSON"
	}
	if k == 0 {
		return "a number that is too large"
	}
	var names []string
	for rest := k; rest != 0; rest &= rest - 1 {
		one := rest & -rest
		names = append(names, cmp.Or(beyondJSON[one], engine.Kinds(one).String()))
	}
	return strings.Join(names, " or ")
}

// there is k without nil, unless that is all: what a message says that may be
// nil besides.
func (k kinds) there() kinds {
	if k == isNil {
		return k
	}
	return k &^ isNil
}

// has reports whether a value of k may be of one of the kinds of other.
func (k kinds) has(other kinds) bool { return k&other != 0 }

// kindOf is the kind of a value that [state.norm] has seen; 0 for one that the
// language does not know.
func kindOf(v any) kinds {
	switch v.(type) {
	case nil:
		return isNil
	case bool:
		return isBool
	case int64, float64:
		return isNumber
	case string:
		return isText
	case []any:
		return isList
	case map[string]any:
		return isMap
	case time.Time:
		return isTime
	case time.Duration:
		return isDuration
	case *time.Location:
		return isZone
	}
	return 0
}
