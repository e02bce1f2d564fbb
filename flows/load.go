package flows

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads files and folders of flows, puts in what ${…} stands for, with
// environment variables as lookup gives them (os.LookupEnv), and merges them.
// The document is never nil: with errors, it is what could be saved. What
// depends on the types of nodes is not checked yet.
func Load(paths []string, lookup func(name string) (string, bool)) (*Document, Diagnostics) {
	seen := Fingerprints{}
	l := &loader{doc: &Document{seen: seen}, flows: map[string]*Value{}, sections: map[string]*Value{}}
	env := &expander{lookup: lookup, seen: seen, done: map[*Value]bool{}}
	for _, path := range l.files(paths) {
		text, print, err := readFile(path, mostFile)
		if seen[path] = print; err != nil {
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
		l.document(root)
	}
	l.diags = append(l.diags, env.diags...)
	l.doc.Files = slices.Sorted(maps.Keys(seen))
	if len(l.flows) == 0 && !l.diags.Failed() {
		d := Diagnostic{Message: "no flows in " + strings.Join(paths, ", "), Hint: "a file of flows has the key flows:"}
		if l.noFlows != nil {
			d = l.noFlows.Errorf("no flows here")
		}
		l.fail(d)
	}
	return l.doc, l.diags.Sorted()
}

// files lists the files that paths name, each once.
func (l *loader) files(paths []string) []string {
	var files []string
	for _, path := range paths {
		path = filepath.Clean(path)
		inside := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			var print string
			inside, print, err = filesOf(path)
			l.doc.seen[path] = print
			if err != nil {
				l.fail(Diagnostic{Message: err.Error()})
			} else if len(inside) == 0 {
				l.fail(Diagnostic{Message: path + ": the folder has no *.yaml file"})
			}
		}
		for _, file := range inside {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}
