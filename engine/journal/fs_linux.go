package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync: the size is written where it changed, times are not.
func (f diskFile) Sync() error {
	return os.NewSyscallError("fdatasync", retry(func() error { return unix.Fdatasync(int(f.Fd())) }))
}

func (f diskFile) Allocate(size int64) error {
	err := retry(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil // the file system can't: its writes will tell
	}
	return os.NewSyscallError("fallocate", err)
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
