package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/flowd/flowd/flows"
)

// TestADigestTellsApartWhatIsNotTheSame changes every word that counts of one
// flow, and some that do not.
func TestADigestTellsApartWhatIsNotTheSame(t *testing.T) {
	const base = `flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: z, from: a}]}}`
	same := []string{
		base,
		"flows:\n  f:\n    description: words\n    order_by: 'id'\n    lanes: 2\n    nodes: # here\n" +
			"      - a: x\n      - {when: \"p\", b: {k: [1, 2]}}\n      - {id: z, c: y, from: [a]}\n",
	}
	other := []string{
		`flows: {g: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 3, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: di, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: xx}, {b: {k: [1, 2]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, "2"]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [12]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [[1, 2]]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {l: [1, 2]}, when: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: q}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, timeout: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, retry: p}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p, on_error: drop}, {c: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {d: y, id: z, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: c, from: a}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: z, from: a.error}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}, {c: y, id: z}]}}`,
		`flows: {f: {lanes: 2, order_by: id, nodes: [{a: x}, {b: {k: [1, 2]}, when: p}]}}`,
	}
	digestOf := func(text string) digest {
		path := filepath.Join(t.TempDir(), "flows.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, diags := flows.Load([]string{path}, os.LookupEnv)
		if diags.Failed() {
			t.Fatal(diags)
		}
		var d digester
		d.flow(doc.Flows[0])
		return d.sum()
	}
	seen := map[digest]string{digestOf(base): base}
	for _, text := range same {
		if _, ok := seen[digestOf(text)]; !ok {
			t.Errorf("%s\nhas another digest than\n%s", text, base)
		}
	}
	for _, text := range other {
		d := digestOf(text)
		if first, ok := seen[d]; ok {
			t.Errorf("%s\nhas the digest of\n%s", text, first)
		}
		seen[d] = text
	}
}
