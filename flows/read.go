package flows

import "path/filepath"

// ReadFile reads one YAML file, such as a file of tests, as [Load] reads a
// document: every value has its place. ${…} stays as it is written. The value
// is never nil.
func ReadFile(path string) (*Value, Diagnostics) {
	path = filepath.Clean(path)
	text, _, err := readFile(path, mostFile)
	if err != nil {
		return &Value{Kind: Null}, Diagnostics{{Message: err.Error()}}
	}
	return parse(&File{Name: path, Text: text})
}
