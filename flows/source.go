package flows

import "sort"

// A source is the text of a file with its lines, to turn the places yaml.v3
// names into spans and back into text.
type source struct {
	file   *File
	runes  []rune
	breaks []int // where each line begins as YAML counts lines: NEL, LS, PS and a lone CR end one too
	lines  []int // where each line begins as editors count lines
	last   int   // the line that was asked for last
}

func newSource(file *File) *source {
	s := &source{file: file, runes: []rune(file.Text), breaks: []int{0}, lines: []int{0}}
	for i, r := range s.runes {
		if !isBreak(r) || r == '\r' && s.at(i+1) == '\n' {
			continue
		}
		s.breaks = append(s.breaks, i+1)
		if r == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// at returns the rune at an offset, or 0 beyond the end.
func (s *source) at(i int) rune {
	if i < 0 || i >= len(s.runes) {
		return 0
	}
	return s.runes[i]
}

// offset is where yaml.v3's line and column, counted from 1, are in the text.
func (s *source) offset(line, column int) int {
	line = min(max(line, 1), len(s.breaks))
	return min(s.breaks[line-1]+max(column, 1)-1, len(s.runes))
}

// line is the number of the line that holds an offset, counted from 0.
func (s *source) line(offset int) int {
	if offset < s.lines[s.last] || s.last+1 < len(s.lines) && offset >= s.lines[s.last+1] {
		s.last = sort.SearchInts(s.lines, offset+1) - 1
	}
	return s.last
}

// end is where a line ends, before its break.
func (s *source) end(line int) int {
	end := len(s.runes)
	if line+1 < len(s.lines) {
		end = s.lines[line+1] - 1
	}
	if end > s.lines[line] && s.at(end-1) == '\r' {
		end--
	}
	return end
}

// text is a line without its break.
func (s *source) text(line int) []rune { return s.runes[s.lines[line]:s.end(line)] }

// span is the place from one offset up to another, cut at the end of its first
// line. It covers at least one character, or the one that is missing there.
func (s *source) span(from, to int) Span {
	line := s.line(from)
	to = min(to, s.end(line))
	return Span{File: s.file, Line: line + 1, Column: from - s.lines[line] + 1, Length: max(1, to-from)}
}

func (s *source) place(from, width int) place {
	span := s.span(from, from+width)
	return place{line: int32(span.Line), column: int32(span.Column), width: int32(span.Length)}
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

func isBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}
