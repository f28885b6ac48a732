package mutex

import (
	"context"
	"fmt"

	"github.com/mutexgen/mutexgen/internal/checkup"
)

// Status is who holds a mutex at a key: what its nodes add up to, and each of their votes. It marshals to JSON.
type Status = checkup.Status

// Status tells who holds the mutex of that name at each of the keys, in their order: without keys, at the one that a mutex
// without parameters locks. It reads, and takes part in nothing: the next moment may differ. Nodes that don't answer by the
// end of ctx, or within ten seconds, are unreachable in it. It is an error if there is no such mutex, or no key to look at.
func (s *Set) Status(ctx context.Context, name string, keys ...string) ([]Status, error) {
	o, err := s.named(name)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		key, literal := checkup.LiteralKey(o.definition.Key)
		if !literal {
			return nil, fmt.Errorf("mutex %s has key parameters: name the keys to look at", name)
		}
		keys = []string{key}
	}
	return checkup.Look(ctx, o.engine, keys), nil
}

// Place is a mutex of a Set, by its name, at a key.
type Place struct{ Mutex, Key string }

// StatusAt is Status at several places, in their order. All nodes are asked at once, whichever mutexes they are of: one that
// hangs holds up no answer of the others.
func (s *Set) StatusAt(ctx context.Context, places ...Place) ([]Status, error) {
	all := make([]checkup.Place, len(places))
	for i, p := range places {
		o, err := s.named(p.Mutex)
		if err != nil {
			return nil, err
		}
		all[i] = checkup.Place{Engine: o.engine, Key: p.Key}
	}
	return checkup.LookAt(ctx, all), nil
}

// Scan lists keys that are locked now, or were a moment ago, of a mutex with key parameters: at most limit of them, in order.
// More says that there may be others. It asks the nodes with SCAN, which costs them work in proportion to all the keys that
// they have. Of nodes that can't be asked the error tells; the keys of the others come with it.
func (s *Set) Scan(ctx context.Context, name string, limit int) (keys []string, more bool, err error) {
	o, err := s.named(name)
	if err != nil {
		return nil, false, err
	}
	return checkup.Scan(ctx, checkup.Mutex{Engine: o.engine, Key: o.definition.Key}, limit)
}

// named is the opened mutex of that name.
func (s *Set) named(name string) (*Opened, error) {
	o := s.Opened(name)
	if o == nil || o.engine == nil {
		return nil, fmt.Errorf("there is no mutex %q", name)
	}
	return o, nil
}
