package expr_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

func TestAConditionOnTheTypeNarrowsToTheTypesItHoldsFor(t *testing.T) {
	types := []string{"room_started", "room_finished", "track_published", "participant_joined", "Participant_left"}
	var all engine.Schema
	for _, name := range types {
		all = append(all, engine.Variant{Of: "an event", Type: engine.Shape{
			Kinds: engine.CanBeText, Values: []string{name}, Known: types,
		}})
	}
	names := func(s engine.Schema) []string {
		found := []string{}
		for _, v := range s {
			found = append(found, v.Type.Values...)
		}
		return found
	}
	for _, source := range []string{
		`type == "room_started"`, `type != "room_started"`, `"room_started" == type`,
		`type in ["room_started", "track_published"]`, `type not in ["room_started", "track_published"]`,
		`type startsWith "room_"`, `not (type startsWith "room_")`, `type endsWith "ed" && type contains "_p"`,
		`type startsWith "room_" or type endsWith "_left"`, `type startsWith "room_" ? type endsWith "ed" : type contains "left"`,
		`type matches "^(room|track)_"`, `!(type matches "(?i)^participant")`, `type matches ".*"`,
		`lower(type) startsWith "participant_"`, `split(type, "_")[0] == "room"`, `len(type) > 13`, `type > "q"`,
		`hasPrefix(type, "room_")`, `any(["room_", "track_"], type startsWith #)`, `let t = upper(type); t contains "LEFT"`,
		`{"room_started": true}[type] ?? false`, `type == "room_started" == true`,
	} {
		c := expr.MustCondition(source)
		yes, no := []string{}, []string{}
		for _, name := range types {
			is, err := c.True(&engine.Event{Type: name})
			if err != nil {
				t.Fatalf("%s: %v", source, err)
			}
			if is {
				yes = append(yes, name)
			} else {
				no = append(no, name)
			}
		}
		gotYes, gotNo := c.Narrow(all)
		if diff := cmp.Diff(yes, names(gotYes)); diff != "" {
			t.Errorf("%s: true for (-want +got):\n%s", source, diff)
		}
		if diff := cmp.Diff(no, names(gotNo)); diff != "" {
			t.Errorf("%s: false for (-want +got):\n%s", source, diff)
		}
	}
	for _, source := range []string{
		`type == uuid()`, `type startsWith data.prefix`, `type == "room_started" == data.yes`, `len(type) > now().Second()`,
	} {
		c := expr.MustCondition(source)
		yes, no := c.Narrow(all)
		for _, got := range []engine.Schema{yes, no} {
			if diff := cmp.Diff(types, names(got)); diff != "" {
				t.Errorf("%s: it may be either for each, got (-want +got):\n%s", source, diff)
			}
		}
	}
}
