package flows

import "unicode/utf8"

// A Passage is where a value and the runes of its text stand, for who runs on
// when the document is forgotten: it keeps the name of the file, not its text.
type Passage struct {
	whole  Span
	runes  int
	places places // nil where they can't be told apart
}

// Passage returns that of v.
func (v *Value) Passage() Passage {
	p := v.passage()
	p.whole.File = p.whole.File.nameAlone()
	return p
}

func (v *Value) passage() Passage {
	return Passage{v.Span, utf8.RuneCountInString(v.Text), v.places}
}

// At returns the place of the n runes of v.Text that begin at rune i, counted
// from 0. Where they can't be told apart (the text came from ${…}, say), it is
// the place of the whole value.
func (v *Value) At(i, n int) Span { return v.passage().At(i, n) }

// At is [Value.At].
func (p Passage) At(i, n int) Span {
	if i < 0 || i >= p.runes || p.places == nil {
		return p.whole
	}
	first := p.places.at(i)
	s := Span{File: p.whole.File, Line: int(first.line), Column: int(first.column), Length: int(first.width)}
	for k := i + 1; k < min(i+n, p.runes); k++ {
		at := p.places.at(k)
		if at.line != first.line {
			break
		}
		s.Length = max(s.Length, int(at.column+at.width-first.column))
	}
	return s
}

// Span is the place of the whole value.
func (p Passage) Span() Span { return p.whole }

// nameAlone is f without its text, the same each time.
func (f *File) nameAlone() *File {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.named == nil {
		f.named = &File{Name: f.Name}
	}
	return f.named
}
