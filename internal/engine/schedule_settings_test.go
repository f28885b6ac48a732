package engine

import (
	"testing"
	"time"
)

// newSchedule rolls the dice.
func newSchedule(t *testing.T, seed uint64, sum *counts) *schedule {
	s := &schedule{
		t: t, seed: seed, counts: sum, calm: make(chan struct{}), names: make(map[string]int), raised: make(map[string]bool),
		histories: make(map[string]*history), ambushes: make(map[op]func()),
	}
	s.times.taken = make(map[int64]bool)
	a := &actor{random: s.newRandom("settings")}
	r := a.random
	s.settings = rollSettings(a)
	e := s.settings.Expiration
	s.immortal = e == immortal
	s.mayDouble = !s.immortal
	s.keys = []string{"k", "l", "m"}[:1+r.IntN(5)/3+r.IntN(5)/4]
	s.suspends = r.IntN(2) == 0
	s.late = min(2*e, 3*time.Second)
	s.pace = pace{
		lasts:  min(20*e, 1500*time.Millisecond),
		think:  []time.Duration{2, 20, 100}[r.IntN(3)] * time.Millisecond,
		fault:  time.Duration(20+r.IntN(400)) * time.Millisecond,
		outage: time.Second,
	}
	if q := s.quarantine(); q > 0 {
		s.pace.lasts = q*3/2 + a.below(q*3/2)
		s.pace.think *= time.Duration(2 + s.pace.lasts/(1500*time.Millisecond))
		s.pace.outage = s.pace.lasts / 3
		s.pace.fault = max(s.pace.fault, s.pace.lasts/20)
	}
	for i := range []int{1, 3, 3, 5}[r.IntN(4)] {
		s.nodes = append(s.nodes, s.newNode(i, a))
	}
	if s.settings.Fencing && len(s.nodes) > 1 && r.IntN(5) == 0 {
		// One node's clock is beyond all bounds. It must not vote, so that tokens don't begin with it. When all is to be well
		// it is taken away.
		s.wrong = s.nodes[r.IntN(len(s.nodes))]
		by := (8*time.Second + a.below(time.Hour)) * time.Duration(1-2*r.IntN(2))
		s.wrong.ahead += by
		s.wrong.started = s.wrong.started.Add(by)
		if s.wrong.birth != 0 {
			s.wrong.birth += by.Milliseconds()
		}
	}
	for _, key := range s.keys {
		s.histories[key] = new(history)
	}
	return s
}

// quarantine is how long a node must not vote after it may have lost its data, as the promise is, and not as the engine
// has it.
func (s *schedule) quarantine() time.Duration {
	if !s.settings.RestartGuard {
		return 0
	}
	q := s.settings.Expiration*(100+time.Duration(100*s.settings.DriftFactor))/100 + 2*time.Second
	if s.settings.Fencing {
		q = max(q, 7*time.Second)
	}
	return q
}

func rollSettings(a *actor) Settings {
	r := a.random
	expirations := []time.Duration{60 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second, immortal}
	retries := []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, time.Hour, time.Hour}
	settings := Settings{
		Name: "Test", DriftFactor: 0.01, Wait: Forever,
		Expiration:    expirations[r.IntN(len(expirations))],
		RetryInterval: retries[r.IntN(len(retries))],
		RetryJitter:   time.Duration(1+r.IntN(4)) * time.Millisecond,
	}
	if r.IntN(4) == 0 {
		settings.DriftFactor = 0.05
	}
	if r.IntN(4) == 0 {
		settings.MaxHold = 2 * settings.Expiration
	}
	if r.IntN(3) == 0 { // so that answers may take longer than a lock is valid
		settings.NodeTimeout = min(time.Duration(float64(settings.Expiration)*(0.3+0.6*r.Float64())), 2*time.Second)
	}
	if r.IntN(8) == 0 {
		settings.MaxRetry = 1 + r.IntN(5)
	}
	if r.IntN(5) > 1 {
		settings.Fencing = true
		settings.FencingMemory = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, time.Hour, Forever}[r.IntN(5)]
	}
	if settings.Expiration == immortal { // or a message that is lost has somebody wait for its end
		settings.RetryInterval = min(settings.RetryInterval, time.Second)
	} else {
		settings.RestartGuard = r.IntN(3) == 0
	}
	if settings.RestartGuard { // such a schedule is a long one, so whoever waits for nodes in quarantine asks less often
		settings.RetryInterval = max(settings.RetryInterval, 100*time.Millisecond)
	}
	return settings
}

// newNode is a node whose clock is wrong, within what the engine bears, and which is old or, under a guard, may be new.
func (s *schedule) newNode(place int, a *actor) *simNode {
	n := &simNode{keys: make(map[string]simKey), latency: simLatency, keepsJournal: true}
	drift := min(s.settings.DriftFactor, 0.02)
	if s.settings.Fencing { // the bound is on what a clock is wrong by, in all
		drift = 0.01
	}
	ahead := a.below(3200*time.Millisecond) - 1600*time.Millisecond
	if a.random.IntN(2) == 0 {
		ahead = 1600 * time.Millisecond * time.Duration(1-2*a.random.IntN(2))
	}
	n.simClock = simClock{
		rate:   (2*a.random.Float64() - 1) * drift * 0.99,
		base:   time.Now(),
		asleep: func() time.Duration { return time.Duration(s.asleep.Load()) },
		ahead:  ahead,
	}
	n.started = n.now().Add(-time.Hour)
	n.birth = n.started.UnixMilli()
	if a.random.IntN(3) == 0 {
		n.started, n.birth = n.now(), 0
	}
	n.blind = a.random.IntN(10) == 0
	actor := s.newActor("node %c", 'A'+place)
	n.heard = func(q *question, r reply) { s.heard(actor, q, r) }
	return n
}
