package redisserver

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Servers are the nodes of one contest.
type Servers []*Server

// Addrs are the servers' addresses, host:port.
func (s Servers) Addrs() []string {
	addrs := make([]string, len(s))
	for i, server := range s {
		addrs[i] = server.Addr()
	}
	return addrs
}

// Close ends all of them.
func (s Servers) Close() {
	for _, server := range s {
		server.Close()
	}
}

// Version is what the first server says it is.
func (s Servers) Version(ctx context.Context) (string, error) {
	text, err := s[0].admin.Info(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	return Field(text, "redis_version"), nil
}

// Count is how often each command was called, over all servers. Commands called by scripts count as well as the calls of
// the scripts. It asks with one INFO per server, which the next Count shows.
func (s Servers) Count(ctx context.Context) (Count, error) {
	total := make(Count)
	for _, server := range s {
		text, err := server.admin.Info(ctx, "commandstats").Result()
		if err != nil {
			return nil, err
		}
		if err := total.add(text); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// Count is a number of calls for each command, by its name in INFO commandstats.
type Count map[string]int64

func (c Count) add(info string) error {
	for line := range strings.SplitSeq(info, "\r\n") {
		name, fields, found := strings.Cut(line, ":")
		name, isCommand := strings.CutPrefix(name, "cmdstat_")
		if !found || !isCommand {
			continue
		}
		text, _, _ := strings.Cut(strings.TrimPrefix(fields, "calls="), ",")
		calls, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("INFO commandstats: %q: %w", line, err)
		}
		c[name] += calls
	}
	return nil
}

// Since is what was called after an earlier Count of so many servers, without that Count's own calls.
func (c Count) Since(earlier Count, servers int) Count {
	d := make(Count, len(c))
	for name, calls := range c {
		if n := calls - earlier[name]; n > 0 {
			d[name] = n
		}
	}
	if d["info"] -= int64(servers); d["info"] <= 0 {
		delete(d, "info")
	}
	return d
}

// Total is the number of calls of all commands.
func (c Count) Total() int64 {
	var total int64
	for _, calls := range c {
		total += calls
	}
	return total
}

// Keys are the names of the keys that stand on the servers, and on how many of them each. Servers that are down have
// none.
func (s Servers) Keys(ctx context.Context) (map[string]int, error) {
	keys := make(map[string]int)
	for _, server := range s {
		if !server.runs() {
			continue
		}
		names, err := server.admin.Keys(ctx, "*").Result()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			keys[name]++
		}
	}
	return keys, nil
}

// Leftover waits until no key stands on any server, or the grace has passed, and returns the keys that stand there then.
func (s Servers) Leftover(ctx context.Context, grace time.Duration) (map[string]int, error) {
	for end := time.Now().Add(grace); ; {
		keys, err := s.Keys(ctx)
		if err != nil || len(keys) == 0 || time.Now().After(end) {
			return keys, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Empty deletes all keys of all servers, for the next contestant.
func (s Servers) Empty(ctx context.Context) error {
	for _, server := range s {
		if err := server.admin.FlushAll(ctx).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) runs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil
}
