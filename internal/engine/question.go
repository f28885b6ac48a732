package engine

import (
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"hash/maphash"
	"time"
)

// op is one of the things asked of a node.
type op uint8

const (
	// acquire sets the key for owner if nothing stands there.
	acquire op = iota
	// queue is an acquire that, where it is refused, finds out by whom, and tells its engine message.
	queue
	// release deletes the key if it is owner's, and tells those who wait: all of them, or message on channel.
	release
	// handover makes the key next's if it is owner's, or if nothing stands there.
	handover
	// extend lengthens the expiration if the key is owner's, or sets it where it is missing.
	extend
	// raise makes the key's fencing counter at least its token if the key is owner's.
	raise
	// read asks whose the key is.
	read
	// notice tells message on channel.
	notice
)

// question is what one operation asks of every node alike. It is made once, and read by several lanes after that.
type question struct {
	op           op
	key          string
	owner        string
	next         string // the next owner, of a handover
	milliseconds int64  // of the expiration, where the op sets one
	channel      string
	message      string
	// quiet says that nobody need be told of a release in a cluster: whoever waits has told the holder, or will.
	quiet bool
	safeguard
	// hash is the key's: questions about one key go one way.
	hash uint64
}

// safeguard is what the questions of a mutex with fencing or a restart guard ask besides. The zero value asks nothing.
type safeguard struct {
	// counter is the key of the fencing counter; empty without fencing.
	counter string
	// memory is how long the counter outlives its last use, in milliseconds; zero: for ever.
	memory int64
	// token is what the counter must be at least after an extension or a raise.
	token int64
	// quarantine is how old a node must be to vote, in milliseconds; zero: it may always.
	quarantine int64
}

// isGuarded tells whether the question's safeguard has a part in what a node does.
func (q *question) isGuarded() bool {
	switch q.op {
	case acquire, queue, handover, extend, raise:
		return q.counter != "" || q.quarantine > 0
	}
	return false
}

// put makes q one of the questions that need no more than an owner and an expiration.
func (q *question) put(o op, key, owner string, expiration time.Duration) {
	*q = question{op: o, key: key, owner: owner, milliseconds: expiration.Milliseconds(), hash: maphash.String(seed, key)}
}

var seed = maphash.MakeSeed()

func newQuestion(o op, key, owner string, expiration time.Duration) *question {
	q := new(question)
	q.put(o, key, owner, expiration)
	return q
}

// acquires tells whether a granted q leaves the key with a new owner whose it was not.
func (o op) acquires() bool { return o == acquire || o == queue || o == handover }

// script is one of the scripts, and what it is called by.
type script struct {
	source string
	hash   string
}

//go:embed scripts/queue.lua
var queueSource string

//go:embed scripts/release.lua
var releaseSource string

//go:embed scripts/releases.lua
var releasesSource string

//go:embed scripts/handover.lua
var handoverSource string

//go:embed scripts/extend.lua
var extendSource string

//go:embed scripts/guard.lua
var guardSource string

//go:embed scripts/counting.lua
var countingSource string

//go:embed scripts/raising.lua
var raisingSource string

//go:embed scripts/guarded_acquire.lua
var guardedAcquireSource string

//go:embed scripts/guarded_handover.lua
var guardedHandoverSource string

//go:embed scripts/guarded_extend.lua
var guardedExtendSource string

//go:embed scripts/raise.lua
var raiseSource string

// scripts are those of the ops that have one.
var scripts = [...]script{
	queue:    newScript(queueSource),
	release:  newScript(releaseSource),
	handover: newScript(handoverSource),
	extend:   newScript(extendSource),
}

// guardedScripts are those of the ops that a safeguard has a part in.
var guardedScripts = [...]script{
	acquire:  newScript(guardSource + countingSource + guardedAcquireSource),
	queue:    newScript(guardSource + countingSource + guardedAcquireSource),
	handover: newScript(guardSource + countingSource + guardedHandoverSource),
	extend:   newScript(guardSource + raisingSource + guardedExtendSource),
	raise:    newScript(guardSource + raisingSource + raiseSource),
}

// releases is the script for several releases at once.
var releases = newScript(releasesSource)

// newScript finds the name by which EVALSHA knows a script.
func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source: source, hash: hex.EncodeToString(sum[:])}
}
