package engine

import (
	"context"
	"errors"
)

// tokenKey is that of the fencing token among a context's values.
type tokenKey struct{}

// TokenFrom is the fencing token of the lock under which Synchronize runs a function with ctx, the innermost; zero if
// there is none.
func TokenFrom(ctx context.Context) int64 {
	if ctx == nil {
		return 0
	}
	token, _ := ctx.Value(tokenKey{}).(int64)
	return token
}

// withToken puts a token into a context, and a zero only where another token would be taken for it.
func withToken(ctx context.Context, token int64) context.Context {
	if token == TokenFrom(ctx) {
		return ctx
	}
	return context.WithValue(ctx, tokenKey{}, token)
}

// Synchronize runs fn under a lock on key. The context that fn gets is cancelled, with cause ErrLockLost, the moment the
// lock's validity ends. The lock is released however fn ends: by returning, by a panic, which goes on, or by
// runtime.Goexit.
func (m *Mutex) Synchronize(ctx context.Context, key string, fn func(context.Context) error, options AcquireOptions) error {
	if fn == nil {
		return m.fail("synchronize", key, nil, errNoFunc)
	}
	if m.engine.trace.Synchronize != nil && ctx != nil {
		return m.synchronizeTraced(ctx, key, fn, options)
	}
	return m.synchronize(ctx, key, fn, options)
}

// synchronizeTraced lets the trace have a part in the context, and tells it of the end.
func (m *Mutex) synchronizeTraced(ctx context.Context, key string, fn func(context.Context) error, options AcquireOptions) error {
	traced, end := m.engine.trace.Synchronize(ctx, m.settings.Name, key)
	if traced != nil {
		ctx = traced
	}
	err := errUnfinished
	if end != nil {
		defer func() { end(err) }()
	}
	err = m.synchronize(ctx, key, fn, options)
	return err
}

func (m *Mutex) synchronize(ctx context.Context, key string, fn func(context.Context) error, options AcquireOptions) (err error) {
	options.Renew = options.Renew || m.settings.Renew
	lock, err := m.Acquire(ctx, key, options)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(withToken(ctx, lock.token))
	lock.whenEnded(cancel)

	returned := false
	defer func() {
		lost := lock.Err() // nil: valid until after fn ended
		cancel(nil)
		released := lock.Release(ctx)
		if lost == nil && released != nil {
			m.engine.logger.Warn("lock not released", "mutex", m.settings.Name, "key", key, "error", released)
		}
		if !returned {
			return
		}
		var answers *Error
		switch {
		case lost != nil:
			err = errors.Join(err, m.fail("synchronize", key, nil, lost))
		case errors.Is(released, ErrNotHeld) && errors.As(released, &answers) && len(answers.Votes) > 0:
			// The nodes have forgotten the lock, or hold another's, although its time was not up: somebody deleted it,
			// so others may have run beside fn.
			answers.Op = "synchronize"
			answers.Causes = append([]error{ErrLockLost}, answers.Causes...)
			err = errors.Join(err, answers)
		}
	}()
	err = fn(inner)
	returned = true
	return err
}
