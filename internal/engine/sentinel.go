package engine

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// maxSentinels is how many sentinels of a node are listened to at most.
const maxSentinels = 16

// grace is how long the first to look for the master waits, after a sentinel named one, for others to agree or to differ.
const grace = 100 * time.Millisecond

// sentinels are what the sentinels of a node say about its master, and the way to that. They are listened to from the
// first connection on, one goroutine each, so that whoever dials knows already where, and whoever is connected hears when
// that has changed: a sentinel that hangs, or all of them gone, holds nobody up who has once been told.
//
// go-redis's failover client isn't used. Each of a node's connections would listen for itself, to a single sentinel, which
// may be the one that was cut off from the others together with the old master; the first dial of each would wait for the
// slowest sentinel; and it logs every step to the program's standard error.
type sentinels struct {
	config *Sentinel
	// options are those of a connection to a sentinel, but for the address.
	options redis.Options
	// dial makes a connection to a server.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// limit bounds a dial whose context doesn't, with the search for the master.
	limit time.Duration
	// pause is how long a sentinel that failed is left alone.
	pause time.Duration
	// moved is called, from a sentinel's goroutine, after another server has become the master. Before is the one that was,
	// empty if this is the first that is known.
	moved func(before, master string)

	life     context.Context
	watchers sync.WaitGroup // they end with life

	mu      sync.Mutex // guards what follows, and the sentinels
	closed  bool       // nobody starts to listen any more
	watched []*sentinel
	// others are sentinels of which only others told. They are listened to when none of the watched answers any more.
	others []string
	// master is what most of them say; empty before any said something. moves counts how often that changed.
	master string
	moves  uint64
	// first is when a sentinel first named a master; settled says that the others have had their time since.
	first   time.Time
	settled bool
	// changed is closed, and replaced, whenever something of this changes.
	changed chan struct{}
	// conns are the open connections to the master.
	conns map[*liveConn]struct{}
}

// sentinel is one of them. But for what is made with it, sentinels.mu guards it.
type sentinel struct {
	address string
	// doubted has it asked again.
	doubted chan struct{}
	// heard says that it answered, or failed to, at least once; live, that it answers now; err is why it doesn't.
	heard, live bool
	err         error
	// said is what it last said is the master; at tells which of two sentinels changed its mind later.
	said nomination
	at   uint64
}

// nomination is a master by a sentinel's word. Each failover has an epoch of its own, which grows.
type nomination struct {
	address string
	epoch   uint64
}

func newSentinels(life context.Context, config *Sentinel, server *redis.Options, pause time.Duration) *sentinels {
	s := &sentinels{
		config: config, life: life, limit: server.DialTimeout, pause: max(pause, time.Millisecond), dial: server.Dialer,
		changed: make(chan struct{}), conns: make(map[*liveConn]struct{}),
	}
	s.options = redis.Options{
		Username: config.Username, Password: config.Password, ClientName: server.ClientName, Protocol: 2,
		TLSConfig: server.TLSConfig, DialTimeout: server.DialTimeout, DialerRetries: 1, MaxRetries: -1,
		ReadTimeout: handshakeTimeout, WriteTimeout: handshakeTimeout, ContextTimeoutEnabled: true,
		PoolSize: 1, PipelinePoolSize: -1, ReadBufferSize: 4096, WriteBufferSize: 4096, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	s.options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(ctx, network, address)
		if live, ok := conn.(*liveConn); ok { // so that Close waits for no answer
			stop := context.AfterFunc(life, live.cutOff)
			live.ended = func() { stop() }
		}
		return conn, err
	}
	return s
}

// dialMaster is a dialer that connects to the master, whatever address it is given. The dialer that it stands on makes
// errors connections; so does this.
func (s *sentinels) dialMaster(ctx context.Context, network, _ string) (net.Conn, error) {
	if s.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.limit)
		defer cancel()
	}
	master, err := s.find(ctx)
	if err != nil {
		s.doubt()
		return failedConn{&dialError{err}}, nil
	}
	conn, err := s.dial(ctx, network, master)
	if live, ok := conn.(*liveConn); ok {
		s.adopt(live, master)
	} else {
		s.doubt()
	}
	return conn, err
}

// adopt has a connection left when its server is no longer the master.
func (s *sentinels) adopt(conn *liveConn, server string) {
	conn.ended = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.master != server {
		conn.leave()
		return
	}
	s.conns[conn] = struct{}{}
}

// find is the master's address. It waits for the sentinels only as long as none has named one, or others have still to be
// heard.
func (s *sentinels) find(ctx context.Context) (string, error) {
	for {
		s.mu.Lock()
		s.start()
		s.settle()
		master, settled, changed, hopeless := s.master, s.settled, s.changed, s.hopeless()
		err := s.unknown()
		wait := grace - time.Since(s.first)
		s.mu.Unlock()
		switch {
		case s.life.Err() != nil:
			return "", ErrClosed
		case settled:
			return master, nil
		case hopeless:
			return "", err
		}
		if master == "" {
			wait = time.Hour
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-s.life.Done():
		case <-ctx.Done():
			err.cause = ctx.Err()
			timer.Stop()
			return "", err
		}
		timer.Stop()
	}
}

// settle sees whether enough was heard to go by. s.mu is held.
func (s *sentinels) settle() {
	if s.settled || s.master == "" {
		return
	}
	agree, heard := 0, 0
	for _, one := range s.watched {
		if one.said.address == s.master {
			agree++
		}
		if one.heard {
			heard++
		}
	}
	s.settled = 2*agree > len(s.watched) || heard == len(s.watched) || time.Since(s.first) >= grace
}

// hopeless tells whether nobody is left who might name a master soon. s.mu is held.
func (s *sentinels) hopeless() bool {
	return s.master == "" && !slices.ContainsFunc(s.watched, func(one *sentinel) bool { return !one.heard })
}

// unknown is the error for a master that nobody names. s.mu is held.
func (s *sentinels) unknown() *unknownMasterError {
	e := &unknownMasterError{master: s.config.Master}
	for _, one := range s.watched {
		e.sentinels = append(e.sentinels, one.address)
		e.errs = append(e.errs, one.err)
	}
	return e
}

// hear takes what a sentinel said: which server is the master, and other sentinels; or err.
func (s *sentinels) hear(one *sentinel, said nomination, others []string, err error) {
	s.mu.Lock()
	one.heard, one.live, one.err = true, err == nil, err
	moves, before := s.moves, s.master
	if err == nil {
		for _, address := range others {
			if len(s.others) < maxSentinels && !slices.Contains(s.others, address) {
				s.others = append(s.others, address)
			}
		}
		if s.first.IsZero() {
			s.first = time.Now()
		}
		if said != one.said {
			one.said = said
			s.decide(one)
		}
	} else if !slices.ContainsFunc(s.watched, func(one *sentinel) bool { return one.live }) {
		for _, address := range s.others {
			s.watch(address)
		}
	}
	s.settle()
	close(s.changed)
	s.changed = make(chan struct{})
	moved, master := s.moves != moves, s.master
	s.mu.Unlock()
	if moved {
		s.moved(before, master)
	}
}

// decide goes by the latest failover of which any sentinel tells that answers now: who carries it out tells of it first. If
// that doesn't tell two servers apart, it goes by what most of them say, and then by who was last to change its mind. It
// comes when one says something new, and not when one goes silent: those who are left may be cut off from the rest, together
// with an old master. s.mu is held.
func (s *sentinels) decide(changed *sentinel) {
	changed.at = s.latest() + 1
	type weight struct{ epoch, votes, at uint64 }
	weights := make(map[string]weight)
	for _, one := range s.watched {
		if one.live && one.said.address != "" {
			w := weights[one.said.address]
			weights[one.said.address] = weight{max(w.epoch, one.said.epoch), w.votes + 1, max(w.at, one.at)}
		}
	}
	best := ""
	for address, w := range weights {
		b := weights[best]
		if best == "" || cmp.Or(cmp.Compare(w.epoch, b.epoch), cmp.Compare(w.votes, b.votes), cmp.Compare(w.at, b.at)) > 0 {
			best = address
		}
	}
	if best == s.master {
		return
	}
	s.master = best
	s.moves++
	for conn := range s.conns {
		conn.leave()
		delete(s.conns, conn)
	}
}

func (s *sentinels) latest() uint64 {
	latest := uint64(0)
	for _, one := range s.watched {
		latest = max(latest, one.at)
	}
	return latest
}

// doubt has the sentinels asked again: the master is not where they said, or not a master.
func (s *sentinels) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.watched {
		select {
		case one.doubted <- struct{}{}:
		default:
		}
	}
}

// movements counts how often another server became the master.
func (s *sentinels) movements() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moves
}

// close waits for what ends with life, which the caller has ended.
func (s *sentinels) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.watchers.Wait()
}

// refused is a reply with an error of the server's. One that sentinels named and that is a replica now is left: whoever was
// connected to it stays so otherwise.
func (w *wireSender) refused(r reply) reply {
	if w.sentinels == nil || !hasCode(r.err, "READONLY") {
		return r
	}
	w.sentinels.doubt()
	if conn := w.conn.Load(); conn != nil {
		conn.leave()
	}
	return reply{answer: r.answer, err: &replacedError{r.err}, broken: true}
}

func (w *wireSender) movements() uint64 {
	if w.sentinels == nil {
		return 0
	}
	return w.sentinels.movements()
}
