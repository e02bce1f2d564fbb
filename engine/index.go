package engine

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"
)

// An index says where the values of a JSON text stand. The pass that finds the
// text to be JSON makes it, and everything else is a lookup.
type index struct {
	marks   []mark
	escaped bool // whether a key is written with an escape
	foreign bool // whether a string is not UTF-8
	spaced  bool // whether there is space around or between the tokens
}

// A mark is one value. The first is the whole text. What is inside a list or
// map follows its mark, in the order of the text, up to next.
type mark struct {
	at   uint32 // where it begins; of a field, where its key begins, behind the quote
	next uint32 // the mark behind it and all that is inside
}

// deepest is how many lists and maps may be inside each other, as encoding/json
// has it.
const deepest = 10_000

// indexOf makes the index of text that is JSON and has less than 4 GiB.
func indexOf(text []byte) (index, bool) {
	if uint64(len(text)) > math.MaxUint32 {
		return index{}, false
	}
	x := indexers.Get().(*indexer)
	defer x.free()
	x.text = text
	i := x.space(0)
	x.marks = append(x.marks, mark{at: uint32(i)})
	if i = x.value(i, 0); i < 0 || x.space(i) < len(text) {
		return index{}, false
	}
	x.marks[0].next = uint32(len(x.marks))
	return index{slices.Clone(x.marks), x.escaped, x.foreign, x.spaced}, true
}

// An indexer goes through a text. Its methods take where something begins and
// return where it ends, or -1 if it is not there.
type indexer struct {
	text []byte
	index
}

var indexers = sync.Pool{New: func() any { return new(indexer) }}

// free gives x back, without the text.
func (x *indexer) free() {
	const most = 64 << 10 // marks that are kept for the next
	if cap(x.marks) > most {
		x.marks = nil
	}
	*x = indexer{index: index{marks: x.marks[:0]}}
	indexers.Put(x)
}

func (x *indexer) value(i, depth int) int {
	if i >= len(x.text) {
		return -1
	}
	switch x.text[i] {
	case '"':
		end, _, ascii := stringEnd(x.text, i+1)
		if !ascii {
			x.encoded(i, end)
		}
		return end
	case '{':
		return x.inside(i+1, depth+1, '}')
	case '[':
		return x.inside(i+1, depth+1, ']')
	case 't':
		return wordEnd(x.text, i, "true")
	case 'f':
		return wordEnd(x.text, i, "false")
	case 'n':
		return wordEnd(x.text, i, "null")
	}
	return numberEnd(x.text, i)
}

// inside takes what follows the opening bracket of a list or map, whose closing
// one is end.
func (x *indexer) inside(i, depth int, end byte) int {
	text := x.text
	if depth > deepest {
		return -1
	}
	if i = x.space(i); i < len(text) && text[i] == end {
		return i + 1
	}
	for {
		i = x.space(i)
		n := len(x.marks)
		x.marks = append(x.marks, mark{at: uint32(i)})
		if end == '}' {
			x.marks[n].at++
			if i = x.key(i); i < 0 {
				return -1
			}
		}
		if i = x.value(i, depth); i < 0 {
			return -1
		}
		x.marks[n].next = uint32(len(x.marks))
		if i = x.space(i); i >= len(text) {
			return -1
		}
		switch text[i] {
		case ',':
			i++
		case end:
			return i + 1
		default:
			return -1
		}
	}
}

// key takes a key and what is between it and its value.
func (x *indexer) key(i int) int {
	text := x.text
	if i >= len(text) || text[i] != '"' {
		return -1
	}
	end, escaped, ascii := stringEnd(text, i+1)
	if end < 0 {
		return -1
	}
	if !ascii {
		x.encoded(i, end)
	}
	x.escaped = x.escaped || escaped
	if i = x.space(end); i >= len(text) || text[i] != ':' {
		return -1
	}
	return x.space(i + 1)
}

// encoded looks at how a string is encoded, if it has an end.
func (x *indexer) encoded(i, end int) {
	if end > 0 && !utf8.Valid(x.text[i:end]) {
		x.foreign = true
	}
}

// space takes any space.
func (x *indexer) space(i int) int {
	if i < len(x.text) && x.text[i] > ' ' {
		return i
	}
	end := spaceEnd(x.text, i)
	x.spaced = x.spaced || end > i
	return end
}

func spaceEnd(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// stringEnd is where the string ends whose opening quote is before i: behind
// its closing quote. It is -1 if there is none. It tells whether there is an
// escape in it, and whether it is known to be ASCII.
func stringEnd(text []byte, i int) (end int, escaped, ascii bool) {
	var seen uint64
	for {
		eight := eightAt(text, i)
		seen |= eight
		special := specials(eight)
		if special == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(special) >> 3
		if i >= len(text) {
			return -1, false, false
		}
		if text[i] == '"' {
			return i + 1, escaped, seen&highs == 0
		}
		if text[i] != '\\' {
			return -1, false, false
		}
		escaped = true
		if i = escapeEnd(text, i+1); i < 0 {
			return -1, false, false
		}
	}
}

// eightAt is the next eight bytes, with zeros behind the end.
func eightAt(text []byte, i int) uint64 {
	if i+8 <= len(text) {
		return binary.LittleEndian.Uint64(text[i : i+8])
	}
	var last [8]byte
	copy(last[:], text[i:])
	return binary.LittleEndian.Uint64(last[:])
}

// The lowest and the highest bits of eight bytes.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// specials has a bit set in the first byte of eight that ends the plain part of
// a string: a quote, a backslash, or a control character. Bits in the bytes
// before that are 0, those behind it mean nothing.
func specials(eight uint64) uint64 {
	quote := eight ^ ones*'"'
	slash := eight ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (eight-ones*' ')&^eight) & highs
}

// escapeEnd takes what follows a backslash.
func escapeEnd(text []byte, i int) int {
	if i >= len(text) {
		return -1
	}
	switch text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n >= len(text) || !isHex(text[i+n]) {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func wordEnd(text []byte, i int, word string) int {
	if len(text)-i < len(word) || string(text[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// numberEnd takes a number as RFC 8259 has it.
func numberEnd(text []byte, i int) int {
	if i < len(text) && text[i] == '-' {
		i++
	}
	start := i
	if i = digitsEnd(text, i); i == start || text[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(text) && text[i] == '.' {
		start = i + 1
		if i = digitsEnd(text, start); i == start {
			return -1
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		start = i
		if i = digitsEnd(text, start); i == start {
			return -1
		}
	}
	return i
}

func digitsEnd(text []byte, i int) int {
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}
