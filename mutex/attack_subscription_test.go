package mutex_test

import (
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestCloseReturnsWhenASubscriptionIsMadeAgainOnAConnectionThatIsMute(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	holder := open(t, on(server.URL()))
	lock, err := at(holder, "k").AcquireLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mutex.ReleaseLock(t.Context(), lock) }()

	set := open(t, on(proxy.URL()))
	waited := make(chan error, 1)
	go func() {
		_, err := at(set, "k").AcquireLock(t.Context(), mutex.WithWait(mutex.Forever))
		waited <- err
	}()
	for len(server.CLI("PUBSUB", "CHANNELS", "mutexgen:key:*")) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	proxy.DropAnswers(true)
	proxy.CloseAll() // the subscription is made again at once, and never hears an answer to HELLO
	time.Sleep(300 * time.Millisecond)
	proxy.DropAnswers(false)

	closed := make(chan error, 1)
	go func() { closed <- set.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close hangs")
	}
	<-waited
}
