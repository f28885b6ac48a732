package engine

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"
)

func TestNonsenseIsAnErrorNotAPanic(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		var none context.Context
		tooShort, negative, tooLong := time.Millisecond, -time.Second, MaxExpiration+1
		calls := map[string]func() error{
			"nil context": func() error { _, err := s.mutex.Acquire(none, "k", AcquireOptions{}); return err },
			"empty key":   func() error { _, err := s.mutex.Acquire(t.Context(), "", AcquireOptions{}); return err },
			"too short": func() error {
				_, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Expiration: &tooShort})
				return err
			},
			"negative": func() error {
				_, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Expiration: &negative})
				return err
			},
			"too long": func() error {
				_, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Expiration: &tooLong})
				return err
			},
			"exists, empty key": func() error { _, err := s.mutex.Exists(t.Context(), ""); return err },
			"nil function":      func() error { return s.mutex.Synchronize(t.Context(), "k", nil, AcquireOptions{}) },
			"extend by nothing": func() error { l := s.acquire(); defer l.Release(t.Context()); return l.Extend(t.Context(), 0) },
			"extend, nil context": func() error {
				l := s.acquire()
				defer l.Release(t.Context())
				return l.Extend(none, time.Second)
			},
		}
		for name, call := range calls {
			var e *Error
			if err := call(); !errors.As(err, &e) {
				t.Errorf("%s: error is %v; want an *Error", name, err)
			}
		}
		lock := s.acquire()
		if err := lock.Release(none); err != nil {
			t.Errorf("release with a nil context: %v", err)
		}
	})
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	node := e.addNode("A", &simNode{}, 1, time.Second, time.Second)
	tests := map[string]struct {
		settings Settings
		groups   [][]*Node
	}{
		"no group":             {Settings{Expiration: time.Second}, nil},
		"empty group":          {Settings{Expiration: time.Second}, [][]*Node{{}}},
		"even group":           {Settings{Expiration: time.Second}, [][]*Node{{node, node}}},
		"too many nodes":       {Settings{Expiration: time.Second}, [][]*Node{make([]*Node, 65)}},
		"no expiration":        {Settings{}, [][]*Node{{node}}},
		"drift takes it all":   {Settings{Expiration: time.Second, DriftFactor: 1}, [][]*Node{{node}}},
		"drift is no number":   {Settings{Expiration: time.Second, DriftFactor: math.NaN()}, [][]*Node{{node}}},
		"negative drift":       {Settings{Expiration: time.Second, DriftFactor: -1}, [][]*Node{{node}}},
		"endless node timeout": {Settings{Expiration: time.Second, NodeTimeout: math.MaxInt64}, [][]*Node{{node}}},
		"endless jitter":       {Settings{Expiration: time.Second, RetryJitter: math.MaxInt64}, [][]*Node{{node}}},
		"endless interval":     {Settings{Expiration: time.Second, RetryInterval: math.MaxInt64}, [][]*Node{{node}}},
		"node timeout as long": {Settings{Expiration: time.Second, NodeTimeout: time.Second}, [][]*Node{{node}}},
	}
	for name, test := range tests {
		if _, err := e.NewMutex(test.settings, test.groups); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
