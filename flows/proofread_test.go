package flows

import (
	"os"
	"strings"
	"testing"
)

// A mistake of one character in a document as people write them: the line that
// has it is named, wherever YAML stops making sense.
func TestASlipOfOneCharacterIsFoundInItsLine(t *testing.T) {
	document, err := os.ReadFile("testdata/document.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(document), "\n")
	slips := 0
	try := func(i int, line string) {
		t.Helper()
		text := strings.Join(append(append(append([]string{}, lines[:i]...), line), lines[i+1:]...), "\n")
		_, diags := parse(&File{Name: "document.yaml", Text: text})
		if !diags.Failed() {
			return // it is YAML still
		}
		slips++
		if got := diags[0]; got.Span.Line != i+1 || strings.Contains(got.Message, notYAML) {
			t.Errorf("line %d is %q:\n%s", i+1, line, got.Format())
		}
	}
	for i, line := range lines {
		text := strings.TrimLeft(line, " ")
		for at, r := range line {
			if strings.ContainsRune(`:"',{}`, r) {
				try(i, line[:at]+line[at+1:])
			}
		}
		if at := strings.Index(line, ": "); at > 0 {
			try(i, line[:at+1]+line[at+2:])
			for _, mark := range []string{"@", "`", "%", "]", "*", "'", `"`} {
				try(i, line[:at+2]+mark+line[at+2:])
			}
		}
		if text != "" {
			try(i, "\t"+text)
		}
	}
	if slips < 100 {
		t.Errorf("only %d slips were mistakes", slips)
	}
}

// What a file in an archive can't hold.
func TestOddBytesAreMistakesAtTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"server:\n  listen: \xff\n": "f:2:11: error: the file is not UTF-8 text (save it as UTF-8)",
		"\xfe\xff\x00a":             "f:1:1: error: the file is not UTF-8 text (save it as UTF-8)",
		"a: b\x07c":                 "f:1:5: error: a document can't hold the control character U+0007 (take it out, or write it as an escape in double quotes)",
		"server:\r\n  listen: x\r\n   max_body: 1MiB\r\n":     "f:3:4: error: this line is indented too far: the one above has its value already (indent it by 2 spaces)",
		"server:\n  listen: x\n \u00a0max_body: 1MiB\n":       "f:3:2: error: this is not a space but the character U+00A0 (replace it by a space)",
		"server:\n  listen: x\n\u3000max_body: 1MiB\n - a: b": "f:3:1: error: this is not a space but the character U+3000 (replace it by a space)",
		"\ufeff@a": "f:1:1: error: a value that begins with @ must be in quotes",
	} {
		_, diags := parse(&File{Name: "f", Text: text})
		if len(diags) != 1 || diags[0].String() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, diags, want)
		}
	}
}

func TestAByteOrderMarkIsNoPartOfTheText(t *testing.T) {
	v := mustParse(t, "\ufeffa: b")
	if got := v.Entries[0]; got.Key.Text != "a" || got.Key.Span.Column != 1 || got.Value.Span.Column != 4 {
		t.Errorf("%+v", got)
	}
}
