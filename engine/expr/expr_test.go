package expr

import "testing"

func TestAConditionIsTrueOrFalse(t *testing.T) {
	c := MustCondition(`type == "participant_joined" && data.room.name startsWith "support-"`)
	for data, want := range map[string]bool{`{"room":{"name":"support-1"}}`: true, `{"room":{"name":"x"}}`: false, `{}`: false} {
		got, err := c.True(event(data))
		if got != want || err != nil {
			t.Errorf("%s: got %v, %v", data, got, err)
		}
	}
}
