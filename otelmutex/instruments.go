package otelmutex

import (
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The attributes of the metrics.
const (
	attributeMutex   = attribute.Key("mutex.name")
	attributeOutcome = attribute.Key("mutex.outcome")
	attributeNode    = attribute.Key("mutex.node")
)

// instruments are what the metrics are told to OpenTelemetry by.
type instruments struct {
	acquisitions, releases, renewals, extensions, losses metric.Int64ObservableCounter

	held                    metric.Int64ObservableUpDownCounter
	nodeUp, nodeQuarantined metric.Int64ObservableGauge
	wait, hold              metric.Float64Histogram
}

func newInstruments(meter metric.Meter) (*instruments, error) {
	var errs []error
	counter := func(name, unit, description string) metric.Int64ObservableCounter {
		c, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	gauge := func(name, unit, description string) metric.Int64ObservableGauge {
		g, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return g
	}
	histogram := func(name, description string, boundaries []time.Duration) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(inSeconds(boundaries)...))
		errs = append(errs, err)
		return h
	}
	i := &instruments{
		acquisitions: counter("mutex.acquisitions", "{acquisition}", "Acquires that ended, with a lock or without."),
		releases:     counter("mutex.releases", "{release}", "Releases that ended."),
		renewals:     counter("mutex.renewals", "{renewal}", "Renewals that ended. One that failed is tried again until the lock is lost."),
		extensions:   counter("mutex.extensions", "{extension}", "Extensions by ExtendLock that ended."),
		losses:       counter("mutex.locks.lost", "{lock}", "Locks that ended before they were released, other than by Close."),
		nodeUp:       gauge("mutex.node.up", "{node}", "1 unless the node has stopped answering."),
		nodeQuarantined: gauge("mutex.node.quarantined", "{node}",
			"1 while the node does not vote because it is new, restarted, or its data was deleted."),
		wait: histogram("mutex.wait.duration", "How long acquires waited that had to, in line or between attempts.", waitBoundaries),
		hold: histogram("mutex.hold.duration", "How long locks were held.", holdBoundaries),
	}
	var err error
	i.held, err = meter.Int64ObservableUpDownCounter("mutex.locks.held", metric.WithUnit("{lock}"),
		metric.WithDescription("Locks that this process holds."))
	return i, errors.Join(append(errs, err)...)
}

// observables are those that are asked for their numbers.
func (i *instruments) observables() []metric.Observable {
	return []metric.Observable{
		i.acquisitions, i.releases, i.renewals, i.extensions, i.losses, i.held, i.nodeUp, i.nodeQuarantined,
	}
}
