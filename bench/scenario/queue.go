package scenario

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
)

// turns is what one slice of waiting for one key measured.
type turns struct {
	// perSecond is how often the lock was acquired, handed how often it was by another waiter than before. Who asks again
	// and again may get the lock back that it just gave away, which is quick, and of no use to the others.
	perSecond, handed float64
	// commands is how many commands the servers executed for each acquisition, on each node.
	commands float64
	// most and fewest are the turns of single waiters; starved is how many waiters had none.
	most, fewest, starved int
	// overlaps is how often a waiter got the lock while another held it: what no lock may ever let happen.
	overlaps int64
	failed   int64
	first    error
}

func (t turns) rate() float64 { return t.handed }

// waiting is a contestant whose waiters wait for one key.
type waiting struct {
	library
	label   string // the variant that does best
	servers redisserver.Servers
	clients []contestant.Locks
	failed  error
}

// queueing is a contest of waiters.
type queueing struct {
	nodes, waiters, clients int
	libraries               []library
	size                    Slices
}

// queue runs a contest of waiters.
func (r *Run) queue(q queueing) ([]*waiting, []contest.Outcome[turns], error) {
	r.Progress("  %s, waiters: %d, clients: %d", nodesText(q.nodes), q.waiters, q.clients)
	all := make([]*waiting, len(q.libraries))
	entrants := make([]contest.Entrant[turns], len(q.libraries))
	defer func() {
		for _, w := range all {
			if w != nil {
				w.close()
			}
		}
	}()
	for i, l := range q.libraries {
		w, err := r.enterWaiting(q, l)
		if err != nil {
			return nil, nil, err
		}
		all[i] = w
		entrants[i] = contest.Entrant[turns]{Name: l.name, Rounds: l.rounds, Slice: func(ctx context.Context) (turns, error) {
			if w.failed != nil {
				return turns{}, w.failed
			}
			return w.slice(ctx, q, r.Size.RampUp, q.size.Time)
		}}
	}
	outcomes, err := contest.Run(r.Context, q.size.Rounds, r.Size.Limit, entrants)
	return all, outcomes, err
}

// enterWaiting gives a library servers of its own, so that what they are asked is told apart, and keeps the variant that
// does best in a short trial.
func (r *Run) enterWaiting(q queueing, l library) (*waiting, error) {
	var best *waiting
	var most float64
	var errs []error
	for _, v := range l.variants {
		w, err := r.openWaiting(q, l, v)
		if err != nil {
			return nil, err
		}
		if w.failed != nil {
			errs = append(errs, w.failed)
			w.close()
			continue
		}
		var trial turns
		if len(l.variants) > 1 {
			trial, err = contest.Bounded(r.Context, r.Size.Limit, func(ctx context.Context) (turns, error) {
				return w.slice(ctx, q, r.Size.RampUp, 4*r.Size.Trial)
			})
			if err != nil {
				errs = append(errs, err)
				w.close()
				continue
			}
		}
		if best == nil || trial.handed > most {
			if best != nil {
				best.close()
			}
			best, most = w, trial.handed
			continue
		}
		w.close()
	}
	if best == nil {
		best = &waiting{library: l, failed: errs[0]}
	}
	return best, r.Context.Err()
}

func (r *Run) openWaiting(q queueing, l library, v contestant.Variant) (*waiting, error) {
	servers, err := r.Fleet.Start(r.Context, q.nodes)
	if err != nil {
		return nil, err
	}
	w := &waiting{library: l, servers: servers, label: v.Label}
	perClient := (q.waiters + q.clients - 1) / q.clients
	for range min(q.clients, q.waiters) {
		use := contestant.Use{Addrs: servers.Addrs(), Workers: perClient, Expiration: pairExpiration, Wait: true}
		locks, err := v.Open(use)
		if err != nil {
			w.failed = err
			break
		}
		w.clients = append(w.clients, locks)
	}
	return w, nil
}

func (w *waiting) close() {
	for _, c := range w.clients {
		c.Close()
	}
	w.clients = nil
	w.servers.Close()
}

// handoverDrain is how long those who wait at the end of a slice may still get their turn.
const handoverDrain = 300 * time.Millisecond

// slice has all waiters take turns for a while.
func (w *waiting) slice(ctx context.Context, q queueing, rampUp, d time.Duration) (turns, error) {
	if w.name == tokenName {
		if err := contestant.Forge(ctx, w.servers[0].Addr(), handoverKey); err != nil {
			return turns{}, err
		}
	}
	waitCtx, leave := context.WithCancel(ctx)
	defer leave()
	var (
		t      turns
		mu     sync.Mutex // guards t.failed and t.first
		stop   atomic.Bool
		all    sync.WaitGroup
		counts = make([]atomic.Int64, q.waiters)
		handed atomic.Int64
		holder atomic.Int64 // the waiter that had the lock last
		inside atomic.Int64 // the waiters that hold the lock
		shared atomic.Int64 // how often they were more than one
	)
	for i := range counts {
		locks := w.clients[i%len(w.clients)]
		all.Go(func() {
			for !stop.Load() {
				release, err := locks.Acquire(waitCtx, handoverKey)
				if err == nil {
					if inside.Add(1) > 1 {
						shared.Add(1)
					}
					if !stop.Load() {
						time.Sleep(handoverHold)
						counts[i].Add(1)
						if holder.Swap(int64(i)) != int64(i) || q.waiters == 1 { // who is alone gives to itself
							handed.Add(1)
						}
					}
					inside.Add(-1)
					err = release(context.WithoutCancel(waitCtx))
				}
				if err != nil && waitCtx.Err() == nil && !stop.Load() {
					mu.Lock()
					t.failed++
					if t.first == nil {
						t.first = err
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	type state struct {
		turns  []int64
		handed int64
		asked  redisserver.Count
		at     time.Time
	}
	look := func() (s state, err error) {
		s.asked, err = w.servers.Count(ctx)
		s.at, s.handed = time.Now(), handed.Load()
		for i := range counts {
			s.turns = append(s.turns, counts[i].Load())
		}
		return s, err
	}
	contest.Pause(ctx, rampUp+d/5)
	before, err := look()
	var after state
	if err == nil {
		contest.Pause(ctx, d)
		after, err = look()
	}
	stop.Store(true)
	// Who waits still gets its turn and gives it back at once, or leaves when its context ends.
	timer := time.AfterFunc(handoverDrain, leave)
	defer timer.Stop()
	all.Wait()
	if err != nil {
		return turns{}, err
	}
	t.overlaps = shared.Load()
	var total int64
	t.fewest = math.MaxInt
	for i := range after.turns {
		n := int(after.turns[i] - before.turns[i])
		total += int64(n)
		t.most, t.fewest = max(t.most, n), min(t.fewest, n)
		if n == 0 {
			t.starved++
		}
	}
	took := after.at.Sub(before.at).Seconds()
	t.perSecond, t.handed = float64(total)/took, float64(after.handed-before.handed)/took
	t.commands = float64(after.asked.Since(before.asked, q.nodes).Total()) / float64(q.nodes) / float64(max(total, 1))
	return t, nil
}

// overlaps is how often the lock was held twice, over all rounds.
func overlaps(o contest.Outcome[turns]) (n int) {
	for _, s := range o.Slices {
		n += int(s.overlaps)
	}
	return n
}

// spread is the fewest and most turns of a waiter in the round where they lay farthest apart, and the most waiters that
// starved in a round.
func spread(o contest.Outcome[turns]) (fewest, most, starved int) {
	worst := -1.0
	for _, s := range o.Slices {
		if apart := float64(s.most) / float64(s.fewest); apart > worst {
			worst, fewest, most = apart, s.fewest, s.most
		}
		starved = max(starved, s.starved)
	}
	return fewest, most, starved
}
