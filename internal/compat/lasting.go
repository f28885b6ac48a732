package compat

import (
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// lasting reports locks on which a holder may rely for a shorter time. Each version counts with its own settings, so both
// go on excluding each other.
func (c *comparison) lasting(p pair) {
	before, after := p.before, p.after
	expiration := []string{"expiration", "expiration_in_seconds"}
	switch {
	case after.Expiration < before.Expiration:
		hint := "see that no outage lasts as long, and no work under a lock of AcquireLock without WithRenewal"
		if !after.Renew {
			hint = "see that no work takes longer, or write renew: true"
		}
		c.warns(p, "expiration-shorter", fmt.Sprintf("a lock expires after %s instead of %s", span(after.Expiration), span(before.Expiration)),
			hint, "expiration "+span(before.Expiration), expiration...)
	case validity(after) < validity(before):
		c.warns(p, "validity-shorter", fmt.Sprintf("a lock is valid for %s instead of %s", span(validity(after)), span(validity(before))),
			"see that no work under a lock that isn't renewed takes longer", fmt.Sprintf("drift_factor %v", before.DriftFactor), "drift_factor")
	}
	if after.DriftFactor < before.DriftFactor {
		c.warns(p, "drift-smaller", fmt.Sprintf("drift_factor %v instead of %v leaves less of a margin for clocks of different speeds",
			after.DriftFactor, before.DriftFactor), "see that no clock is off by as much", fmt.Sprintf("drift_factor %v", before.DriftFactor),
			"drift_factor")
	}
	if before.Renew && !after.Renew {
		c.warns(p, "renew-off", fmt.Sprintf("Synchronize does not renew: work that takes longer than %s loses its lock", span(validity(after))),
			"see that none does, or give it a longer expiration", "renew true", "renew")
	}
	if after.MaxHold > 0 && (before.MaxHold == 0 || after.MaxHold < before.MaxHold) {
		was, label := "", "no max_hold"
		if before.MaxHold > 0 {
			was, label = " instead of "+span(before.MaxHold), "max_hold "+span(before.MaxHold)
		}
		c.warns(p, "max-hold-shorter", fmt.Sprintf("renewal ends after %s%s: work that takes longer loses its lock", span(after.MaxHold), was),
			"see that none does", label, "max_hold")
	}
}

// validity is for how long a holder may rely on a lock that is acquired in no time.
func validity(m *definition.Mutex) time.Duration {
	return m.Expiration - time.Duration(float64(m.Expiration)*m.DriftFactor) - 2*time.Millisecond
}
