package files

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName is how long a name in a path may be, in bytes: less than the 255
// of most file systems by what rotation adds.
const longestName = 200

// cleanValue makes a value one part of a name: what separates folders, means
// something to a shell or an operating system or can't be seen is written as
// %XX, and so is % itself, so that two values never become one name.
func cleanValue(value string) string {
	var b strings.Builder
	for i, r := range value {
		_, n := utf8.DecodeRuneInString(value[i:])
		plain := unicode.IsGraphic(r) && r != utf8.RuneError && !strings.ContainsRune(`/\:*?"<>|%`, r)
		if plain && !(r == '.' && i == 0) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(value[i : i+n]))
		}
	}
	return b.String()
}

// escape is s with each byte as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// cleanPath makes a path below a folder from rendered text, whose values have
// been cleaned: none of its names is empty, leads elsewhere, is a device's on
// Windows, or is too long.
func cleanPath(rendered string) string {
	names := strings.Split(filepath.ToSlash(rendered), "/")
	for i, name := range names {
		names[i] = cleanName(name)
	}
	return filepath.Join(names...)
}

// device are the names that Windows keeps for devices, with any extension.
var device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\.|$)`)

func cleanName(name string) string {
	switch {
	case name == "":
		return "_"
	case strings.Trim(name, ".") == "", device.MatchString(name):
		name = escape(name[:1]) + name[1:]
	}
	if last := len(name) - 1; name[last] == '.' || name[last] == ' ' { // Windows drops them
		name = name[:last] + escape(name[last:])
	}
	if len(name) <= longestName {
		return name
	}
	hash := sha256.Sum256([]byte(name))
	ext := filepath.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	tail := "-" + hex.EncodeToString(hash[:8]) + ext
	return strings.ToValidUTF8(name[:longestName-len(tail)], "") + tail
}

// splitFixed parts a path's fixed text into the folder it names, with its last
// separator, and what follows.
func splitFixed(fixed string) (folder, rest string) {
	i := strings.LastIndexFunc(fixed, func(r rune) bool { return r < utf8.RuneSelf && os.IsPathSeparator(uint8(r)) })
	return fixed[:i+1], fixed[i+1:]
}

// home replaces a leading ~/ by the user's own folder.
func home(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, rest), err
}
