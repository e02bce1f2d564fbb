package flows

import "strings"

// syntaxError explains what yaml.v3 could not read.
func syntaxError(src *source, err error, read int) Diagnostic {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	return Diagnostic{Span: src.span(min(read, len(src.runes)), read), Message: message}
}
