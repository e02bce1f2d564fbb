//go:build linux && !mips && !mipsle && !mips64 && !mips64le

package engine

import (
	"context"
	"net"
	"syscall"
)

// reusePort is SO_REUSEPORT (see socket(7)), which package syscall leaves out.
const reusePort = 0xf

// listenBeside listens at an address that overlaps with that of a socket of
// ours: at 127.0.0.1:8080 beside :8080. Linux allows that only to sockets of
// one user that all agree to it, so that a second flowd is refused as ever. Who
// connects comes to the narrower address as long as both are open.
func listenBeside(before net.Listener, address string) (net.Listener, error) {
	agree := func(c syscall.RawConn) error {
		var refused error
		err := c.Control(func(fd uintptr) {
			refused = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1)
		})
		if err != nil {
			return err
		}
		return refused
	}
	c, err := before.(*net.TCPListener).SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := agree(c); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return agree(c) }}
	return config.Listen(context.Background(), "tcp", address)
}
