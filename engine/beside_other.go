//go:build !linux || mips || mipsle || mips64 || mips64le

package engine

import "net"

// listenBeside listens at an address that overlaps with that of a socket of
// ours. Where the system refuses that, only a moment in which nobody listens
// would help, and a request in it would be refused: so the reload is.
func listenBeside(_ net.Listener, address string) (net.Listener, error) {
	return net.Listen("tcp", address)
}
