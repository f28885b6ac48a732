//go:build unix

package engine

import "syscall"

// hungUp tells whether the other side has closed the connection.
func hungUp(socket syscall.RawConn) bool {
	closed := false
	err := socket.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR
	})
	return closed || err != nil
}
