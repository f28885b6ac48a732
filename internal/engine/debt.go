package engine

import (
	"slices"
	"time"
)

// debt is a release that a node has still to carry out: one that it didn't answer, or one that it carried out although
// a question sent earlier may yet arrive and set the key. A debt is tried as soon as the node is back, then with growing
// pauses, until the node has deleted the key, for good, or the key must have expired by itself.
//
// Deleting late or twice does no harm: it deletes this attempt's own owner value or nothing.
type debt struct {
	lane     *lane
	question *question
	until    time.Time
	// lasting says that the key may come back after it was deleted; once, that any answer settles the debt, also that the
	// key is not there.
	lasting, once bool
	// What follows is guarded by the lane's mu.
	pause time.Duration
	next  time.Time
	asked bool // a release is on its way
	paid  bool // the node deleted the key
}

// owe records a release that this node owes, for as long as the key may live. A lasting one isn't settled by deleting the
// key once.
func (l *lane) owe(q *question, life time.Duration, lasting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now := time.Now()
	l.owed = append(l.owed, &debt{
		lane: l, question: q, until: now.Add(life), lasting: lasting, pause: l.reconnection, next: now.Add(l.reconnection),
	})
	l.wakeIn(l.reconnection)
}

// settleAll asks for every debt, due or not: the node has just come back. l.mu is held.
func (l *lane) settleAll() {
	now := time.Now()
	for _, d := range l.owed {
		d.pause, d.next = l.reconnection, now
	}
	l.settle()
}

// settleNow asks for every debt: a connection broke, and the node answers on another.
func (l *lane) settleNow() {
	if l.recovered != nil {
		l.recovered()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.settleAll()
	}
}

// settle asks for the debts that are due, forgets those that expired and plans the next time. l.mu is held.
func (l *lane) settle() {
	now := time.Now()
	l.forget(now)
	for _, d := range l.owed {
		switch {
		case d.asked:
		case d.next.After(now):
			l.wakeIn(d.next.Sub(now))
		default:
			d.asked = true
			l.queue(&call{question: d.question, asker: d})
		}
	}
}

// forget strikes off the debts that are paid or expired. l.mu is held.
func (l *lane) forget(now time.Time) {
	l.owed = slices.DeleteFunc(l.owed, func(d *debt) bool { return d.paid || !d.asked && !now.Before(d.until) })
}

func (d *debt) wanted() bool { return true }

// hear strikes the debt off if the node deleted the key, else plans another try.
func (d *debt) hear(_ int, r reply) {
	l := d.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	d.asked = false
	d.paid = r.answer == Granted && !d.lasting || d.once && (r.answer == Gone || r.answer == Taken || r.answer == WrongType)
	d.next = time.Now().Add(d.pause)
	d.pause *= 2
	if l.down == nil {
		l.wakeIn(time.Until(d.next))
	}
}
