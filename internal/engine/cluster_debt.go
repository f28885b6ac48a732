package engine

import (
	"slices"
	"sync"
	"time"
)

// ledger is the releases that a cluster has still to carry out. They are owed by the cluster, not by a master: whoever
// serves the key's slot by then is asked. See debt for why there are any.
type ledger struct {
	cluster *cluster

	mu    sync.Mutex // guards what follows
	owed  []*clusterDebt
	alarm *time.Timer // nil if nothing is planned
	due   time.Time
	ended bool
}

// clusterDebt is one of those releases. What is not constant is guarded by the ledger's mu.
type clusterDebt struct {
	ledger   *ledger
	question *question
	until    time.Time
	lasting  bool // the key may come back after it was deleted
	once     bool // the key is there now or never
	pause    time.Duration
	next     time.Time
	asked    bool
	paid     bool
}

// firstPause is how long it takes until a debt is asked for at first: a release that overtook the question is made up
// for soon.
const firstPause = 20 * time.Millisecond

// owe records a release. A lasting one isn't settled by deleting the key once; one that is asked for once is settled by any
// answer from whoever has the key, or would have it.
func (d *ledger) owe(q *question, life time.Duration, lasting, once bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return
	}
	now := time.Now()
	d.owed = append(d.owed, &clusterDebt{
		ledger: d, question: q, until: now.Add(life), lasting: lasting, once: once, pause: firstPause, next: now.Add(firstPause),
	})
	d.wakeIn(firstPause)
}

// settleAll asks for every debt, due or not: something has changed for the better.
func (d *ledger) settleAll() {
	d.mu.Lock()
	now := time.Now()
	for _, debt := range d.owed {
		debt.pause, debt.next = firstPause, now
	}
	d.mu.Unlock()
	d.settle()
}

// settle asks for the debts that are due, forgets those that are paid or expired, and plans the next time.
func (d *ledger) settle() {
	now := time.Now()
	var due []*clusterDebt
	d.mu.Lock()
	d.owed = slices.DeleteFunc(d.owed, func(c *clusterDebt) bool { return c.paid || !c.asked && !now.Before(c.until) })
	for _, debt := range d.owed {
		switch {
		case debt.asked || d.ended:
		case debt.next.After(now):
			d.wakeIn(debt.next.Sub(now))
		default:
			debt.asked = true
			due = append(due, debt)
		}
	}
	d.mu.Unlock()
	for _, debt := range due {
		d.cluster.ask(&call{question: debt.question, asker: debt})
	}
}

// wakeIn plans to settle after a time, or sooner if that is planned already. d.mu is held.
func (d *ledger) wakeIn(pause time.Duration) {
	due := time.Now().Add(pause)
	if d.ended || d.alarm != nil && d.due.Before(due) {
		return
	}
	if d.alarm != nil {
		d.alarm.Stop()
	}
	d.due = due
	d.alarm = time.AfterFunc(pause, func() {
		d.mu.Lock()
		d.alarm = nil
		d.mu.Unlock()
		d.settle()
	})
}

// close leaves what is owed to the expiration of the keys.
func (d *ledger) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.alarm != nil {
		d.alarm.Stop()
	}
}

func (c *clusterDebt) wanted() bool { return true }

// hear strikes the debt off if the key was deleted, else plans another try.
func (c *clusterDebt) hear(_ int, r reply) {
	d := c.ledger
	d.mu.Lock()
	defer d.mu.Unlock()
	c.asked = false
	switch r.answer {
	case Granted:
		c.paid = !c.lasting
	case Gone, Taken, WrongType:
		c.paid = c.once && !c.lasting
	}
	c.next = time.Now().Add(c.pause)
	c.pause *= 2
	d.wakeIn(time.Until(c.next))
}
