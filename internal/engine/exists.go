package engine

import "context"

// Exists tells whether a quorum of nodes holds one owner's value at key at this moment. It is advice, not a lock: the
// next moment may differ.
func (m *Mutex) Exists(ctx context.Context, key string) (bool, error) {
	if err := m.enter(ctx, key); err != nil {
		return false, m.fail("exists", key, nil, err)
	}
	defer m.engine.finish()
	r := m.newRound(m.group(key), nil, m.engine.clock.now(), m.nodeTimeout(m.settings.Expiration))
	defer r.leave()
	r.question.put(read, key, "", 0)
	r.startFor(ctx)
	o, err := r.wait(ctx)
	if err != nil {
		return false, m.fail("exists", key, &o, ended(ctx, err)...)
	}
	switch {
	case o.leading >= o.quorum():
		return true, nil
	case o.leading+o.silent+o.pending < o.quorum():
		return false, nil
	default: // the nodes that didn't answer make the difference
		return false, m.fail("exists", key, &o, ErrNoQuorum)
	}
}
