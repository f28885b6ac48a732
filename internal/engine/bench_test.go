package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// BenchmarkPair times acquire + release on distinct keys, beside plain go-redis doing the same two commands on one node
// with its own pool. ns/op of the same run compare; -benchtime 1s -count 5 shows the spread.
func BenchmarkPair(b *testing.B) {
	for _, goroutines := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("goredis/nodes=1/goroutines=%d", goroutines), func(b *testing.B) {
			client := redis.NewClient(&redis.Options{Addr: redistest.Start(b).Addr()})
			defer client.Close()
			ctx := context.Background()
			owners := newOwners()
			hash := scripts[release].hash
			if err := client.ScriptLoad(ctx, releaseSource).Err(); err != nil {
				b.Fatal(err)
			}
			share(b, goroutines, func(key string) error {
				owner := owners.next()
				if err := client.SetNX(ctx, key, owner, 10*time.Second).Err(); err != nil {
					return err
				}
				return client.EvalSha(ctx, hash, []string{key}, owner).Err()
			})
		})
		if goroutines > 1 {
			b.Run("pipelines/nodes=1", func(b *testing.B) { pipelines(b) })
		}
		for _, nodes := range []int{1, 3, 5} {
			b.Run(fmt.Sprintf("mutexgen/nodes=%d/goroutines=%d", nodes, goroutines), func(b *testing.B) {
				m := realMutex(b, redistest.StartN(b, nodes), Settings{Expiration: 10 * time.Second})
				ctx := context.Background()
				share(b, goroutines, func(key string) error {
					lock, err := m.Acquire(ctx, key, AcquireOptions{})
					if err != nil {
						return err
					}
					return lock.Release(ctx)
				})
			})
		}
	}
}

// share spreads b.N calls of fn over so many goroutines, each with a key of its own.
func share(b *testing.B, goroutines int, fn func(key string) error) {
	for i := range goroutines { // warm up connections and scripts
		if err := fn("warm:" + strconv.Itoa(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			key := "bench:" + strconv.Itoa(i)
			for next.Add(1) <= int64(b.N) {
				if err := fn(key); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

// pipelines times the same pairs in hand-made pipelines: 64 acquires, then 64 releases.
func pipelines(b *testing.B) {
	const size = 64
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(b).Addr()})
	defer client.Close()
	ctx := context.Background()
	owners := newOwners()
	hash := scripts[release].hash
	if err := client.ScriptLoad(ctx, releaseSource).Err(); err != nil {
		b.Fatal(err)
	}
	send := func(fill func(p redis.Pipeliner, key, owner string), held []string) {
		p := client.Pipeline()
		for i, owner := range held {
			fill(p, "bench:"+strconv.Itoa(i), owner)
		}
		if _, err := p.Exec(ctx); err != nil {
			b.Error(err)
		}
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i += size {
		held := make([]string, size)
		for j := range held {
			held[j] = owners.next()
		}
		send(func(p redis.Pipeliner, key, owner string) { p.SetNX(ctx, key, owner, 10*time.Second) }, held)
		send(func(p redis.Pipeliner, key, owner string) { p.EvalSha(ctx, hash, []string{key}, owner) }, held)
	}
}

// BenchmarkServer measures what acquires and releases cost the server itself, in batches of 128: its processor time for
// each (server-ns/op), asked one by one and together.
func BenchmarkServer(b *testing.B) {
	const size = 128
	server := redistest.Start(b)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
	defer client.Close()
	ctx := context.Background()
	owners := newOwners()
	var acquires, releasesOf []*call
	for i := range size {
		owner, key := owners.next(), "bench:"+strconv.Itoa(i)
		acquires = append(acquires, &call{question: newQuestion(acquire, key, owner, 10*time.Second)})
		releasesOf = append(releasesOf, &call{question: newQuestion(release, key, owner, 0)})
	}
	oneByOne := func(calls []*call) []redis.Cmder {
		var commands []redis.Cmder
		for i := range calls {
			commands = append(commands, new(wireSender).newCommand(calls[i:i+1], false))
		}
		return commands
	}
	together := func(calls []*call) []redis.Cmder { return []redis.Cmder{new(wireSender).newCommand(calls, false)} }
	for _, s := range []string{scripts[release].source, releases.source} {
		if err := client.ScriptLoad(ctx, s).Err(); err != nil {
			b.Fatal(err)
		}
	}
	send := func(commands []redis.Cmder) {
		p := client.Pipeline()
		p.BatchProcess(ctx, commands...)
		if _, err := p.Exec(ctx); err != nil {
			b.Fatal(err)
		}
	}
	tests := []struct {
		name          string
		before, timed func() []redis.Cmder
	}{
		{"SET", func() []redis.Cmder { return together(releasesOf) }, func() []redis.Cmder { return oneByOne(acquires) }},
		{"releases one by one", func() []redis.Cmder { return oneByOne(acquires) }, func() []redis.Cmder { return oneByOne(releasesOf) }},
		{"releases together", func() []redis.Cmder { return oneByOne(acquires) }, func() []redis.Cmder { return together(releasesOf) }},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			client.Del(ctx, keysOf(acquires)...)
			var spent time.Duration
			n := 0
			for n < b.N {
				send(test.before())
				before := serverTime(b, client)
				send(test.timed())
				spent += serverTime(b, client) - before
				n += size
			}
			b.ReportMetric(float64(spent)/float64(n), "server-ns/op")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func keysOf(calls []*call) []string {
	var keys []string
	for _, c := range calls {
		keys = append(keys, c.question.key)
	}
	return keys
}

// serverTime is the processor time that the server has used.
func serverTime(b *testing.B, client *redis.Client) time.Duration {
	info, err := client.Info(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	var sum float64
	for line := range strings.SplitSeq(info, "\r\n") {
		if text, ok := strings.CutPrefix(line, "used_cpu_user_main_thread:"); ok {
			seconds, _ := strconv.ParseFloat(text, 64)
			sum += seconds
		}
		if text, ok := strings.CutPrefix(line, "used_cpu_sys_main_thread:"); ok {
			seconds, _ := strconv.ParseFloat(text, 64)
			sum += seconds
		}
	}
	return time.Duration(sum * float64(time.Second))
}
