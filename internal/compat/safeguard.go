package compat

import (
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// safeguards reports what fencing tokens and restart guards don't promise while both versions run, or after.
func (c *comparison) safeguards(p pair) {
	c.fencing(p)
	c.guard(p)
	c.replicas(p)
}

const rights = "; where Redis users have restricted rights, extend them first (mutexgen acl)"

// replicas reports locks that a failover may forget. Both versions set the same keys, and wait for replicas each by itself.
func (c *comparison) replicas(p pair) {
	before, after := p.before.Replicas, p.after.Replicas
	waits := func(n, other int) string {
		if n == 0 {
			return fmt.Sprintf("waits for no replica instead of %d", other)
		}
		return fmt.Sprintf("waits for %s instead of %d", count(n, "replica", "replicas"), other)
	}
	label := fmt.Sprintf("replicas %d", before)
	switch {
	case after < before:
		c.warns(p, "replicas-fewer", "a lock "+waits(after, before)+": a failover is likelier to forget it",
			"leave it, unless nothing fails over", label, "replicas")
	case after > before:
		c.warns(p, "replicas-more", fmt.Sprintf("a lock of old instances %s: a failover may forget it, until the last of them has stopped. "+
			"New ones get none of a server with fewer than %s", waits(before, after), count(after, "replica", "replicas")),
			"see that each server has more than that"+rights, label, "replicas")
	}
}

func (c *comparison) fencing(p pair) {
	before, after := p.before, p.after
	switch {
	case before.Fencing && !after.Fencing:
		c.breaks(p, "fencing-off", "the token of new instances is 0: what compares tokens refuses them, and what does not compare is "+
			"not protected from old instances that come too late",
			"deploy in two steps: first a version that does without tokens, then fencing: false", "fencing true", "fencing")
	case !before.Fencing && after.Fencing:
		c.warns(p, "fencing-on", "old instances hold the lock without a token, so tokens protect nothing until the last of them has stopped",
			"deploy in two steps: first fencing: true, then a version that relies on tokens"+rights, "fencing false", "fencing")
	case before.Fencing && after.FencingMemory < before.FencingMemory:
		c.warns(p, "fencing-memory-shorter", fmt.Sprintf("the last token of a key that nobody locks is remembered for %s instead of %s; "+
			"from then on tokens rely on the servers' clocks", span(after.FencingMemory), span(before.FencingMemory)),
			"see that the clocks are right to within 2s", "fencing_memory "+span(before.FencingMemory), "fencing_memory")
	}
}

func (c *comparison) guard(p pair) {
	before, after := p.before, p.after
	if before.RestartGuard && !after.RestartGuard {
		c.warns(p, "restart-guard-off", "a server that lost its data votes for new instances at once, and may let a second holder in",
			"leave it on, unless the servers write all to disk before they answer (appendfsync always)", "restart_guard on", "restart_guard")
	}
	if !after.RestartGuard {
		return
	}
	if before.RestartGuard {
		c.quarantines(p)
	} else {
		c.warns(p, "restart-guard-on", "a server that lost its data still votes for old instances at once, so that the guard protects "+
			"nothing until the last of them has stopped", "let no server restart until then", "restart_guard off", "restart_guard")
	}
	if c.newToGuard(after) {
		field, label := "restart_guard", "restart_guard off"
		if before.RestartGuard {
			field, label = "", c.everything(before.Groups())
		}
		fields := []string{field}
		if field == "" {
			fields = placeFields
		}
		c.warns(p, "quarantine", fmt.Sprintf("its servers count as new to the restart guard: new instances get no lock within %s of the first "+
			"attempt", rounded(after.Quarantine())),
			"expect ErrNodeQuarantined until then, and while it lasts let old instances run; where Redis users have restricted rights, extend "+
				"them first (mutexgen acl)", label, fields...)
	}
}

// quarantines reports a version that lets a restarted server vote before the locks of the other have expired.
func (c *comparison) quarantines(p pair) {
	before, after := p.before, p.after
	const text = "a server that restarts votes for %s instances after %s, while a lock of %s one that it has forgotten may still be held"
	var said string
	switch least := min(before.Quarantine(), after.Quarantine()); {
	case after.Quarantine() < before.Forgotten():
		said = fmt.Sprintf(text, "new", rounded(least), "an old")
	case before.Quarantine() < after.Forgotten():
		said = fmt.Sprintf(text, "old", rounded(least), "a new")
	default:
		return
	}
	c.warns(p, "quarantine-differs", said, "let no server restart until the last old instance has stopped", "expiration "+span(before.Expiration),
		"expiration", "expiration_in_seconds")
}

func rounded(d time.Duration) string { return span(d.Round(100 * time.Millisecond)) }

// newToGuard says whether a majority of some group has no birth key yet, as far as the old definitions tell.
func (c *comparison) newToGuard(m *definition.Mutex) bool {
	for _, group := range m.Groups() {
		strange := 0
		for _, text := range group {
			if !c.isGuarded(c.variables.resolve(text, nil)) {
				strange++
			}
		}
		if strange > len(group)/2 {
			return true
		}
	}
	return false
}

func (c *comparison) isGuarded(n node) bool {
	if c.guarded[n] || n.kind == oneServer {
		return c.guarded[n]
	}
	for other := range c.guarded {
		if n.is(other) {
			return true
		}
	}
	return false
}

// underGuard are the nodes on which one of the mutexes has a restart guard.
func (c *comparison) underGuard(mutexes []definition.Mutex) map[node]bool {
	nodes := map[node]bool{}
	for i := range mutexes {
		if !mutexes[i].RestartGuard {
			continue
		}
		for _, group := range mutexes[i].Groups() {
			for _, text := range group {
				nodes[c.variables.resolve(text, nil)] = true
			}
		}
	}
	return nodes
}
