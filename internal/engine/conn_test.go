package engine

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// connectedPair is a connection that looks before it sends, and the other side of it.
func connectedPair(t *testing.T) (conn, peer net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if peer, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); peer.Close() })
	return newLiveConn(dialled), peer
}

func TestConnectionThatTheServerClosedSendsNothing(t *testing.T) {
	conn, peer := connectedPair(t)
	peer.Close()
	time.Sleep(10 * trusted)
	if _, err := conn.Write([]byte("first")); !isStale(err) || !errors.Is(err, io.EOF) {
		t.Errorf("error is %v; want that nothing was sent, for the connection has ended", err)
	}
}

func TestConnectionThatTheServerClosedInTheMiddleOfABatchDoesNotSayThatNothingWasSent(t *testing.T) {
	// The batch would be sent once more, and an acquire in it would take its own value for another's.
	conn, peer := connectedPair(t)
	if _, err := conn.Write([]byte("first part")); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	time.Sleep(10 * trusted)
	var stale *staleError
	if _, err := conn.Write([]byte("second part")); errors.As(err, &stale) {
		t.Error("it says that nothing was sent, after the first part was")
	}
}
