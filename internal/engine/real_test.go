package engine

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// realMutex is a mutex on real servers, in an engine that ends with the test.
func realMutex(t testing.TB, servers []*redistest.Server, settings Settings) *Mutex {
	t.Helper()
	urls := make([]string, len(servers))
	for i, s := range servers {
		urls[i] = s.URL()
	}
	return urlMutex(t, Options{}, settings, urls...)
}

// urlMutex is a mutex on one group of nodes given by URLs.
func urlMutex(t testing.TB, options Options, settings Settings, urls ...string) *Mutex {
	t.Helper()
	e := New(options)
	t.Cleanup(func() { e.Close() })
	if settings.Name == "" {
		settings.Name = "Test"
	}
	if settings.DriftFactor == 0 {
		settings.DriftFactor = 0.01
	}
	if settings.RetryInterval == 0 {
		settings.RetryInterval, settings.RetryJitter = 20*time.Millisecond, 10*time.Millisecond
	}
	if settings.NodeTimeout == 0 { // servers of a machine that is busy with other tests need more than the least
		settings.NodeTimeout = max(DefaultNodeTimeout(settings.Expiration), min(settings.Expiration/2, 500*time.Millisecond))
	}
	var group []*Node
	for _, url := range urls {
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		group = append(group, e.AddNode(NodeOptions{
			Redis: options, Timeout: settings.NodeTimeout, PoolSize: 2, ReconnectionInterval: 100 * time.Millisecond,
		}))
	}
	m, err := e.NewMutex(settings, [][]*Node{group})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
