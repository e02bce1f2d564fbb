package flows

import "maps"

// Fingerprints tell what files hold from what they hold at another time, by
// path.
type Fingerprints map[string]string

// A Dependent is a configuration, or a field of one, that depends on what files
// hold, beside what the document says. Files are theirs as they were when it
// was decoded, those that could not be read among them.
type Dependent interface{ Files() Fingerprints }

// ReadFile reads a file, of at most 4 MiB, and notes it.
func (f Fingerprints) ReadFile(path string) (string, error) {
	text, print, err := readFile(path, mostFile)
	f[path] = print
	return text, err
}

// And adds those of g and returns f, which is nil as long as there are none.
func (f Fingerprints) And(g Fingerprints) Fingerprints {
	if f == nil && len(g) > 0 {
		f = Fingerprints{}
	}
	maps.Copy(f, g)
	return f
}

// Hold reports whether the files hold what they held.
func (f Fingerprints) Hold() bool {
	for path, print := range f {
		if fingerprint(path) != print {
			return false
		}
	}
	return true
}

// A Path is a field of a configuration: the path of a file that counts as if it
// stood in the document, such as a certificate. It is for a file that is read
// when the node is opened, and need not be there for the document to be right.
type Path string

// FlowType is what messages and documentation call it.
func (Path) FlowType() string { return "path" }

// Files is what the file holds now; none for the empty path.
func (p Path) Files() Fingerprints {
	if p == "" {
		return nil
	}
	return fingerprints([]string{string(p)})
}

// DependsOn has [Document.Watch] watch files that d depends on, beside those
// that it was read from. Engines call it, for those that nodes depend on, when
// they check or apply a document. It may be called by several goroutines, and
// has no effect on a Watch that has begun.
func (d *Document) DependsOn(files Fingerprints) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = Fingerprints{}
	}
	for path, print := range files {
		if _, known := d.seen[path]; !known { // what was there first is what the document is made of
			d.seen[path] = print
		}
	}
}

// depends is all that d depends on.
func (d *Document) depends() Fingerprints {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.seen)
}
