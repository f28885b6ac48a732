package engine

import (
	"sync"
	"time"
)

// lastReleases are the releases that a master carried out last. Replication is asynchronous, and whoever is made the master
// by hand is so a while before anybody hears of it: the new master may not know of them, and the keys would stay there until
// they expire. So it is asked for them again, which does no harm: it deletes what was released, or nothing.
//
// The methods do nothing on nil, which a node has that no sentinels watch over.
type lastReleases struct {
	mu    sync.Mutex // guards what follows
	moves uint64     // how often another server became the master
	kept  []keptRelease
	// oldest is where the oldest stands in kept, once that is full.
	oldest int
}

type keptRelease struct {
	key, owner string
	at         time.Time
}

const (
	// maxReleases is how many are kept at most.
	maxReleases = 4096
	// releasesKept is how much older than the last one a release may be. A sentinel sees after a second as a rule that the
	// server that it chose is a master now, and clients hear of it right then.
	releasesKept = 3 * time.Second
	// releasesOwed is how long the new master is asked for them if it doesn't answer.
	releasesOwed = time.Minute
)

// movements counts how often another server became the master.
func (r *lastReleases) movements() uint64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moves
}

// note keeps the releases of a batch that was carried out. It was sent when there had been so many movements; if there was
// one since, the releases are returned: it is unknown which master carried them out.
func (r *lastReleases) note(movements uint64, batch []*call) (again []keptRelease) {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, c := range batch {
		if !c.releases() {
			continue
		}
		release := keptRelease{c.question.key, c.question.owner, now}
		switch {
		case r.moves != movements:
			again = append(again, release)
		case len(r.kept) < maxReleases:
			r.kept = append(r.kept, release)
		default:
			r.kept[r.oldest] = release
			r.oldest = (r.oldest + 1) % maxReleases
		}
	}
	return again
}

// releases tells whether the node deleted the owner's value, or put the next owner's in its place.
func (c *call) releases() bool {
	switch c.question.op {
	case release:
		return c.reply.answer == Granted
	case handover:
		return c.reply.answer == Granted || c.reply.unacknowledged
	}
	return false
}

// take returns what the master before carried out last, now that there is another.
func (r *lastReleases) take() []keptRelease {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves++
	kept := r.kept
	last := time.Time{}
	for _, release := range kept {
		if release.at.After(last) {
			last = release.at
		}
	}
	r.kept, r.oldest = nil, 0
	recent := kept[:0]
	for _, release := range kept {
		if last.Sub(release.at) <= releasesKept {
			recent = append(recent, release)
		}
	}
	return recent
}

// masterMoved asks for the last releases again, and probes a node that is down at once: it has another master.
func (l *lane) masterMoved() {
	l.releaseAgain(l.recent.take())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down != nil {
		l.wakeIn(0)
	}
}

// releaseAgain asks for releases that a master before carried out. Any answer settles them.
func (l *lane) releaseAgain(releases []keptRelease) {
	if len(releases) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now := time.Now()
	for _, r := range releases {
		l.owed = append(l.owed, &debt{
			lane: l, question: newQuestion(release, r.key, r.owner, 0), until: now.Add(releasesOwed), once: true,
			pause: l.reconnection, next: now,
		})
	}
	if l.down == nil {
		l.settle()
	}
}
