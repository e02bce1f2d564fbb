package engine_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/flowd/flowd/engine"
)

// TestAKeyTableIsAMap does the same with a table and with a map of Go's, with
// keys that want the same places in it.
func TestAKeyTableIsAMap(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 0))
		key := func() (h engine.KeyHash) {
			binary.LittleEndian.PutUint64(h[:], random.Uint64N(40)<<random.IntN(8))
			h[12], h[15] = byte(random.IntN(3)), byte(random.IntN(2))
			return h
		}
		var table engine.KeyTable
		model := map[engine.KeyHash]engine.KeyOwner{}
		for step := range 5_000 {
			h := key()
			switch owner := (engine.KeyOwner{Offset: engine.Offset(step), Expires: int64(-step)}); {
			case random.IntN(10) > int(seed)%5+3:
				table.Set(h, owner)
				model[h] = owner
			default:
				table.Delete(h)
				delete(model, h)
			}
			h = key()
			got, ok := table.Get(h)
			if want, has := model[h]; ok != has || got != want || table.Len() != len(model) {
				t.Fatalf("seed %d, step %d: got %v %v of %d, want %v %v of %d", seed, step, got, ok, table.Len(), want, has, len(model))
			}
		}
		for h, want := range model {
			if got, ok := table.Get(h); !ok || got != want {
				t.Fatalf("seed %d: got %v %v, want %v", seed, got, ok, want)
			}
		}
	}
}

func TestAKeyTakesLittleMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var table engine.KeyTable
	const n = 850_000 // just behind a doubling, where it takes the most for each
	for i := range uint64(n) {
		var h engine.KeyHash
		binary.LittleEndian.PutUint64(h[:], i*0x9e3779b97f4a7c15)
		table.Set(h, engine.KeyOwner{Offset: engine.Offset(i)})
	}
	each := float64(heap()-before) / n
	if table.Len() != n || each > 46 {
		t.Errorf("each of %d keys takes %.1f bytes", table.Len(), each)
	}
	t.Logf("each takes %.1f bytes", each)
}

func TestWhatIsDeletedFromAKeyTableMakesRoom(t *testing.T) {
	var table engine.KeyTable
	h := func(i int) engine.KeyHash { return engine.KeyHash{byte(i), byte(i >> 8)} }
	for i := range 300 {
		table.Set(h(i), engine.KeyOwner{})
	}
	allocations := testing.AllocsPerRun(100, func() {
		for i := range 300 {
			table.Delete(h(i))
		}
		for i := range 300 {
			table.Set(h(i), engine.KeyOwner{})
		}
	})
	if allocations > 1 {
		t.Errorf("%v allocations", allocations)
	}
}
