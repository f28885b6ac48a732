package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// BenchmarkCluster times acquire + release on distinct keys on a Redis Cluster of three masters, beside one plain server.
func BenchmarkCluster(b *testing.B) {
	pair := func(m *Mutex) func(key string) error {
		return func(key string) error {
			lock, err := m.Acquire(context.Background(), key, AcquireOptions{})
			if err != nil {
				return err
			}
			return lock.Release(context.Background())
		}
	}
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("plain/goroutines=%d", goroutines), func(b *testing.B) {
			share(b, goroutines, pair(realMutex(b, redistest.StartN(b, 1), Settings{Expiration: 10 * time.Second, NodeTimeout: time.Second})))
		})
		b.Run(fmt.Sprintf("cluster/goroutines=%d", goroutines), func(b *testing.B) {
			c := redistest.StartCluster(b, 10*time.Second)
			share(b, goroutines, pair(clusterMutex(b, Options{}, Settings{}, c.Addrs()...)))
		})
	}
}
