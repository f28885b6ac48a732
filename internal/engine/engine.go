// Package engine is the quorum engine behind every mutex: it asks all nodes of a group at once, counts their votes,
// keeps the time of each lock, and clears up after attempts that failed. It knows nothing of YAML or generated code.
package engine

import (
	"log/slog"
	"sync"
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

	// closing is closed when Close begins: whoever waits for anything leaves.
	closing chan struct{}
	// deferred counts what later has started.
	deferred sync.WaitGroup

	mu sync.Mutex // guards what follows
	// closed refuses every new operation.
	closed bool
	// operations counts those under way; Close waits for quiet, which is closed when the count falls to zero.
	operations int
	quiet      chan struct{}
	nodes      []*Node
}

// New returns an Engine without nodes.
func New(options Options) *Engine {
	e := &Engine{
		logger:  options.Logger,
		clock:   newClock(),
		owners:  newOwners(),
		closing: make(chan struct{}),
	}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	if options.Trace != nil {
		e.trace = *options.Trace
	}
	e.held.clock, e.renewals.clock, e.vigils.clock, e.lines.engine = e.clock, e.clock, e.clock, e
	return e
}

// begin admits an operation, or reports ErrClosed. Each admitted operation calls finish.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.operations++
	return nil
}

func (e *Engine) finish() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.operations--
	if e.operations == 0 && e.quiet != nil {
		close(e.quiet)
		e.quiet = nil
	}
}

// Close ends the engine. Acquires that wait return ErrClosed. Locks still held are lost to their holders at once, but
// their keys stay until they expire: whatever still runs under them stays exclusive until then. Releases under way are
// seen through, within the nodes' own time budgets; then the connections are closed. Releases that a node still owes,
// because it could not be reached, are left to the expiration of their keys. Closing again does nothing.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	var quiet chan struct{}
	if e.operations > 0 {
		quiet = make(chan struct{})
		e.quiet = quiet
	}
	nodes := e.nodes
	e.mu.Unlock()

	close(e.closing)
	e.vigils.close()
	e.renewals.close()
	e.lines.close()
	e.loseAll()
	if quiet != nil {
		<-quiet
		e.loseAll() // what was acquired in the same instant
	}
	var waiting sync.WaitGroup
	for _, node := range nodes {
		waiting.Go(node.listener.close)
		waiting.Go(node.lane.close)
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
