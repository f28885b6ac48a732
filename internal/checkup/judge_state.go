package checkup

import (
	"fmt"
	"strings"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// This file judges what a server keeps, for how long, and how it tells the time.

func (j *judgement) memory() {
	m := j.server.Memory
	switch {
	case m == nil || m.Policy == "":
	case m.Policy != "noeviction" && m.Max > 0:
		which := "any key"
		if strings.HasPrefix(m.Policy, "volatile") {
			which = "keys that expire, which locks do"
		}
		j.add(Error, "eviction", "set maxmemory-policy noeviction, or give the locks a server of their own", nil,
			"with maxmemory-policy %s the server deletes %s when its memory (%s) is used up: a lock could be held twice", m.Policy, which, bytes(m.Max))
	case m.Policy != "noeviction":
		j.add(Note, "eviction-policy", "set maxmemory-policy noeviction", nil,
			"maxmemory-policy is %s, which would delete locks if maxmemory were set", m.Policy)
	case m.Max > 0 && m.Used > m.Max/10*9 && !strings.HasPrefix(j.server.Write, "OOM"):
		j.add(Warning, "memory-nearly-full", "raise maxmemory, or delete what is not needed", nil,
			"%s of maxmemory %s are used; when it is full, the server refuses locks", bytes(m.Used), bytes(m.Max))
	}
}

// bytes is a size as people write it.
func bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// unguarded are mutexes that a restart of a server harms if it forgets.
func unguarded(r *resident) bool { return !r.RestartGuard }

func (j *judgement) persistence() {
	p := j.server.Persistence
	if p == nil || p.AOF && (p.Fsync == "always" || p.Fsync == "") {
		return
	}
	var longest time.Duration
	for i := range j.node.residents {
		if r := &j.node.residents[i]; unguarded(r) {
			longest = max(longest, r.Expiration)
		}
	}
	forgets, lost := "keeps nothing on disk, so a restart forgets all locks", "all locks"
	switch {
	case p.AOF && p.Fsync == "everysec":
		forgets, lost = "syncs its log to disk once a second, so a crash of its machine forgets locks of up to 2 s before", "the locks of up to 2 s before"
	case p.AOF:
		forgets, lost = "leaves it to the operating system to sync its log, so a crash of its machine forgets locks of half a minute", "the locks of half a minute before"
	case p.Save != "" || !p.SaveKnown:
		forgets, lost = "saves snapshots only, so a restart forgets the locks since the last one", "the locks since its last snapshot"
	}
	const hint = "restart_guard: on keeps a restarted node from voting until they have expired; appendonly yes with appendfsync always forgets none"
	switch up := j.server.Uptime; {
	case up != nil && *up < longest:
		j.add(Warning, "restarted", hint, unguarded,
			"the server restarted %v ago and may have forgotten %s; those of up to %v could still be held, for %v yet", *up, lost, longest, longest-*up)
	case p.AOF:
		j.add(Warning, "fsync", hint, unguarded, "the server %s; for up to %v they could be held twice", forgets, longest)
	default:
		j.add(Warning, "no-persistence", hint, unguarded, "the server %s; for up to %v they could be held twice", forgets, longest)
	}
}

func (j *judgement) clock() {
	c := j.server.Clock
	if c == nil {
		return
	}
	sure := max(c.Offset, -c.Offset) - c.Uncertainty // at least so far
	side := "ahead of"
	if c.Offset < 0 {
		side = "behind"
	}
	off := fmt.Sprintf("the server's clock is %v (± %v) %s this machine's", rounded(max(c.Offset, -c.Offset)), rounded(c.Uncertainty), side)
	fencing := func(r *resident) bool { return r.Fencing }
	plain := func(r *resident) bool { return !r.Fencing }
	const hint = "run NTP on both machines"
	switch {
	case sure > engine.MaxSkew:
		count := len(j.findings)
		j.add(Error, "clock", hint, fencing, "%s: with fencing its votes don't count beyond %v", off, engine.MaxSkew)
		if len(j.findings) == count {
			j.add(Warning, "clock", hint, plain, "%s: one of them is wrong", off)
		}
	case sure > engine.MaxSkew/2:
		j.add(Warning, "clock", hint, fencing, "%s: with fencing its votes don't count beyond %v", off, engine.MaxSkew)
	}
}

// rounded is a time to the digits that count.
func rounded(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(time.Second)
	case d > 100*time.Millisecond:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

func (j *judgement) latency() {
	l := j.server.Latency
	if l == nil {
		return
	}
	const hint = "raise node_timeout (and expiration with it), or bring server and application closer together"
	shortest := j.shortest()
	switch {
	case l.Median > shortest:
		j.add(Error, "latency", hint, func(r *resident) bool { return l.Median > r.timeout },
			"the server takes %v to answer (median), more than the node timeout of %v", rounded(l.Median), shortest)
	case l.Median > shortest/3:
		j.add(Warning, "latency", hint, func(r *resident) bool { return l.Median > r.timeout/3 },
			"the server takes %v to answer (median), more than a third of the node timeout of %v", rounded(l.Median), shortest)
	}
}

func (j *judgement) shortest() time.Duration {
	shortest := engine.MaxExpiration
	for i := range j.node.residents {
		shortest = min(shortest, j.node.residents[i].timeout)
	}
	return shortest
}
