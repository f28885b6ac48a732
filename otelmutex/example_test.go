package otelmutex_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/mutexgen/mutexgen/examples/mymutex/locks"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/otelmutex"
)

// Metrics for Prometheus, at /metrics.
func ExampleNewTrace_prometheus() {
	exporter, err := prometheus.New()
	if err != nil {
		log.Fatal(err)
	}
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(exporter)))
	trace, err := otelmutex.NewTrace()
	if err != nil {
		log.Fatal(err)
	}
	locks, err := locks.Open(mutex.WithTrace(trace))
	if err != nil {
		log.Fatal(err)
	}
	defer locks.Close()
	http.Handle("/metrics", promhttp.Handler())
	log.Fatal(http.ListenAndServe(":9464", nil))
}

// The log of what an operator should know.
func Example_log() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	locks, err := locks.Open(mutex.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	defer locks.Close()
}

// Nodes that take their time, one question at a time.
func Example_slowNodes() {
	slow := &mutex.Trace{Vote: func(e mutex.Event) {
		if e.Took > 100*time.Millisecond {
			log.Printf("%s by %s took %v: %v", e.Op, e.Node, e.Took, e.Answer)
		}
	}}
	locks, err := locks.Open(mutex.WithTrace(slow))
	if err != nil {
		log.Fatal(err)
	}
	defer locks.Close()
}

// Metrics and no spans, whatever the global tracer provider is, of a provider that is not the global one.
func ExampleWithTracerProvider_none() {
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	trace, err := otelmutex.NewTrace(otelmutex.WithMeterProvider(provider), otelmutex.WithTracerProvider(noop.NewTracerProvider()))
	if err != nil {
		log.Fatal(err)
	}
	locks, err := locks.Open(mutex.WithTrace(trace))
	if err != nil {
		log.Fatal(err)
	}
	locks.Close()
	_, err = locks.Stock.For("A-1").AcquireLock(context.Background())
	fmt.Println(errors.Is(err, mutex.ErrClosed), trace.Synchronize == nil)
	// Output: true true
}
