package flows

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// How large a document and a file named by ${file:…} may be.
const (
	mostFile   = 4 << 20
	mostSecret = 1 << 20
)

// What a path held, told from what it holds at another time: a digest, or one
// of these.
const (
	missing = "missing" // nothing that can be read
	stream  = "stream"  // a pipe or the like, which can be read once
)

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return string(sum[:])
}

// fingerprint is what readFile or filesOf would return as such.
func fingerprint(path string) (print string) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return missing
	case info.IsDir():
		_, print, _ = filesOf(path)
	case !info.Mode().IsRegular():
		return stream
	default:
		_, print, _ = readFile(path, mostFile)
	}
	return print
}

func fingerprints(paths []string) Fingerprints {
	of := make(Fingerprints, len(paths))
	for _, path := range paths {
		of[path] = fingerprint(path)
	}
	return of
}

// readFile reads a file of at most limit bytes, which is at most mostFile.
func readFile(path string, limit int) (text, print string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", missing, describe(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", missing, describe(path, err)
	}
	content, err := io.ReadAll(io.LimitReader(f, mostFile+1))
	switch text = string(content); {
	case info.IsDir():
		return "", missing, fmt.Errorf("%s: is a folder", path)
	case err != nil:
		return "", missing, describe(path, err)
	case len(text) > mostFile:
		print, text = missing, text[:0]
	case info.Mode().IsRegular():
		print = digest(text)
	default:
		print = stream
	}
	if len(content) > limit {
		return "", print, fmt.Errorf("%s: is larger than %v", path, Size(limit))
	}
	return text, print, nil
}

// filesOf lists the documents in a folder, sorted by name: *.yaml and *.yml,
// but neither tests nor hidden files.
func filesOf(folder string) (files []string, print string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, missing, describe(folder, err)
	}
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
	return files, digest(strings.Join(files, "\n")), nil
}

// describe says why a path can't be read.
func describe(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
