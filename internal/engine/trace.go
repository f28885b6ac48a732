package engine

import "time"

// Trace is a set of callbacks that are told what an engine does. Any of them may be nil. They run in the middle of the
// operation, some while another goroutine waits for it: they should return soon, and must not panic, use the mutexes they
// are told about, or close them.
type Trace struct {
	// Acquired is called when an acquire got its lock, after so many attempts and so much time.
	Acquired func(mutex, key string, attempts int, took time.Duration)
	// Refused is called when an acquire ended without a lock. The error is the one that the caller gets.
	Refused func(mutex, key string, attempts int, took time.Duration, err error)
	// Extended is called when an extension ended, with the error that the caller gets; also when a renewal did, about whose
	// errors nobody else hears: it is tried again until the lock is lost.
	Extended func(mutex, key string, err error)
	// Released is called when a release ended; held is how long the lock was held. A release that failed leaves the key
	// to its expiration.
	Released func(mutex, key string, held time.Duration, err error)
	// Lost is called when a lock ended before it was released.
	Lost func(mutex, key string, err error)
	// NodeDown is called when a node stops answering, NodeUp when it answers again.
	NodeDown func(node string, err error)
	NodeUp   func(node string)
	// NodeQuarantined is called when a node, asked for a lock, says that it does not vote yet for so long: it is new,
	// restarted, or its data was deleted. It is called once for each quarantine.
	NodeQuarantined func(node string, remaining time.Duration)
}
