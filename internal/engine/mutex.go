package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mutexgen/mutexgen/internal/ring"
)

// Forever, as a wait, waits until the context ends.
const Forever time.Duration = math.MaxInt64

// driftFloor is the part of the drift that does not depend on the expiration: what Redis's own expiration may be early
// by, as in the Redlock description.
const driftFloor = 2 * time.Millisecond

// MinExpiration is the shortest expiration a lock may have: below it the drift leaves no validity worth the name.
const MinExpiration = 10 * time.Millisecond

// MaxExpiration is the longest: Redis refuses what, added to its clock, overflows 63 bits of milliseconds, and our own
// arithmetic stays clear of overflow as well.
const MaxExpiration = 10 * 365 * 24 * time.Hour

// Settings are how a mutex behaves. Package mutex documents them.
type Settings struct {
	Name          string
	Expiration    time.Duration
	Wait          time.Duration
	MaxRetry      int
	RetryInterval time.Duration
	RetryJitter   time.Duration
	DriftFactor   float64
	NodeTimeout   time.Duration // zero: by DefaultNodeTimeout
	Renew         bool
	MaxHold       time.Duration // zero: without end
	// Fencing gives each lock a token; FencingMemory is how long a key's counter outlives its last use, Forever for ever.
	Fencing       bool
	FencingMemory time.Duration
	// RestartGuard keeps a node that may have lost its data from voting until the longest expiration has passed.
	RestartGuard bool
}

// DefaultNodeTimeout is a node's budget for one answer where the settings name none: a twentieth of the expiration, from
// 10 ms to 1 s, but never more than half of it.
func DefaultNodeTimeout(expiration time.Duration) time.Duration {
	return min(max(expiration/20, 10*time.Millisecond), time.Second, expiration/2)
}

// Mutex is a named mutex on one group of nodes, or on several of which the key picks one.
type Mutex struct {
	engine   *Engine
	settings Settings
	// safeguard is what all questions ask besides; those about a key have its counter too.
	safeguard safeguard
	groups    [][]*Node
	ring      ring.Ring // nil with one group
}

// NewMutex returns a mutex on groups of nodes of this engine.
func (e *Engine) NewMutex(settings Settings, groups [][]*Node) (*Mutex, error) {
	if len(groups) == 0 {
		return nil, fmt.Errorf("%s: no nodes", settings.Name)
	}
	for _, group := range groups {
		if len(group)%2 == 0 || len(group) > MaxGroup {
			return nil, fmt.Errorf("%s: a group has %d nodes; it needs an odd number of at most %d", settings.Name, len(group), MaxGroup)
		}
	}
	m := &Mutex{engine: e, settings: settings, safeguard: settings.safeguard(), groups: groups}
	if len(groups) > 1 {
		m.ring = ring.New(len(groups))
	}
	if err := settings.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", settings.Name, err)
	}
	for _, group := range groups {
		for _, node := range group {
			if len(group) > 1 {
				node.narrow()
			}
			if node.cluster != nil && settings.RestartGuard {
				return nil, fmt.Errorf("%s: %w", settings.Name, errGuardedCluster)
			}
		}
	}
	return m, nil
}

// maxPause bounds what a retry may be put off by.
const maxPause = 24 * time.Hour

// Check tells why a mutex cannot have these settings.
func (s Settings) Check() error {
	switch {
	case !(s.DriftFactor >= 0 && s.DriftFactor < 1): // not a number neither
		return fmt.Errorf("drift factor %v is not within 0 and 1", s.DriftFactor)
	case s.NodeTimeout < 0 || s.NodeTimeout > maxPause:
		return fmt.Errorf("node timeout %v is not within 0 and %v", s.NodeTimeout, maxPause)
	case s.RetryInterval < 0 || s.RetryInterval > maxPause:
		return fmt.Errorf("retry interval %v is not within 0 and %v", s.RetryInterval, maxPause)
	case s.RetryJitter < 0 || s.RetryJitter > maxPause:
		return fmt.Errorf("retry jitter %v is not within 0 and %v", s.RetryJitter, maxPause)
	case s.Fencing && s.FencingMemory < MinFencingMemory:
		return fmt.Errorf("fencing memory %v is too short: at least %v", s.FencingMemory, MinFencingMemory)
	case s.Fencing && s.FencingMemory > MaxExpiration && s.FencingMemory != Forever:
		return fmt.Errorf("fencing memory %v is too long: at most %v, or forever", s.FencingMemory, MaxExpiration)
	}
	return (&Mutex{settings: s}).checkExpiration(s.Expiration)
}

// group is the nodes where key lives.
func (m *Mutex) group(key string) []*Node {
	if m.ring == nil {
		return m.groups[0]
	}
	return m.groups[m.ring.Group(key)]
}

// drift is the part of an expiration that a holder may not rely on, since clocks run at different speeds.
func (m *Mutex) drift(expiration time.Duration) time.Duration {
	return time.Duration(float64(expiration)*m.settings.DriftFactor) + driftFloor
}

func (m *Mutex) nodeTimeout(expiration time.Duration) time.Duration {
	if m.settings.NodeTimeout > 0 {
		return m.settings.NodeTimeout
	}
	return DefaultNodeTimeout(expiration)
}

// checkExpiration tells why a lock cannot have this expiration.
func (m *Mutex) checkExpiration(expiration time.Duration) error {
	switch {
	case expiration < MinExpiration:
		return fmt.Errorf("expiration %v is too short: at least %v", expiration, MinExpiration)
	case expiration > MaxExpiration:
		return fmt.Errorf("expiration %v is too long: at most %v", expiration, MaxExpiration)
	case m.settings.RestartGuard && expiration > m.settings.Expiration:
		return fmt.Errorf("expiration %v is too long: the restart guard counts with the mutex's, %v, at most", expiration, m.settings.Expiration)
	case m.nodeTimeout(expiration)+m.drift(expiration) >= expiration:
		return fmt.Errorf("expiration %v is too short for a node timeout of %v and a drift of %v",
			expiration, m.nodeTimeout(expiration), m.drift(expiration))
	}
	return nil
}

// fail builds the error of an operation on key.
func (m *Mutex) fail(op, key string, o *outcome, causes ...error) *Error {
	e := &Error{Op: op, Mutex: m.settings.Name, Key: key, Causes: causes}
	if o != nil {
		e.Votes, e.Hint = o.votes(), o.hint()
	}
	return e
}

var (
	errNoContext = errors.New("the context is nil")
	errNoKey     = errors.New("the key is empty")
	errNoFunc    = errors.New("the function is nil")
)

// enter admits an operation that begins with ctx; what it admits ends with engine.finish.
func (m *Mutex) enter(ctx context.Context, key string) error {
	switch {
	case ctx == nil:
		return errNoContext
	case key == "":
		return errNoKey
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return m.engine.begin()
}

// ended are the causes of an operation that err ended, err itself first: if ctx ended it, its cause belongs to them.
func ended(ctx context.Context, err error) []error {
	causes := []error{err}
	if cause := context.Cause(ctx); cause != nil && cause != err && ctx.Err() == err {
		causes = append(causes, cause)
	}
	return causes
}
