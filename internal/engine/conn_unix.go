//go:build unix

package engine

import "syscall"

// hungUp tells whether the other side has closed the connection. With TLS it says so before it does, in words that only
// a reader could tell from others; but where nothing should come unasked, no other words can wait to be read (wordless).
func hungUp(socket syscall.RawConn, wordless bool) bool {
	closed := false
	err := socket.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = err == nil && (n == 0 || wordless) || err != nil && err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR
	})
	return closed || err != nil
}
