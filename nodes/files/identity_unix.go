//go:build unix

package files

import (
	"os"
	"strconv"
	"syscall"
)

// identify returns a name for the file itself, wherever it is moved on its
// file system.
func identify(_ string, info os.FileInfo) string {
	st := info.Sys().(*syscall.Stat_t)
	return strconv.FormatUint(uint64(st.Dev), 36) + "-" + strconv.FormatUint(uint64(st.Ino), 36)
}

// deleted reports whether a file that is open has no name any more.
func deleted(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Sys().(*syscall.Stat_t).Nlink == 0
}
