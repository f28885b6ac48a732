// Package arbiter finds out whether a lock excludes: on a Redis of its own, which knows nothing of the lock, every
// holder comes in and goes out atomically, and writes in between what only one at a time can write without losing
// something.
package arbiter

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// The scripts are all that an arbiter is, for holders in other languages too: Enter, then the ledger, then Leave.
var (
	//go:embed enter.lua
	Enter string
	//go:embed leave.lua
	Leave string
)

// Arbiter is a Redis server on which holders are counted.
type Arbiter struct {
	URL    string
	t      testing.TB
	client *redis.Client
}

// New starts an arbiter, which ends with the test.
func New(t testing.TB) *Arbiter {
	t.Helper()
	server := redistest.Start(t)
	// Without retries: who was counted twice would look like two.
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	a := &Arbiter{URL: server.URL(), t: t, client: client}
	t.Cleanup(func() { client.Close() })
	return a
}

// Goal is when a contest ends: after so many holds, and so many of each side.
type Goal struct {
	Holds int
	Of    map[string]int
}

// Open begins a contest for a key.
func (a *Arbiter) Open(key string, goal Goal) {
	a.t.Helper()
	fields := []any{"least holds", goal.Holds}
	for side, least := range goal.Of {
		fields = append(fields, "least holds of "+side, least)
	}
	if err := a.client.HSet(a.t.Context(), Contest(key), fields...).Err(); err != nil {
		a.t.Fatalf("arbiter: %v", err)
	}
}

// Contest and Ledger are where the arbiter keeps what it knows of a contest, and what the holders write.
func Contest(key string) string { return "contest:" + key }
func Ledger(key string) string  { return "ledger:" + key }

// Hold is what a holder of the keys does while it holds them: it comes in, adds one to each key's ledger in two steps,
// and goes out. It returns whether the contests go on.
func (a *Arbiter) Hold(ctx context.Context, side string, keys ...string) (more bool, err error) {
	for _, key := range keys {
		if err := a.client.Eval(ctx, Enter, []string{Contest(key)}, side).Err(); err != nil {
			return false, fmt.Errorf("arbiter: enter: %w", err)
		}
	}
	for _, key := range keys {
		n, err := a.client.Get(ctx, Ledger(key)).Int()
		if err != nil && err != redis.Nil {
			return false, fmt.Errorf("arbiter: read: %w", err)
		}
		if err := a.client.Set(ctx, Ledger(key), n+1, 0).Err(); err != nil {
			return false, fmt.Errorf("arbiter: write: %w", err)
		}
	}
	for _, key := range keys {
		on, err := a.client.Eval(ctx, Leave, []string{Contest(key)}).Int()
		if err != nil {
			return false, fmt.Errorf("arbiter: leave: %w", err)
		}
		more = more || on == 1
	}
	return more, nil
}

// Verdict is what the arbiter saw of a contest.
type Verdict struct {
	// Holds are all that there were, Of those of each side.
	Holds int
	Of    map[string]int
	// Turns are the holds after one of another side.
	Turns int
	// Overlaps are the holds that began while another lasted, and Lost those whose writing was overwritten. Without a
	// violation both are zero.
	Overlaps, Lost int
	// Inside are those who never went out.
	Inside int
}

func (v Verdict) String() string {
	var sides []string
	for _, side := range slices.Sorted(maps.Keys(v.Of)) {
		sides = append(sides, fmt.Sprintf("%d of %s", v.Of[side], side))
	}
	return fmt.Sprintf("%d holds (%s), %d turns, %d overlaps, %d lost, %d inside", v.Holds, strings.Join(sides, ", "),
		v.Turns, v.Overlaps, v.Lost, v.Inside)
}

// Verdict returns what was seen of the contest for a key.
func (a *Arbiter) Verdict(key string) Verdict {
	a.t.Helper()
	fields, err := a.client.HGetAll(a.t.Context(), Contest(key)).Result()
	if err != nil {
		a.t.Fatalf("arbiter: %v", err)
	}
	ledger, err := a.client.Get(a.t.Context(), Ledger(key)).Int()
	if err != nil && err != redis.Nil {
		a.t.Fatalf("arbiter: %v", err)
	}
	number := func(field string) int {
		n, _ := strconv.Atoi(fields[field]) // what is not there is zero
		return n
	}
	v := Verdict{
		Holds: number("holds"), Turns: number("turns"), Overlaps: number("overlaps"), Inside: number("inside"),
		Of: make(map[string]int),
	}
	v.Lost = v.Holds - ledger
	for field := range fields {
		if side, found := strings.CutPrefix(field, "holds of "); found {
			v.Of[side] = number(field)
		}
	}
	return v
}
