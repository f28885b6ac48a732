// Package otelmutex makes OpenTelemetry metrics and spans of what mutexes do:
//
//	trace, err := otelmutex.NewTrace()
//	…
//	locks, err := locks.Open(mutex.WithTrace(trace))
//
// The metrics bear the mutex's name and never its key, of which there may be any number, and which may be personal data.
// docs/observability.md lists them, and has a dashboard and alerts for them.
package otelmutex

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	nometrics "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	nospans "go.opentelemetry.io/otel/trace/noop"

	"github.com/mutexgen/mutexgen/mutex"
)

// scope is the name that the metrics and spans are from.
const scope = "github.com/mutexgen/mutexgen/otelmutex"

// Option is an option of NewTrace.
type Option func(*config)

type config struct {
	meters  metric.MeterProvider
	tracers trace.TracerProvider
	keys    bool
}

// WithMeterProvider has the metrics made by provider instead of the global one (otel.GetMeterProvider). One of package
// go.opentelemetry.io/otel/metric/noop makes none, at no cost. A nil provider changes nothing.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return func(c *config) {
		if provider != nil {
			c.meters = provider
		}
	}
}

// WithTracerProvider has the spans made by provider instead of the global one (otel.GetTracerProvider). One of package
// go.opentelemetry.io/otel/trace/noop makes none, at no cost. A nil provider changes nothing.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return func(c *config) {
		if provider != nil {
			c.tracers = provider
		}
	}
}

// WithKeyOnSpans puts the Redis key on the spans, as the attribute mutex.key, and leaves it in the errors that they
// record. Without this option no span shows it, unless an error of the application's own function does.
func WithKeyOnSpans() Option {
	return func(c *config) { c.keys = true }
}

// NewTrace returns a trace to open mutexes with: several, if need be. It lasts as long as the providers: there is nothing
// to close. The errors are those of the meter that would not make an instrument.
func NewTrace(options ...Option) (*mutex.Trace, error) {
	c := &config{meters: otel.GetMeterProvider(), tracers: otel.GetTracerProvider()}
	for _, option := range options {
		if option != nil {
			option(c)
		}
	}
	t := new(mutex.Trace)
	// Callbacks that nothing would come of are left out, so that the mutexes need not even gather what they are told.
	if _, none := c.meters.(nometrics.MeterProvider); !none {
		if err := measure(t, c.meters.Meter(scope)); err != nil {
			return nil, err
		}
	}
	if _, none := c.tracers.(nospans.TracerProvider); !none {
		t = follow(t, c.tracers.Tracer(scope), c.keys)
	}
	return t, nil
}
