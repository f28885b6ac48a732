package definition

import (
	"fmt"
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
		p.warnf(d.at("fencing"), "restart_guard: on keeps such nodes from voting until it is safe; restart_guard: off accepts this. "+
			"Either ends this warning",
			"fencing without restart_guard: when nodes have lost their data, a token may not be larger than all before it")
	}
}

// longQuarantine is how long a fleet may refuse everybody without our saying so.
const longQuarantine = 5 * time.Minute

// guard warns of a quarantine that nobody may have thought of.
func (p *parser) guard(d *draft, own settings) {
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
