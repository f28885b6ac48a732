package definition

import (
	"fmt"
	"strings"
	"time"
)

// tokens checks fencing and what belongs to it. A fencing_memory without fencing is an error, for whoever wrote it counts on
// tokens; in the defaults, and in what a merge key brings, it is for whom it suits.
func (p *parser) tokens(d *draft, own settings) {
	if !d.sound("fencing") {
		return
	}
	if s, ok := own["fencing_memory"]; ok && !s.entry.merged && !d.Fencing {
		finding := Finding{Position: s.entry.value.at, Message: "fencing_memory without fencing: the locks have no tokens to remember",
			Hint: "write fencing: true beside it, or remove it"}
		if _, ok := d.in["fencing"]; ok {
			finding.Related = []Related{{Position: d.at("fencing"), Label: "fencing"}}
		}
		p.report(finding)
	}
	if _, decided := d.in["restart_guard"]; d.Fencing && !decided {
		hint := "restart_guard: on keeps such nodes from voting until it is safe; restart_guard: off accepts this. Either ends this warning"
		if d.onRedisCluster() {
			hint = "restart_guard: off accepts this, and ends this warning; replicas keep what a Redis Cluster that fails over would lose"
		}
		p.warnf(d.at("fencing"), hint,
			"fencing without restart_guard: when nodes have lost their data, a token may not be larger than all before it")
	}
}

// longQuarantine is how long a fleet may refuse everybody without our saying so.
const longQuarantine = 5 * time.Minute

// guard warns of a quarantine that nobody may have thought of.
func (p *parser) guard(d *draft, own settings) {
	if d.RestartGuard && d.onRedisCluster() {
		p.guardOfCluster(d, own)
		return
	}
	if !d.RestartGuard || !d.sound("expiration", "expiration_in_seconds", "drift_factor") || d.Quarantine() <= longQuarantine {
		return
	}
	s, ok := own["restart_guard"]
	meant := ok && !s.entry.merged
	finding := Finding{Severity: Warning, Position: d.at("restart_guard"),
		Message: fmt.Sprintf("with restart_guard and an expiration of %v, nodes that restarted or are new don't vote for %v",
			d.Expiration, d.Quarantine().Round(time.Second)),
		Hint: "a shorter expiration does, for renewal makes a lock outlast it"}
	if !d.Renew {
		finding.Hint = "a shorter expiration, with renew: true where the work takes longer"
	}
	for _, field := range []string{"expiration", "expiration_in_seconds"} {
		s, ok := d.in[field]
		if !ok {
			continue
		}
		other := Related{Position: s.entry.value.at, Label: field}
		if _, its := own[field]; its && !meant { // each mutex that the defaults don't suit is a finding of its own
			other, finding.Position = Related{Position: finding.Position, Label: "restart_guard"}, other.Position
		}
		finding.Related = append(finding.Related, other)
	}
	p.report(finding)
}

// guardOfCluster refuses a guard that has no place to keep what it has to remember: the birth key is in one slot, and the locks
// are in all.
func (p *parser) guardOfCluster(d *draft, own settings) {
	finding := Finding{Position: d.at("restart_guard"), Message: "restart_guard: on is not for a Redis Cluster",
		Hint: "write restart_guard: off; a cluster fails over to replicas, which replicas: 1 makes keep each lock"}
	for _, field := range []string{"url", "servers", "cluster"} {
		s, ok := d.in[field]
		if !ok {
			continue
		}
		other := Related{Position: s.entry.value.at, Label: field}
		if _, its := own["restart_guard"]; !its { // each mutex that the defaults don't suit is a finding of its own
			if _, its = own[field]; its {
				other, finding.Position = Related{Position: finding.Position, Label: "restart_guard"}, other.Position
			}
		}
		finding.Related = append(finding.Related, other)
	}
	p.report(finding)
}

// onRedisCluster says whether one of its nodes is a Redis Cluster, as far as the file tells.
func (d *draft) onRedisCluster() bool {
	for _, group := range d.Groups() {
		for _, text := range group {
			e, _ := expand(text)
			if name, _, ok := strings.Cut(e.text, "://"); ok && schemes[strings.ToLower(name)].kind == redisCluster {
				return true
			}
		}
	}
	return false
}

// hastyTimeout is a node_timeout within which replicas may well not answer: the server has to hear from them first.
const hastyTimeout = 10 * time.Millisecond

// replication checks replicas against what they are waited for within.
func (p *parser) replication(d *draft) {
	if d.Replicas == 0 || d.NodeTimeout == 0 || d.NodeTimeout >= hastyTimeout || !d.sound("replicas", "node_timeout") {
		return
	}
	p.report(Finding{Severity: Warning, Position: d.at("node_timeout"),
		Message: fmt.Sprintf("replicas have to acknowledge each lock within the node_timeout, which is %v", d.NodeTimeout),
		Hint:    "give them 10ms at least",
		Related: []Related{{Position: d.at("replicas"), Label: "replicas"}}})
}
