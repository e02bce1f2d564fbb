package engine

import (
	"strings"
	"testing"
)

func TestOfLargeEventsFewAreInHand(t *testing.T) {
	for _, lanes := range []int{1, 3} {
		c := &crew{flow: &flow{}, plan: &livePlan{flowPlan: &flowPlan{}}}
		for range lanes {
			c.jobs = append(c.jobs, make(chan job, 100))
		}
		taken := 0
		for ; !c.full() && taken < 100; taken++ {
			large := JSON([]byte(`"` + strings.Repeat("x", 1<<20) + `"`))
			c.hand(&buffer{{Offset: Offset(taken + 1), Data: large}}, 1)
		}
		if taken > 4*lanes {
			t.Errorf("%d lanes have %d MiB in hand", lanes, taken)
		}
	}
}
