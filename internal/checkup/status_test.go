package checkup

import (
	"testing"
	"time"
)

func TestCountingVotes(t *testing.T) {
	const ever = time.Duration(-1)
	holds := func(owner string, left time.Duration) KeyVote {
		return KeyVote{State: "other", owner: owner, Remaining: left, Holder: &Holder{owner, 1}, waiters: -1}
	}
	free, silent, wrong := KeyVote{State: "free", waiters: -1}, KeyVote{State: "unreachable", waiters: -1}, KeyVote{State: "wrong-type", owner: stranger, Remaining: 4, waiters: -1}
	for name, test := range map[string]struct {
		votes     []KeyVote
		state     State
		holder    string
		remaining time.Duration
	}{
		"one free":                        {[]KeyVote{free}, Free, "", 0},
		"one held":                        {[]KeyVote{holds("a", 5)}, Held, "a", 5},
		"one held for ever":               {[]KeyVote{holds("a", ever)}, Held, "a", ever},
		"one silent":                      {[]KeyVote{silent}, Unknown, "", 0},
		"one wrong":                       {[]KeyVote{wrong}, Held, "", 4},
		"two of three wrong":              {[]KeyVote{wrong, free, wrong}, Held, "", 4},
		"one wrong, one held, one free":   {[]KeyVote{wrong, holds("a", 5), free}, Free, "", 0},
		"all three held":                  {[]KeyVote{holds("a", 5), holds("a", 9), holds("a", 7)}, Held, "a", 7},
		"two of three held":               {[]KeyVote{holds("a", 5), free, holds("a", 9)}, Held, "a", 5},
		"two of three held, one for ever": {[]KeyVote{holds("a", ever), free, holds("a", 9)}, Held, "a", 9},
		"two of three held for ever":      {[]KeyVote{holds("a", ever), holds("a", ever), holds("a", 9)}, Held, "a", ever},
		"two of three held, one by b":     {[]KeyVote{holds("b", 5), holds("a", 5), holds("a", 9)}, Held, "a", 5},
		"one of three held":               {[]KeyVote{holds("a", 5), free, free}, Free, "", 0},
		"three holders":                   {[]KeyVote{holds("a", 5), holds("b", 5), holds("c", 5)}, Free, "", 0},
		"one held, one silent":            {[]KeyVote{holds("a", 5), silent, free}, Unknown, "", 0},
		"one silent, two free":            {[]KeyVote{silent, free, free}, Free, "", 0},
		"two silent":                      {[]KeyVote{silent, silent, free}, Unknown, "", 0},
		"two held, one silent":            {[]KeyVote{holds("a", 5), silent, holds("a", 3)}, Held, "a", 3},
		"two holders, one silent":         {[]KeyVote{holds("a", 5), holds("b", 5), silent}, Unknown, "", 0},
		"nobody asked":                    {nil, Free, "", 0},
	} {
		s := Status{Votes: test.votes}
		s.count()
		holder := ""
		if s.Holder != nil {
			holder = s.Holder.Host
		}
		if s.State != test.state || holder != test.holder || s.Remaining != test.remaining || s.Waiters != -1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestKeysThatAreKeptForLocksAreNoLocks(t *testing.T) {
	for key, want := range map[string]bool{
		"{lock}:fence": true, "a{lock}b:fence": true, "mutexgen:birth": true, "lock": false, "lock:fence": false, "{lock}": false, ":fence": false, "": false,
	} {
		if got := isOurs(key); got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
}
