package flows

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var secretType = reflect.TypeFor[Secret]()

// Hide has no diagnostic show what v says, which is secret, when it shows the
// lines of its file. What ${…} stands for is in no line.
func (v *Value) Hide() {
	switch {
	case !v.Scalar():
		for _, item := range v.Items {
			item.Hide()
		}
		for _, e := range v.Entries {
			e.Value.Hide()
		}
	case v.written == "" && v.Kind != Null && v.Span.File != nil:
		v.Span.File.hide(v.Span)
	}
}

// HideCredentials is [Value.Hide] for what v has under keys that are the names
// of credentials: for a configuration of which nobody knows what is secret.
func (v *Value) HideCredentials() {
	if v == nil {
		return
	}
	for _, item := range v.Items {
		item.HideCredentials()
	}
	for _, e := range v.Entries {
		e.hideCredentials()
	}
}

func (e Entry) hideCredentials() {
	if IsCredential(e.Key.Text) {
		e.Value.Hide()
	} else {
		e.Value.HideCredentials()
	}
}

func (f *File) hide(s Span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hidden == nil {
		f.hidden = map[int][]Span{}
	}
	if !slices.Contains(f.hidden[s.Line], s) {
		f.hidden[s.Line] = append(f.hidden[s.Line], s)
	}
}

// setting is a key with a text, where only the line is known. The text is its
// second group.
var setting = regexp.MustCompile(`([\w-]+)["']?\s*:\s+("[^"$]*|'[^'$]*|[^\s"'{}\[\],#$&*!][^\s,}\]]*)`)

// shown is a line of the file with a star for every column of what is secret:
// what was found to be when the document was read, what has the form of it and,
// where the text is no YAML, what stands under the name of a credential.
func (f *File) shown(number int, line string) string {
	secret := make([]bool, len(line)) // by byte
	mark := func(from, to int) {
		for i := from; i < to; i++ {
			secret[i] = line[i] != '"' && line[i] != '\''
		}
	}
	f.mu.Lock()
	for _, s := range f.hidden[number] {
		mark(byteAt(line, s.Column-1), byteAt(line, s.Column-1+s.Length))
	}
	f.mu.Unlock()
	for _, form := range secretForms {
		for _, at := range form.form.FindAllStringSubmatchIndex(line, -1) {
			from := at[0]
			if len(at) > 2 { // behind its first group
				from = at[3]
			}
			mark(from, at[1])
		}
	}
	for _, at := range parameter.FindAllStringIndex(line, -1) {
		if name, value, _ := strings.Cut(line[at[0]:at[1]], "="); name[1:] == "key" || IsCredential(name[1:]) {
			mark(at[1]-len(value), at[1])
		}
	}
	if f.unread {
		for _, at := range setting.FindAllStringSubmatchIndex(line, -1) {
			if IsCredential(line[at[2]:at[3]]) {
				mark(at[4], at[5])
			}
		}
	}
	var b strings.Builder
	for i, r := range line {
		if secret[i] {
			b.WriteString(strings.Repeat("*", width(r)))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// byteAt is where the rune of that number begins.
func byteAt(line string, number int) int {
	at := 0
	for range number {
		if at == len(line) {
			break
		}
		_, n := utf8.DecodeRuneInString(line[at:])
		at += n
	}
	return at
}
