//go:build !unix

package files

import "os"

// identify returns a name for the file. Here it is that of its path, so that a
// file that was renamed is another.
func identify(path string, _ os.FileInfo) string { return "path-" + path }

// deleted reports whether a file that is open has no name any more; it can't
// be told here.
func deleted(*os.File) bool { return false }
