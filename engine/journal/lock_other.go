//go:build !unix

package journal

import (
	"errors"
	"os"
)

var errLocked = errors.New("locked")

// lockFile refuses: two processes in one folder would destroy it.
func lockFile(*os.File) error { return errors.ErrUnsupported }
