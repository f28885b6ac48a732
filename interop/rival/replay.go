package rival

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// recipe is how a library locks that cannot be had from a registry which the tests reach: the commands that it was seen
// to send (MONITOR, Redis 7.0), sent again.
type recipe struct {
	owner func() string
	// acquire, release and extend are commands for a key. The last two may be missing.
	acquire func(key, owner string, expiration time.Duration) []any
	release func(key, owner string) []any
	extend  func(key, owner string, expiration time.Duration) []any
	// granted says what a reply to acquire means. Without it, a nil is a refusal.
	granted func(reply any) bool
	// scripts are loaded into each node first.
	scripts []string
	// tries is how often it asks with one owner value.
	tries int
	// keepsPartial is true of one that deletes nothing where an attempt got too few nodes.
	keepsPartial bool
}

// library fills in what the recipe knows.
func (r recipe) library(l Library) Library {
	l.Extends, l.Releases = r.extend != nil, r.release != nil
	if l.Key == nil {
		l.Key = asIs
	}
	tells := l.Tells
	l.Open = func(t testing.TB, urls ...string) Locker {
		t.Helper()
		p := replayed{recipe: r, nodes: connect(t, urls), tells: tells}
		for _, node := range p.nodes {
			for _, script := range r.scripts {
				if err := node.ScriptLoad(t.Context(), script).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		return p
	}
	return l
}

// replayed is a recipe at work. Nodes are asked one after the other.
type replayed struct {
	recipe
	nodes []*redis.Client
	tells bool
}

func (p replayed) Acquire(ctx context.Context, expiration time.Duration, keys ...string) (Lock, error) {
	return p.try(ctx, expiration, keys[0], p.owner())
}

func (p replayed) try(ctx context.Context, expiration time.Duration, key, owner string) (Lock, error) {
	votes := 0
	for _, node := range p.nodes {
		reply, err := node.Do(ctx, p.acquire(key, owner, expiration)...).Result()
		granted := err == nil
		if p.granted != nil {
			granted = err == nil && p.granted(reply) || err == redis.Nil && p.granted(nil)
		}
		if granted {
			votes++
		}
		if err != nil && err != redis.Nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return nil, err
		}
	}
	lock := replayedLock{p, key, owner}
	if votes > len(p.nodes)/2 {
		return lock, nil
	}
	if p.release != nil && !p.keepsPartial {
		if err := lock.Release(ctx); err != nil && !errors.Is(err, ErrNotHeld) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: by %d of %d nodes granted", ErrTaken, votes, len(p.nodes))
}

func (p replayed) Contend(ctx context.Context, c Contest) error {
	return inParallel(ctx, c.Workers, func(ctx context.Context) error {
		return Contend(ctx, c, Side, func() (func() error, error) {
			owner := p.owner()
			for tried := 1; ; tried++ {
				lock, err := p.try(ctx, c.Expiration, c.Keys[0], owner)
				if err == nil {
					return func() error { return lock.Release(ctx) }, nil
				}
				if !errors.Is(err, ErrTaken) {
					return nil, err
				}
				if tried%p.tries == 0 {
					owner = p.owner()
				}
				if err := rest(ctx, c.Retry); err != nil {
					return nil, err
				}
			}
		})
	})
}

type replayedLock struct {
	replayed
	key, owner string
}

func (l replayedLock) Release(ctx context.Context) error {
	if l.release == nil {
		return nil // it expires
	}
	err := l.ask(ctx, l.release(l.key, l.owner))
	if errors.Is(err, ErrNotHeld) && !l.tells {
		return nil
	}
	return err
}

func (l replayedLock) Extend(ctx context.Context, expiration time.Duration) error {
	return l.ask(ctx, l.extend(l.key, l.owner, expiration))
}

// ask asks all nodes for something that they answer with 1 if the lock was the owner's.
func (l replayedLock) ask(ctx context.Context, command []any) error {
	votes := 0
	for _, node := range l.nodes {
		reply, err := node.Do(ctx, command...).Result()
		if err != nil && err != redis.Nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return err
		}
		if reply == int64(1) {
			votes++
		}
	}
	if votes > len(l.nodes)/2 {
		return nil
	}
	return ErrNotHeld
}

var (
	// compareAndDelete has the SHA1 that lyokato/redlock and RedMutex were seen to send: it is the text of Redis's own
	// documentation, with these spaces.
	//go:embed scripts/compare_and_delete.lua
	compareAndDelete string
	// compareAndExtend has not: of the original only the effect is known.
	//go:embed scripts/compare_and_extend.lua
	compareAndExtend string
)

// Lyokato is lyokato/redlock 1.0.21, for Elixir. An attempt that fails leaves its keys where it got them, and a
// release says nothing.
var Lyokato = recipe{
	owner: func() string { return strings.ToUpper(hex.EncodeToString(random(40))) },
	acquire: func(key, owner string, expiration time.Duration) []any {
		return []any{"SET", key, owner, "NX", "PX", seconds(expiration) * 1000}
	},
	release:      func(key, owner string) []any { return []any{"EVALSHA", sha1Of(compareAndDelete), 1, key, owner} },
	extend:       lyokatoExtend,
	scripts:      []string{compareAndDelete, compareAndExtend},
	tries:        6, // max_retry 5
	keepsPartial: true,
}.library(Library{Name: "lyokato/redlock 1.0.21 (replayed)", Quorum: true})

func lyokatoExtend(key, owner string, expiration time.Duration) []any {
	return []any{"EVALSHA", sha1Of(compareAndExtend), 1, key, owner, seconds(expiration) * 1000}
}

// RedMutex is RedMutex 0.3.0, for Elixir.
var RedMutex = recipe{
	owner: func() string { return base64.StdEncoding.EncodeToString(random(32)) },
	acquire: func(key, owner string, expiration time.Duration) []any {
		return []any{"SET", key, owner, "NX", "EX", seconds(expiration)}
	},
	release: func(key, owner string) []any { return []any{"EVALSHA", sha1Of(compareAndDelete), 1, key, owner} },
	scripts: []string{compareAndDelete},
	tries:   1,
}.library(Library{Name: "RedMutex 0.3.0 (replayed)", Tells: true})

// RedlockEx is RedlockEx 0.1, for Elixir. All its owners are called 1, and its locks only expire.
var RedlockEx = recipe{
	owner: func() string { return "1" },
	acquire: func(name, owner string, expiration time.Duration) []any {
		return []any{"SET", redlockExKey(name), owner, "NX", "EX", seconds(expiration)}
	},
	tries: 1,
}.library(Library{Name: "RedlockEx 0.1 (replayed)", Key: redlockExKey})

func redlockExKey(name string) string { return "redlock_ex-" + name }

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// sha1Of is the name of a script to EVALSHA.
func sha1Of(script string) string {
	sum := sha1.Sum([]byte(script))
	return hex.EncodeToString(sum[:])
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
