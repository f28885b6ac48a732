package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/mutex"
)

// text is a Stringer.
type text string

func (s text) String() string { return string(s) }

// pointer is a Stringer on a pointer, that panics on a nil one.
type pointer struct{ text string }

func (p *pointer) String() string { return p.text }

// calm is a Stringer that has a text for a nil pointer too.
type calm struct{}

func (*calm) String() string { return "calm" }

// furious panics with whatever it holds.
type furious struct{ with any }

func (f furious) String() string { panic(f.with) }

func TestKeysAreTheirPartsUnescaped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key  mutex.Key
		want string
	}{
		{mutex.NewKey("report:nightly"), "report:nightly"},
		{mutex.NewKey("account:").Int64("id", 4711).Text(":transfer"), "account:4711:transfer"},
		{mutex.NewKey("").String("resource", "any"), "any"},
		{mutex.NewKey("").String("a", "{tag}:*?[\n\x00\xff é").Text("'\""), "{tag}:*?[\n\x00\xff é'\""},
		{mutex.NewKey("").String("a", "{b}").String("b", "c"), "{b}c"},
		{mutex.NewKey("%s %d {name:string} ${VAR}"), "%s %d {name:string} ${VAR}"},
		{mutex.NewKey("").Int("n", 0), "0"},
		{mutex.NewKey("").Int("n", math.MinInt), "-9223372036854775808"},
		{mutex.NewKey("").Int("n", math.MaxInt), "9223372036854775807"},
		{mutex.NewKey("").Int64("n", math.MinInt64).Text("/").Int64("n", math.MaxInt64), "-9223372036854775808/9223372036854775807"},
		{mutex.NewKey("").Uint64("n", math.MaxUint64), "18446744073709551615"},
		{mutex.NewKey("").Bool("b", true).Text("/").Bool("b", false), "true/false"},
		{mutex.NewKey("").Stringer("s", text("a:b")), "a:b"},
		{mutex.NewKey("").Stringer("s", &pointer{"p"}), "p"},
		{mutex.NewKey("").Stringer("s", (*calm)(nil)), "calm"},
		{mutex.NewKey(strings.Repeat("k", 1<<20)), strings.Repeat("k", 1<<20)},
	} {
		got, err := test.key.Render()
		if got != test.want || err != nil {
			t.Errorf("key is %.80q, %v; want %.80q", got, err, test.want)
		}
		if got, err := mutex.At[counter](nil, test.key).Key(); got != test.want || err != nil {
			t.Errorf("a mutex's key is %.80q, %v; want %.80q", got, err, test.want)
		}
	}
}

func TestParametersThatCannotStandInAKeyAreErrors(t *testing.T) {
	t.Parallel()
	set := open(t, on("redis://127.0.0.1:1"))
	for _, test := range []struct {
		key  mutex.Key
		want string
	}{
		{mutex.NewKey("a:").String("name", ""), "key parameter name is empty"},
		{mutex.NewKey("a:").Stringer("id", text("")), "key parameter id is empty"},
		{mutex.NewKey("a:").Stringer("id", nil), "key parameter id is nil"},
		{mutex.NewKey("a:").Stringer("id", (*pointer)(nil)), "key parameter id has no text: its String method panicked: runtime error"},
		{mutex.NewKey("a:").Stringer("id", furious{"rage"}), "panicked: rage"},
		{mutex.NewKey("a:").Stringer("id", furious{errors.New("rage")}), "panicked: rage"},
		{mutex.NewKey("a:").Stringer("id", furious{nil}), "key parameter id has no text"},
		{mutex.NewKey("a:").Stringer("id", furious{furious{"rage"}}), "key parameter id has no text"},
		{mutex.NewKey("a:").String("first", "").String("second", "").Text("more"), "key parameter first is empty"},
		{mutex.NewKey("a:").Stringer("first", nil).Stringer("second", furious{"rage"}).Int("n", 1), "key parameter first is nil"},
	} {
		if key, err := test.key.Render(); key != "" || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("key is %q, %v; want an error with %q", key, err, test.want)
		}
		m := mutex.At[counter](set.Opened("Counter"), test.key)
		for op, err := range everyOperation(t, m) {
			wantText(t, err, op+" Counter: ", test.want)
		}
	}
}

// everyOperation calls every operation of a mutex that needs no lock, and returns what it returned.
func everyOperation(t *testing.T, m mutex.Mutex[counter]) map[string]error {
	t.Helper()
	lock, acquired := m.AcquireLock(t.Context())
	if lock != nil {
		t.Errorf("lock %v with error %v", lock, acquired)
	}
	exists, existed := m.ExistsLock(t.Context())
	if exists {
		t.Errorf("exists with error %v", existed)
	}
	return map[string]error{
		"acquire": acquired, "exists": existed,
		"synchronize": m.Synchronize(t.Context(), func(context.Context) error { t.Error("fn ran"); return nil }),
	}
}

func TestEmptyKeyIsAnError(t *testing.T) {
	t.Parallel()
	set := open(t, on("redis://127.0.0.1:1"))
	for _, err := range everyOperation(t, at(set, "")) {
		wantText(t, err, "Counter", "the key is empty")
	}
}

// Nothing of this comes from generated code. A zero value or a nil is an error all the same, never a panic.
func TestZeroValuesAreErrors(t *testing.T) {
	t.Parallel()
	set := open(t, on("redis://127.0.0.1:1"))
	key := mutex.NewKey("k")
	for name, m := range map[string]mutex.Mutex[counter]{
		"zero":                    {},
		"at nil":                  mutex.At[counter](nil, key),
		"at zero":                 mutex.At[counter](&mutex.Opened{}, key),
		"of an unknown name":      mutex.At[counter](set.Opened("Unknown"), key),
		"of a nil set":            mutex.At[counter]((*mutex.Set)(nil).Opened("Counter"), key),
		"of a set never opened":   mutex.At[counter](new(mutex.Set).Opened("Counter"), key),
		"of a set that is closed": at(closedSet(t), "k"),
	} {
		for _, err := range everyOperation(t, m) {
			if !errors.Is(err, mutex.ErrClosed) {
				t.Errorf("mutex %s: %v; want ErrClosed", name, err)
			}
		}
	}
	for _, none := range []*mutex.Set{nil, {}} {
		if err := none.Close(); err != nil || len(none.All()) > 0 || len(none.Held()) > 0 {
			t.Errorf("set without mutexes: Close %v, All %v, Held %v", err, none.All(), none.Held())
		}
	}
	for _, lock := range []*mutex.Lock[counter]{nil, {}} {
		m := at(set, "k")
		for _, err := range []error{
			mutex.ReleaseLock(t.Context(), lock), mutex.ExtendLock(t.Context(), lock, soon),
			m.ReleaseLock(t.Context(), lock), m.ExtendLock(t.Context(), lock, soon), lock.Err(),
		} {
			wantError(t, err, mutex.ErrNotHeld)
		}
		select {
		case <-lock.Done():
		default:
			t.Error("a lock that never was is not done")
		}
		if lock.Key() != "" || !lock.Until().IsZero() {
			t.Errorf("a lock that never was has key %q and ends %v", lock.Key(), lock.Until())
		}
	}
}

func closedSet(t *testing.T) *mutex.Set {
	set := open(t, on("redis://127.0.0.1:1"))
	set.Close()
	return set
}

func TestNilArgumentsAreErrors(t *testing.T) {
	t.Parallel()
	m := at(open(t, on("redis://127.0.0.1:1")), "k")
	var none context.Context
	_, acquired := m.AcquireLock(none)
	_, existed := m.ExistsLock(none)
	_, noSynchronizer := mutex.Result(t.Context(), nil, func(context.Context) (int, error) { return 1, nil })
	_, noFunction := mutex.Result[int](t.Context(), m, nil)
	for name, err := range map[string]error{
		"acquire without a context": acquired, "exists without a context": existed,
		"synchronize without a context":  m.Synchronize(none, func(context.Context) error { return nil }),
		"synchronize without a function": m.Synchronize(t.Context(), nil),
		"a result of nothing":            noSynchronizer, "a result without a function": noFunction,
	} {
		wantText(t, err, "nil")
		if err != nil && fmt.Sprint(err) == "" {
			t.Errorf("%s: no text", name)
		}
	}
	if _, err := m.AcquireLock(t.Context(), nil, nil); !errors.Is(err, mutex.ErrNoQuorum) {
		t.Errorf("acquire with nil options: %v; want ErrNoQuorum, as nobody listens", err)
	}
	if set, err := mutex.OpenSet(nil, nil, mutex.WithLogger(nil), mutex.WithTrace(nil), mutex.WithRedisOptions(nil)); err != nil {
		t.Error(err)
	} else {
		set.Close()
	}
}
