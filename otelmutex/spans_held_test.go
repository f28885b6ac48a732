package otelmutex

import (
	"context"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mutexgen/mutexgen/mutex"
)

// losses is how many losses each of the spans that ended has.
func losses(recorder *tracetest.SpanRecorder) []int {
	var counts []int
	for _, span := range recorder.Ended() {
		n := 0
		for _, event := range span.Events() {
			if event.Name == "lock lost" {
				n++
			}
		}
		counts = append(counts, n)
	}
	return counts
}

func TestALossIsOnNoSpanWhereTwoMayBeMeant(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	s := newSpans(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer(scope), false)
	event := mutex.Event{Mutex: "Report", Key: "k"}
	lost := event
	lost.Err = mutex.ErrLockLost
	begin := func() func(error) {
		ctx, end := s.synchronize(context.Background(), "Report", "k")
		s.acquired(ctx, event)
		return end
	}

	first, second := begin(), begin() // of two Opens
	s.lost(lost)
	second(&mutex.Error{Op: "synchronize", Mutex: "Report", Key: "k", Causes: []error{mutex.ErrLockLost}}) // which tells
	s.lost(lost)
	s.lost(lost)
	third := begin() // after the first's loss
	s.lost(lost)
	third(nil)
	first(nil)
	s.lost(lost)
	if got := losses(recorder); len(got) != 3 || got[0] != 1 || got[1] != 1 || got[2] != 1 {
		t.Errorf("the spans have %v losses; want one each", got)
	}
	if len(s.held) != 0 {
		t.Errorf("%v are still held; want none", s.held)
	}
}

func TestEventsOutsideOfAnySynchronizeAreNobodys(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	s := newSpans(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer(scope), false)
	ctx, end := s.synchronize(context.Background(), "Report", "k")
	for _, e := range []mutex.Event{{Mutex: "Report", Key: "other"}, {Mutex: "Other", Key: "k"}, {}} {
		s.waiting(ctx, e)
		s.acquired(ctx, e)
		s.lost(e)
	}
	s.waiting(context.Background(), mutex.Event{Mutex: "Report", Key: "k"})
	s.acquired(context.Background(), mutex.Event{Mutex: "Report", Key: "k", Waited: time.Second})
	end(nil)
	span := recorder.Ended()[0]
	if len(span.Attributes()) != 1 || len(span.Events()) != 0 || len(s.held) != 0 {
		t.Errorf("the span has %v and %v; want its name only", span.Attributes(), span.Events())
	}
}
