// Package port hands out loopback ports that stay the caller's own while nobody listens on them: a test that stops a
// server must not meet another test's server at its address.
package port

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports lie below those that systems give to outgoing connections (from 32768 on Linux), and so do the ports 10000
// above them, where a Redis Cluster node has its bus. They come in blocks; a process owns a block by listening on its
// first port, for as long as it lives: of all locks between processes the one that works everywhere and needs no file.
const (
	lowest     = 12000
	blockSize  = 100
	blockCount = 100
)

// ErrNone means that no port is left: a hundred processes test at once, or something else listens everywhere.
var ErrNone = errors.New("no free loopback port")

var (
	mu     sync.Mutex // guards what follows
	blocks []*block
)

type block struct {
	guard net.Listener
	first int
	taken [blockSize]bool // [0] is the guard's
	last  int             // handed out last: a port rests as long as possible
}

// Take returns a port on 127.0.0.1 that nobody listens on and that is not given to anybody else before release.
func Take() (number int, release func(), err error) {
	mu.Lock()
	defer mu.Unlock()
	for _, b := range blocks {
		if number, release, ok := b.take(); ok {
			return number, release, nil
		}
	}
	for _, i := range rand.Perm(blockCount) {
		first := lowest + i*blockSize
		guard, err := listen(first)
		if err != nil {
			continue // another process's block, or ours
		}
		b := &block{guard: guard, first: first}
		b.taken[0] = true
		blocks = append(blocks, b)
		if number, release, ok := b.take(); ok {
			return number, release, nil
		}
	}
	return 0, nil, ErrNone
}

func (b *block) take() (number int, release func(), ok bool) {
	for step := range blockSize {
		i := (b.last + 1 + step) % blockSize
		if b.taken[i] {
			continue
		}
		probe, err := listen(b.first + i)
		if err != nil {
			continue // a program that doesn't know of blocks
		}
		probe.Close()
		b.taken[i], b.last = true, i
		return b.first + i, sync.OnceFunc(func() {
			mu.Lock()
			defer mu.Unlock()
			b.taken[i] = false
		}), true
	}
	return 0, nil, false
}

func listen(number int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(number)))
}
