package storm

import (
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
	"github.com/mutexgen/mutexgen/internal/chaos/report"
)

// Kinds are the names of all faults, in the order of the table.
func Kinds() []string {
	var names []string
	for _, f := range fleet.Faults(time.Second) {
		names = append(names, f.Name)
	}
	return append(names, stopsWorker, killsWorker)
}

// FaultTable tells how often each fault befell a node or a process.
func (o *Outcome) FaultTable() string {
	table := &report.Table{Head: []string{"fault", "times:"}}
	for _, name := range Kinds() {
		table.Add(name, o.Faults[name])
	}
	table.Add("all", Sum(o.Faults))
	return table.String()
}

// HoldTable tells what was seen meanwhile.
func (o *Outcome) HoldTable() string {
	table := &report.Table{Head: []string{"seen", "times:"}}
	table.Add("storms", o.Storms)
	for _, name := range Sorted(o.Holds) {
		table.Add("locks held: "+name, o.Holds[name])
	}
	table.Add("locks held", Sum(o.Holds))
	for _, how := range Sorted(o.Ended) {
		table.Add("locks that ended: "+how, o.Ended[how])
	}
	for _, why := range Sorted(o.Refused) {
		table.Add("acquires refused: "+why, o.Refused[why])
	}
	table.Add("tokens checked", o.Tokens)
	table.Add("violations", len(o.Violations))
	return table.String()
}

// UnavailableTable tells for how long nobody got a lock after nodes had restarted without their data.
func (o *Outcome) UnavailableTable() string {
	table := &report.Table{Head: []string{"restarted at once", "mutex", "times:", "p50:", "p99:", "max:"}}
	for _, part := range []struct {
		name  string
		times Times
	}{{"a minority", o.Minority}, {"a majority", o.Majority}} {
		for _, name := range Sorted(part.times) {
			times := part.times[name]
			table.Add(part.name, name, len(times), report.Milliseconds(report.Quantile(0.5, times)),
				report.Milliseconds(report.Quantile(0.99, times)), report.Milliseconds(report.Quantile(1, times)))
		}
	}
	return table.String()
}

func (o *Outcome) String() string {
	return fmt.Sprintf("%s\n%s\n%s", o.FaultTable(), o.HoldTable(), o.UnavailableTable())
}
