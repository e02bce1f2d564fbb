package flows

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mostFile is how large a file of flows may be.
const mostFile = 4 << 20

// Load reads files and folders of flows, puts in what ${…} stands for, with
// environment variables as lookup gives them (os.LookupEnv), and merges them.
// The document is never nil: with errors, it is what could be saved. What
// depends on the types of nodes is not checked yet.
func Load(paths []string, lookup func(name string) (string, bool)) (*Document, Diagnostics) {
	l := &loader{doc: &Document{}, flows: map[string]*Value{}, sections: map[string]*Value{}}
	env := &expander{lookup: lookup, done: map[*Value]bool{}}
	for _, path := range l.files(paths) {
		text, err := readFile(path, mostFile)
		if err != nil {
			l.fail(Diagnostic{Message: err.Error()})
			continue
		}
		root, diags := parse(&File{Name: path, Text: text})
		l.diags = append(l.diags, diags...)
		for _, e := range root.Entries {
			if !strings.HasPrefix(e.Key.Text, "x-") {
				env.expand(e.Value)
			}
		}
		l.document(root, diags.Failed())
	}
	l.diags = append(l.diags, env.diags...)
	l.doc.Files = append(l.doc.Files, env.files...)
	if len(l.flows) == 0 && !l.diags.Failed() {
		l.fail(Diagnostic{Message: "no flows in " + strings.Join(paths, ", "), Hint: "a file of flows has the key flows:"})
	}
	return l.doc, l.diags.Sorted()
}

// files lists the files that paths name, each once, and notes what was looked
// at.
func (l *loader) files(paths []string) []string {
	var files []string
	add := func(path string) {
		if !slices.Contains(files, path) {
			files = append(files, path)
		}
		l.doc.Files = append(l.doc.Files, path)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			l.doc.Files = append(l.doc.Files, path)
			l.fail(Diagnostic{Message: describe(path, err)})
		case !info.IsDir():
			add(filepath.Clean(path))
		default:
			l.doc.Files = append(l.doc.Files, path)
			inside, err := filesOf(path)
			if err != nil {
				l.fail(Diagnostic{Message: describe(path, err)})
			} else if len(inside) == 0 {
				l.fail(Diagnostic{Message: path + ": the folder has no *.yaml file"})
			}
			for _, file := range inside {
				add(file)
			}
		}
	}
	return files
}

// filesOf lists the documents in a folder, sorted by name: *.yaml and *.yml,
// but neither tests nor hidden files.
func filesOf(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		extension := filepath.Ext(name)
		if extension != ".yaml" && extension != ".yml" || strings.HasPrefix(name, ".") ||
			strings.HasSuffix(strings.TrimSuffix(name, extension), "_test") {
			continue
		}
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			continue
		}
		files = append(files, path)
	}
	return files, nil
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", errors.New(describe(path, err))
	}
	defer f.Close()
	text, err := readAtMost(f, limit)
	if err != nil {
		return "", errors.New(describe(path, err))
	}
	return text, nil
}

// describe says why a path can't be read.
func describe(path string, err error) string {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Sprintf("%s: %v", path, err)
}
