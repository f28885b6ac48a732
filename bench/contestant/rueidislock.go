package contestant

import (
	"context"

	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

// The two settings that rueidislock documents. It knows one server, on which it sets several keys for a lock: a majority
// of three by default.
var (
	// RueidislockDefault leaves everything at its default.
	RueidislockDefault = Variant{Open: func(use Use) (Locks, error) { return openRueidislock(use, rueidislock.LockerOption{}) }}
	// RueidislockReadme is what its README uses, "if you have only one Redis instance" and "to have better performance if
	// all your Redis are >= 7.0.5".
	RueidislockReadme = Variant{Open: func(use Use) (Locks, error) {
		return openRueidislock(use, rueidislock.LockerOption{KeyMajority: 1, NoLoopTracking: true})
	}}
)

// Rueidislock's names in the tables.
const (
	RueidislockDefaultName = "rueidislock (default)"
	RueidislockReadmeName  = "rueidislock (README)"
)

// openRueidislock makes a locker whose locks expire as the others' do. It renews every lock until that is released, and
// every acquire waits.
func openRueidislock(use Use, option rueidislock.LockerOption) (Locks, error) {
	option.ClientOption = rueidis.ClientOption{InitAddress: use.Addrs, SelectDB: use.Database}
	option.KeyValidity = use.Expiration
	locker, err := rueidislock.NewLocker(option)
	if err != nil {
		return nil, err
	}
	return &rueidislockLocks{locker}, nil
}

type rueidislockLocks struct{ rueidislock.Locker }

func (r *rueidislockLocks) Pair(ctx context.Context, key string) error {
	_, release, err := r.WithContext(ctx, key)
	if err != nil {
		return err
	}
	release()
	return nil
}

func (r *rueidislockLocks) Acquire(ctx context.Context, key string) (Release, error) {
	_, release, err := r.WithContext(ctx, key)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { release(); return nil }, nil
}

// Hold acquires a lock that is renewed.
func (r *rueidislockLocks) Hold(ctx context.Context, key string) (Held, error) {
	held, release, err := r.WithContext(ctx, key)
	if err != nil {
		return nil, err
	}
	return &rueidislockHeld{held, release}, nil
}

// rueidislockHeld is a lock that rueidislock renews: it cancels the context when the lock is lost.
type rueidislockHeld struct {
	held    context.Context
	release context.CancelFunc
}

func (h *rueidislockHeld) Lost() bool                    { return h.held.Err() != nil }
func (h *rueidislockHeld) Release(context.Context) error { h.release(); return nil }
