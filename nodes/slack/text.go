package slack

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape makes text that Slack shows as it is: the three characters that mean
// something to Slack, and no others (docs.slack.dev, formatting message text).
func escape(s string) string { return escaper.Replace(s) }

const (
	ellipsis = "…"
	fence    = "```"
)

// cut shortens s, whose values are escaped, to at most limit characters, and
// shows that it did. Slack does not say how it counts; cut counts UTF-16 units,
// the largest of what it may be. It does not cut an entity, a link or mention,
// or what a reader sees as one character, and closes a code block left open.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	room := limit - len("\n"+fence) - 1
	end, length := -1, 0
	for i, r := range s {
		length += units(r)
		if length > room && end < 0 {
			end = i
		}
	}
	if length <= limit {
		return s
	}
	kept := whole(s, end)
	if strings.Count(kept, fence)%2 == 1 {
		return kept + ellipsis + "\n" + fence
	}
	return kept + ellipsis
}

// markup begins a link or a mention: one that the user wrote, since what
// expressions put in is escaped.
var markup = regexp.MustCompile(`^<[@#!a-z]`)

var entity = regexp.MustCompile(`^&(amp|lt|gt);`)

// units is how many UTF-16 units r takes.
func units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// size is how many UTF-16 units s takes.
func size(s string) (n int) {
	for _, r := range s {
		n += units(r)
	}
	return n
}

// whole is s up to end, or a little less: nothing at its end is torn.
func whole(s string, end int) string {
	const longest = 64 // runes that make one character; more are a prank
	for range longest {
		if end == 0 || !joined(s, end) {
			break
		}
		_, n := utf8.DecodeLastRuneInString(s[:end])
		end -= n
	}
	if open := strings.LastIndexByte(s[:end], '<'); open > strings.LastIndexByte(s[:end], '>') && markup.MatchString(s[open:]) {
		end = open
	}
	if amp := strings.LastIndexByte(s[:end], '&'); amp >= 0 && amp+len(entity.FindString(s[amp:])) > end {
		end = amp
	}
	kept := s[:end]
	if strings.HasPrefix(s[end:], "`") { // in the middle of a fence, perhaps
		kept = strings.TrimRight(kept, "`")
	}
	return kept
}

// joined reports whether the runes before and behind end belong to one
// character: letters with marks, emoji with skin tones or joiners, flags.
func joined(s string, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:end])
	behind, _ := utf8.DecodeRuneInString(s[end:])
	const joiner = '\u200D'
	switch {
	case before == joiner, behind == joiner, unicode.Is(unicode.M, behind):
		return true
	case behind >= 0x1F3FB && behind <= 0x1F3FF: // skin tones
		return true
	case flag(behind):
		n := 0
		for rest := s[:end]; ; n++ {
			r, size := utf8.DecodeLastRuneInString(rest)
			if !flag(r) {
				break
			}
			rest = rest[:len(rest)-size]
		}
		return n%2 == 1
	}
	return false
}

// flag reports whether r is half a flag.
func flag(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }
