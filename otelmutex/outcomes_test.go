package otelmutex

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

// failed is an error as the mutexes return it.
func failed(votes int, causes ...error) error {
	return &mutex.Error{Op: "acquire", Mutex: "Report", Key: "k", Causes: causes, Votes: make([]mutex.Vote, votes)}
}

func TestEachErrorHasItsOutcome(t *testing.T) {
	other := errors.New("something else")
	lost := fmt.Errorf("%w: %w", mutex.ErrLockLost, other)
	quarantine := &mutex.QuarantineError{Remaining: time.Second}
	for _, test := range []struct {
		of       string
		names    []string
		outcome  func(error) int
		err      error
		expected string
	}{
		{"acquire", acquireOutcomes, acquireOutcome, nil, "acquired"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(1, mutex.ErrAlreadyLocked), "already_locked"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(3, mutex.ErrNoQuorum), "no_quorum"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(3, fmt.Errorf("%w: too slow", mutex.ErrNoQuorum)), "no_quorum"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(3, mutex.ErrNoQuorum, quarantine), "quarantined"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(3, mutex.ErrNoQuorum, mutex.ErrNodeQuarantined), "quarantined"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(1, context.Canceled, other, mutex.ErrAlreadyLocked), "canceled"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(1, context.Canceled, lost, mutex.ErrAlreadyLocked), "canceled"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(1, context.DeadlineExceeded, mutex.ErrNoQuorum), "deadline_exceeded"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(0, mutex.ErrClosed), "closed"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(1, mutex.ErrClosed, mutex.ErrAlreadyLocked), "closed"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(0, other), "error"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(0), "error"},
		{"acquire", acquireOutcomes, acquireOutcome, failed(0, nil), "error"},
		{"acquire", acquireOutcomes, acquireOutcome, errors.Join(other, failed(1, mutex.ErrAlreadyLocked)), "already_locked"},
		{"acquire", acquireOutcomes, acquireOutcome, fmt.Errorf("wrapped: %w", failed(1, mutex.ErrAlreadyLocked)), "already_locked"},
		{"acquire", acquireOutcomes, acquireOutcome, (*mutex.Error)(nil), "error"},
		{"acquire", acquireOutcomes, acquireOutcome, (*mutex.QuarantineError)(nil), "quarantined"},
		{"acquire", acquireOutcomes, acquireOutcome, incomparable{other}, "error"},

		{"extension", extendOutcomes, extendOutcome, nil, "extended"},
		{"extension", extendOutcomes, extendOutcome, failed(0, mutex.ErrNotHeld, lost), "not_held"},
		{"extension", extendOutcomes, extendOutcome, failed(3, mutex.ErrNoQuorum), "no_quorum"},
		{"extension", extendOutcomes, extendOutcome, failed(3, context.Canceled), "canceled"},
		{"extension", extendOutcomes, extendOutcome, failed(3, context.DeadlineExceeded), "deadline_exceeded"},
		{"extension", extendOutcomes, extendOutcome, failed(0, mutex.ErrClosed), "closed"},
		{"extension", extendOutcomes, extendOutcome, failed(0, other), "error"},

		{"renewal", renewOutcomes, renewOutcome, nil, "renewed"},
		{"renewal", renewOutcomes, renewOutcome, failed(3, mutex.ErrNotHeld), "not_held"},
		{"renewal", renewOutcomes, renewOutcome, failed(3, mutex.ErrNoQuorum), "no_quorum"},

		{"release", releaseOutcomes, releaseOutcome, nil, "released"},
		{"release", releaseOutcomes, releaseOutcome, failed(3, mutex.ErrNotHeld), "not_held"},
		{"release", releaseOutcomes, releaseOutcome, failed(3, mutex.ErrNoQuorum), "no_quorum"},
		{"release", releaseOutcomes, releaseOutcome, failed(0, mutex.ErrNotHeld), "repeated"},
		{"release", releaseOutcomes, releaseOutcome, failed(0, mutex.ErrNotHeld, lost), "lost"},
		{"release", releaseOutcomes, releaseOutcome, failed(0, mutex.ErrClosed), "closed"},
		{"release", releaseOutcomes, releaseOutcome, failed(0, mutex.ErrNotHeld, fmt.Errorf("%w: %w", mutex.ErrLockLost, mutex.ErrClosed)), "closed"},
		{"release", releaseOutcomes, releaseOutcome, failed(0, other), "error"},
	} {
		if got := test.names[test.outcome(test.err)]; got != test.expected {
			t.Errorf("%s that ended with %#v: %s; want %s", test.of, test.err, got, test.expected)
		}
	}
}

// incomparable is an error that must not be compared: == panics.
type incomparable []error

func (incomparable) Error() string { return "incomparable" }

func TestTheTextOfAnErrorIsShownWithoutKeys(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		`acquire Report (key "user:4711"): already locked`:     "acquire Report: already locked",
		`acquire Report (key "a\") (key \"b"): already locked`: "acquire Report: already locked",
		`first (key "a"): x` + "\n" + `second (key "b"): y`:    "first: x\nsecond: y",
		`mine (key not quoted)`:                                `mine (key not quoted)`,
		`mine (key "not closed`:                                `mine (key "not closed`,
		`mine (key "open" and more)`:                           `mine (key "open" and more)`,
		` (key  (key "a")`:                                     ` (key `,
		(&mutex.Error{Op: "acquire", Mutex: "Report", Key: "ключ \"\n\x00)"}).Error(): "acquire Report",
		fmt.Sprint(errors.Join(failed(0, mutex.ErrNotHeld), errors.New("and (key)"))): "acquire Report: lock not held\nand (key)",
	} {
		if got := withoutKeys(text); got != want {
			t.Errorf("%q becomes %q; want %q", text, got, want)
		}
	}
}
