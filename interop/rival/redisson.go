package rival

import (
	_ "embed"
	"encoding/hex"
	"time"
)

// Redisson keeps a hash at the key, with a count of entries for the owner. Its scripts are equal in effect to the
// original's, which also publish.
var (
	//go:embed scripts/hash_acquire.lua
	hashAcquire string
	//go:embed scripts/hash_release.lua
	hashRelease string
	//go:embed scripts/hash_extend.lua
	hashExtend string
)

// Redisson is the RLock of Redisson, for Java. What is not a hash makes its scripts fail.
var Redisson = recipe{
	owner: func() string { return hex.EncodeToString(random(16)) + ":1" },
	acquire: func(key, owner string, expiration time.Duration) []any {
		return []any{"EVAL", hashAcquire, 1, key, owner, expiration.Milliseconds()}
	},
	release: func(key, owner string) []any { return []any{"EVAL", hashRelease, 1, key, owner} },
	extend: func(key, owner string, expiration time.Duration) []any {
		return []any{"EVAL", hashExtend, 1, key, owner, expiration.Milliseconds()}
	},
	granted: func(reply any) bool { return reply == nil },
	tries:   1,
}.library(Library{Name: "Redisson (in effect)", Tells: true})
