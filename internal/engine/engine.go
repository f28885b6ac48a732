// Package engine is the quorum engine behind every mutex: it asks all nodes of a group at once, counts their votes,
// keeps the time of each lock, and clears up after attempts that failed. It knows nothing of YAML or generated code.
package engine

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what an Engine is told besides its nodes. The zero value is ready to use.
type Options struct {
	// Logger is told of what an operator should know: locks lost, releases that failed, nodes that went down or came
	// back. Nil logs nothing.
	Logger *slog.Logger
	// Trace is told of what its callbacks are for. Nil traces nothing.
	Trace *Trace
}

// Engine owns the connections to a set of nodes and the locks held over them.
type Engine struct {
	logger   *slog.Logger
	trace    Trace
	clock    *clock
	owners   *owners
	held     registry
	renewals renewals
	lines    lines
	vigils   vigils
	rounds   roundPool
	alarms   alarmPool
	timers   timerPool
	// random is a random number from 0 up to n, which is excluded: a test that is to come out the same again has its own.
	random func(n int64) int64

	// closing is closed when Close begins: whoever waits for anything leaves.
	closing chan struct{}
	// deferred counts what later has started.
	deferred sync.WaitGroup

	// operations counts those under way, and has closedBit once Close has begun. Close waits for quiet, which is closed when
	// the count has fallen to zero after that.
	operations atomic.Int64
	quiet      chan struct{}
	quieten    func()

	mu    sync.Mutex // guards what follows
	nodes []*Node
}

// New returns an Engine without nodes.
func New(options Options) *Engine {
	e := &Engine{
		logger:  options.Logger,
		clock:   newClock(),
		owners:  newOwners(),
		random:  rand.Int64N,
		closing: make(chan struct{}),
		quiet:   make(chan struct{}),
	}
	e.quieten = sync.OnceFunc(func() { close(e.quiet) })
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	if options.Trace != nil {
		e.trace = *options.Trace
	}
	e.held.clock, e.renewals.clock, e.vigils.clock, e.lines.engine = e.clock, e.clock, e.clock, e
	e.held.slept = e.renewals.slept
	return e
}

// closedBit is the one of Engine.operations that refuses new ones.
const closedBit = 1 << 62

// begin admits an operation, or reports ErrClosed. Each admitted operation calls finish.
func (e *Engine) begin() error {
	if e.operations.Add(1)&closedBit != 0 {
		e.finish()
		return ErrClosed
	}
	return nil
}

func (e *Engine) finish() {
	if e.operations.Add(-1) == closedBit {
		e.quieten()
	}
}

// alone tells whether only one operation is under way.
func (e *Engine) alone() bool { return e.operations.Load() == 1 }

// Close ends the engine. Acquires that wait return ErrClosed. Locks still held are lost to their holders at once, but
// their keys stay until they expire: whatever still runs under them stays exclusive until then. Releases under way are
// seen through, within the nodes' own time budgets; then the connections are closed. Releases that a node still owes,
// because it could not be reached, are left to the expiration of their keys. Closing again does nothing.
func (e *Engine) Close() error {
	before := e.operations.Or(closedBit)
	if before&closedBit != 0 {
		return nil
	}
	if before == 0 {
		e.quieten()
	}
	e.mu.Lock()
	nodes := e.nodes
	e.mu.Unlock()

	close(e.closing)
	e.vigils.close()
	e.renewals.close()
	e.lines.close()
	e.loseAll()
	<-e.quiet
	e.loseAll() // what was acquired in the same instant
	var waiting sync.WaitGroup
	for _, node := range nodes {
		waiting.Go(node.listener.close)
		waiting.Go(node.close)
	}
	waiting.Wait()
	e.deferred.Wait()
	return nil
}

func (e *Engine) loseAll() {
	for _, lock := range e.held.all() {
		lock.lose(ErrClosed)
	}
}

// Held lists the locks that this engine holds now, the oldest first.
func (e *Engine) Held() []*Lock {
	return e.held.all()
}

// upTo is a random time below d.
func (e *Engine) upTo(d time.Duration) time.Duration { return time.Duration(e.random(int64(d))) }

// later runs f by itself, for whoever must not wait for it. Close waits for it.
func (e *Engine) later(f func()) { e.deferred.Go(f) }

// timerPool keeps timers for the next one who needs one.
type timerPool struct{ pool sync.Pool }

func (p *timerPool) get(d time.Duration) *time.Timer {
	if timer, ok := p.pool.Get().(*time.Timer); ok {
		timer.Reset(d)
		return timer
	}
	return time.NewTimer(d)
}

func (p *timerPool) put(timer *time.Timer) {
	timer.Stop()
	p.pool.Put(timer)
}
