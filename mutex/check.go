package mutex

import (
	"context"

	"github.com/mutexgen/mutexgen/internal/checkup"
)

// Report is what Check finds: the facts about each node, and what they mean for the mutexes. It marshals to JSON.
type Report = checkup.Report

// Finding is one thing that Check has to say, with its severity, a code that stays the same from version to version, and a
// hint of what to do.
type Finding = checkup.Finding

// Severity says how much a Finding matters.
type Severity = checkup.Severity

const (
	// SeverityError: locks can't be acquired, or can be held twice.
	SeverityError = checkup.Error
	// SeverityWarning: that is so after a failure that may well happen, or soon.
	SeverityWarning = checkup.Warning
	// SeverityNote: nothing is wrong, or something could not be read, for lack of a right that the mutexes don't need.
	SeverityNote = checkup.Note
)

// Check looks at every node and tells whether the locks on it are safe: whether it can be reached and by whom, in what time
// it answers, whether it is a master, what a restart or a lack of memory would make it forget, how far its clock is off,
// what its user may do, and whether two nodes of a quorum are one server. A mutex works without it; it is for an operator,
// a test of a deployment, or a page that shows the state of a service. The command `mutexgen doctor` prints it.
//
// It asks all nodes at once, on connections of its own, and no longer than until the end of ctx, or for ten seconds; a node
// that has not answered by then is reported so, with what was found out before. It takes no lock and writes nothing.
//
// Report.Healthy tells whether there is no error among the findings. There is no password in the report.
func (s *Set) Check(ctx context.Context) *Report {
	var mutexes []checkup.Mutex
	if s != nil {
		for _, o := range s.opened {
			mutexes = append(mutexes, checkup.Mutex{Engine: o.engine, Key: o.definition.Key})
		}
	}
	return checkup.Run(ctx, mutexes)
}
