package mutex_test

import (
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// A lock is handed over within the process and released at once, while one node is slow: it is asked for both in one batch.
// That node knows the script of the release, and not yet that of the hand-over.
func TestHandOverAndReleaseInOneBatchLeaveNothing(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.Expiration, d.RetryInterval = time.Hour, time.Minute }))
	untilAllVote(t, set, servers) // and know how to release
	m := at(set, "k")
	first := acquire(t, m)
	got := make(chan *mutex.Lock[counter])
	for range 2 {
		go func() {
			lock, err := m.AcquireLock(t.Context(), mutex.WithWait(mutex.Forever))
			if err != nil {
				t.Error(err)
			}
			got <- lock
		}()
	}
	time.Sleep(50 * time.Millisecond) // both stand in line
	release(t, first)
	second := <-got
	for _, s := range servers {
		eventually(t, "the key is everywhere", func() bool { return s.Get("k") != "" })
	}
	servers[2].Pause()
	if _, err := m.ExistsLock(t.Context()); err != nil { // its question is under way, what comes next gathers behind it
		t.Error(err)
	}
	release(t, second)
	release(t, <-got)
	servers[2].Resume()
	wantNoKeys(t, servers...)
}
