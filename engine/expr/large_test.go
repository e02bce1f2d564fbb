package expr

import (
	"strings"
	"testing"

	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/flows"
)

func TestANumberThatIsTooLargeGoesOnAsItCameAndIsNoText(t *testing.T) {
	for _, c := range []struct{ source, want, failure string }{
		{`data`, `{"n":-1e400}`, ""},
		{`data.n`, `-1e400`, ""},
		{`[data.n, {a: data}]`, `[-1e400,{"a":{"n":-1e400}}]`, ""},
		{`{{ data.n }}`, `"-1e400"`, ""},
		{`data.n == "-1e400"`, `false`, ""},
		{`data.n + 1`, "", "too large"},
		{`data.n + "x"`, "", "too large"},
		{`data.n > 1`, "", "too large"},
		{`-data.n`, "", "too large"},
		{`abs(data.n)`, "", "too large"},
		{`data.n ? 1 : 2`, "", "too large"},
		{`upper(data.n)`, "", "too large"},
	} {
		var x Expr
		if diags := x.DecodeValue(&flows.Value{Kind: flows.String, Text: c.source}); diags.Failed() {
			t.Fatal(diags)
		}
		for _, made := range []bool{false, true} {
			e := event(`{"n":-1e400}`)
			if made {
				v, err := e.Data.Value()
				if err != nil {
					t.Fatal(err)
				}
				e.Data = engine.Value(v)
			}
			v, err := x.Eval(e)
			if c.failure != "" {
				if err == nil || !strings.Contains(err.Error(), c.failure) {
					t.Errorf("%s: got %v, %v, want a failure", c.source, v, err)
				}
				continue
			}
			got, errWriting := engine.AppendJSON(nil, v)
			if err != nil || errWriting != nil || string(got) != c.want {
				t.Errorf("%s: got %s, %v, %v, want %s", c.source, got, err, errWriting, c.want)
			}
			data, err := x.Data(e)
			if err != nil {
				t.Errorf("%s: %v", c.source, err)
				continue
			}
			if got, err := data.Bytes(); err != nil || string(got) != c.want {
				t.Errorf("%s: its Data is %s, %v, want %s", c.source, got, err, c.want)
			}
		}
	}
}
