package expr_test

import (
	"fmt"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
)

// joined is an event.
var joined = &engine.Event{Type: "joined", Data: engine.JSON([]byte(`{"room": "lab", "n": 3}`))}

func ExampleMustExpr() {
	sum := expr.MustExpr(`{"room": data.room, "double": data.n * 2, "nobody": data.user.name}`)
	fmt.Println(sum.Eval(joined))
	// Output: map[double:6 nobody:<nil> room:lab] <nil>
}

func ExampleMustCondition() {
	busy := expr.MustCondition(`type == "joined" && data.n > 2`)
	fmt.Println(busy.True(joined))
	// Output: true <nil>
}

func ExampleMustText() {
	text := expr.MustText("{{ data.n }} people are in the {{ data.room }}")
	fmt.Println(text.Render(joined))
	// Output: 3 people are in the lab <nil>
}

func ExampleMustRequest() {
	kind := expr.MustRequest(`headers["x-kind"] ?? body.kind`)
	fmt.Println(kind.Eval(map[string]any{"body": map[string]any{"kind": "order"}, "headers": map[string]any{}}))
	// Output: order <nil>
}
