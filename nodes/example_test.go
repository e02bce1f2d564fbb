package nodes_test

import (
	"fmt"

	"github.com/flowd/flowd/nodes"
)

func ExampleAll() {
	for _, spec := range nodes.All().Lookup("filter") {
		fmt.Println(spec.Kind, spec.Type+":", spec.Summary)
	}
	// Output: processor filter: Lets those events go on for which an expression is true.
}
