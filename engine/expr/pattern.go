package expr

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// A pattern is a regular expression whose work can be told beforehand.
type pattern struct {
	*regexp.Regexp
	size   int    // in instructions, at most
	prefix string // what a match begins with
	plain  bool   // whether prefix is all of it
}

const (
	longPattern  = 4 << 10 // bytes of a pattern
	patternSteps = 200     // steps that compiling takes for a byte or instruction
	classSteps   = 5_000   // steps that a class like \pL takes
	foldedSteps  = 500_000 // steps that (?i) takes for a range like \x{41}-\x{1e942}
)

// foldedRange is a range of characters that may be large.
var foldedRange = regexp.MustCompile(`-(\\x|[^\x00-\x7f])`)

// patternCost is the steps that compiling a pattern takes, at most.
func patternCost(text string) int {
	cost := len(text)*patternSteps + (strings.Count(text, `\p`)+strings.Count(text, `\P`))*classSteps
	if strings.Contains(text, "(?") {
		cost += len(foldedRange.FindAllStringIndex(text, -1)) * foldedSteps
	}
	return cost
}

func compilePattern(text string) (*pattern, error) {
	tooLarge := fmt.Errorf("this regular expression is too large: it has more than %d parts, repetitions counted out", mostPattern)
	if len(text) > longPattern {
		return nil, tooLarge
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, noPattern(err)
	}
	p := &pattern{size: size(tree)}
	if p.size > mostPattern {
		return nil, tooLarge
	}
	if p.Regexp, err = regexp.Compile(text); err != nil {
		return nil, noPattern(err)
	}
	p.prefix, _ = p.LiteralPrefix()
	if tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 {
		p.prefix, p.plain = string(tree.Rune), true
	}
	return p, nil
}

// noPattern says what is wrong with a pattern, and shows nothing of it.
func noPattern(err error) error {
	bad := &syntax.Error{Code: syntax.ErrInternalError}
	errors.As(err, &bad)
	return fmt.Errorf("this is no regular expression: %s", bad.Code)
}

// size is how many instructions a pattern compiles to, at most. It is known
// before repetitions are written out, which is what takes the memory.
func size(re *syntax.Regexp) int {
	n := 2
	if re.Op == syntax.OpLiteral {
		n += len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += size(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, mostPattern+1)
}

// match counts what it costs at worst: that each byte of the text is looked at
// in each instruction, which takes 5 ns.
func (p *pattern) match(s *state, text string) bool {
	s.scan(len(text))
	at := strings.Index(text, p.prefix)
	if at < 0 || p.plain {
		return at >= 0
	}
	s.spend(len(text) * (p.size/2 + 2))
	return p.MatchString(text)
}
