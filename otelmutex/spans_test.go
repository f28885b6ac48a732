package otelmutex_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	nometrics "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/otelmutex"
)

// spanned returns a trace that makes spans and no metrics, and what it made.
func spanned(t *testing.T, options ...otelmutex.Option) (*mutex.Trace, *recorder) {
	provider, spans := newSpans()
	options = append(options, otelmutex.WithTracerProvider(provider), otelmutex.WithMeterProvider(nometrics.NewMeterProvider()))
	return newTrace(t, options...), &recorder{t, spans, provider}
}

type recorder struct {
	t        *testing.T
	spans    *tracetest.SpanRecorder
	provider *sdktrace.TracerProvider
}

// named is the one span of that name that ended.
func (r *recorder) named(name string) sdktrace.ReadOnlySpan {
	r.t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, span := range r.spans.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d spans %q ended; want one", len(found), name)
	}
	return found[0]
}

func value(attributes []attribute.KeyValue, key attribute.Key) attribute.Value {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

// events are those of that name.
func events(span sdktrace.ReadOnlySpan, name string) []sdktrace.Event {
	var found []sdktrace.Event
	for _, event := range span.Events() {
		if event.Name == name {
			found = append(found, event)
		}
	}
	return found
}

func nothing(context.Context) error { return nil }

func TestASynchronizeIsASpanOfTheCallers(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	d := definition(server.URL())
	d.Fencing, d.FencingMemory = true, time.Hour
	m := at(open(t, []mutex.Definition{d}, traced), "user:4711")
	tracer := spans.provider.Tracer("application")

	ctx, caller := tracer.Start(t.Context(), "caller")
	var token int64
	err := m.Synchronize(ctx, func(ctx context.Context) error {
		token = mutex.Token(ctx)
		_, inner := tracer.Start(ctx, "inner")
		inner.End()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	caller.End()

	span := spans.named("Synchronize Report")
	if span.Parent().SpanID() != caller.SpanContext().SpanID() || span.SpanContext().TraceID() != caller.SpanContext().TraceID() {
		t.Error("the span is not a child of the caller's")
	}
	if spans.named("inner").Parent().SpanID() != span.SpanContext().SpanID() {
		t.Error("what the function does is not a child of the span")
	}
	for key, want := range map[attribute.Key]attribute.Value{
		"mutex.name":          attribute.StringValue("Report"),
		"mutex.outcome":       attribute.StringValue("acquired"),
		"mutex.attempts":      attribute.IntValue(1),
		"mutex.wait.duration": attribute.Float64Value(0),
		"mutex.token":         attribute.Int64Value(token),
		"mutex.key":           {},
	} {
		if got := value(span.Attributes(), key); got != want {
			t.Errorf("%s is %v; want %v", key, got.String(), want.String())
		}
	}
	if token == 0 {
		t.Error("the lock has no token")
	}
	if span.Status().Code != codes.Unset || len(span.Events()) != 0 {
		t.Errorf("status %v, events %v; want neither", span.Status(), span.Events())
	}
}

func TestASynchronizeThatIsRefusedIsAnError(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	d := definition(server.URL())
	d.Wait = 300 * time.Millisecond // of which the attempts may take a good part
	server.CLI("SET", "user:4711", "another's")
	err := at(open(t, []mutex.Definition{d}, traced), "user:4711").Synchronize(t.Context(), nothing)
	wantError(t, err, mutex.ErrAlreadyLocked)

	span := spans.named("Synchronize Report")
	if outcome := value(span.Attributes(), "mutex.outcome").AsString(); outcome != "already_locked" {
		t.Errorf("the outcome is %q; want already_locked", outcome)
	}
	if waited := value(span.Attributes(), "mutex.wait.duration").AsFloat64(); waited < .03 || waited > 5 {
		t.Errorf("it waited %v s; want some .3 s", waited)
	}
	if len(events(span, "waiting")) != 1 {
		t.Errorf("the events are %v; want that it waits", span.Events())
	}
	wantException(t, span, "already locked")
}

// wantException checks that a span ended in an error with that text, and recorded it.
func wantException(t *testing.T, span sdktrace.ReadOnlySpan, text string) {
	t.Helper()
	if status := span.Status(); status.Code != codes.Error || !strings.Contains(status.Description, text) {
		t.Errorf("the status is %v; want an error with %q", status, text)
	}
	exceptions := events(span, "exception")
	if len(exceptions) != 1 {
		t.Errorf("%d exceptions were recorded; want one", len(exceptions))
		return
	}
	if message := value(exceptions[0].Attributes, "exception.message").AsString(); !strings.Contains(message, text) {
		t.Errorf("the exception is %q; want one with %q", message, text)
	}
	if value(exceptions[0].Attributes, "exception.type").AsString() == "" {
		t.Error("the exception has no type")
	}
}

func TestWhatTheFunctionReturnsIsRecorded(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	err := at(open(t, []mutex.Definition{definition(server.URL())}, traced), "k").Synchronize(t.Context(), func(context.Context) error {
		return errors.New("out of paper")
	})
	if err == nil {
		t.Fatal("no error")
	}
	span := spans.named("Synchronize Report")
	wantException(t, span, "out of paper")
	if outcome := value(span.Attributes(), "mutex.outcome").AsString(); outcome != "acquired" {
		t.Errorf("the outcome is %q; want acquired", outcome)
	}
}

func TestASpanEndsHoweverTheFunctionDoes(t *testing.T) {
	server := redistest.Start(t)
	for name, fn := range map[string]func(context.Context) error{
		"panic":          func(context.Context) error { panic("no way") },
		"runtime.Goexit": func(context.Context) error { runtime.Goexit(); return nil },
	} {
		traced, spans := spanned(t)
		m := at(open(t, []mutex.Definition{definition(server.URL())}, traced), "k")
		var ending sync.WaitGroup
		ending.Go(func() {
			defer func() { _ = recover() }()
			_ = m.Synchronize(t.Context(), fn)
		})
		ending.Wait()
		if spans.spans.Ended() == nil {
			t.Errorf("no span ended after %s", name)
			continue
		}
		wantException(t, spans.named("Synchronize Report"), "panicked or ended its goroutine")
	}
}

// nilError is an error whose method panics on a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestAnErrorThatPanicsDoesNotEndTheProgram(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	m := at(open(t, []mutex.Definition{definition(server.URL())}, traced), "k")
	for _, odd := range []error{(*nilError)(nil), (*mutex.Error)(nil), errors.Join((*mutex.Error)(nil), (*nilError)(nil))} {
		if err := m.Synchronize(t.Context(), func(context.Context) error { return odd }); err == nil {
			t.Error("no error")
		}
	}
	for _, span := range spans.spans.Ended() {
		if span.Status().Code != codes.Error {
			t.Errorf("the status is %v; want an error", span.Status())
		}
	}
	if n := len(spans.spans.Ended()); n != 3 {
		t.Errorf("%d spans ended; want 3", n)
	}
}

func TestALossIsOnTheSpan(t *testing.T) {
	for _, test := range []struct {
		name string
		lose func(server *redistest.Server)
	}{
		{"another's value", func(server *redistest.Server) { server.CLI("SET", "user:4711", "another's") }},
		{"no node", func(server *redistest.Server) { server.Kill() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := redistest.Start(t)
			traced, spans := spanned(t)
			d := definition(server.URL())
			d.Expiration, d.NodeTimeout, d.Renew = 500*time.Millisecond, 100*time.Millisecond, true
			err := at(open(t, []mutex.Definition{d}, traced), "user:4711").Synchronize(t.Context(), func(ctx context.Context) error {
				test.lose(server)
				select {
				case <-ctx.Done():
				case <-time.After(soon):
					return errors.New("the lock is not lost")
				}
				return nil
			})
			wantError(t, err, mutex.ErrLockLost)
			span := spans.named("Synchronize Report")
			wantException(t, span, "lock lost")
			wantLoss(t, span)
		})
	}
}

func wantLoss(t *testing.T, span sdktrace.ReadOnlySpan) {
	t.Helper()
	losses := events(span, "lock lost")
	if len(losses) != 1 {
		t.Fatalf("%d losses are on the span; want one", len(losses))
	}
	if reason := value(losses[0].Attributes, "mutex.reason").AsString(); !strings.Contains(reason, "lock lost") || strings.Contains(reason, "4711") {
		t.Errorf("the reason is %q; want one without the key", reason)
	}
}

func TestALossThatOnlyTheReleaseFindsIsOnTheSpan(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	err := at(open(t, []mutex.Definition{definition(server.URL())}, traced), "user:4711").Synchronize(t.Context(), func(context.Context) error {
		server.Flush()
		return nil
	})
	wantError(t, err, mutex.ErrLockLost)
	span := spans.named("Synchronize Report")
	wantException(t, span, "lock lost")
	wantLoss(t, span)
}

func TestWhatHappensWithinTheFunctionIsAnothers(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	inner := definition(server.URL())
	inner.Name, inner.Key = "Inner", "inner"
	set := open(t, []mutex.Definition{definition(server.URL()), inner}, traced)
	m := at(set, "k")
	server.CLI("SET", "other", "another's")
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		// The same lock, and another key of the same mutex, within.
		_, err := m.AcquireLock(ctx)
		wantError(t, err, mutex.ErrAlreadyLocked)
		_, err = at(set, "other").AcquireLock(ctx)
		wantError(t, err, mutex.ErrAlreadyLocked)
		return mutex.At[report](set.Opened("Inner"), mutex.NewKey("inner")).Synchronize(ctx, nothing)
	})
	if err != nil {
		t.Fatal(err)
	}
	outer := spans.named("Synchronize Report")
	if outcome := value(outer.Attributes(), "mutex.outcome").AsString(); outcome != "acquired" || outer.Status().Code != codes.Unset {
		t.Errorf("the outcome is %q, the status %v; want acquired and no error", outcome, outer.Status())
	}
	if spans.named("Synchronize Inner").Parent().SpanID() != outer.SpanContext().SpanID() {
		t.Error("the inner Synchronize is not a child of the outer")
	}
	if n := len(spans.spans.Ended()); n != 2 {
		t.Errorf("%d spans ended; want one of each Synchronize", n)
	}
}

func TestALossOfAnInnerLockIsNotTheOuters(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	inner := definition(server.URL())
	inner.Name, inner.Key = "Inner", "inner"
	set := open(t, []mutex.Definition{definition(server.URL()), inner}, traced)
	err := at(set, "k").Synchronize(t.Context(), func(ctx context.Context) error {
		return mutex.At[report](set.Opened("Inner"), mutex.NewKey("inner")).Synchronize(ctx, func(context.Context) error {
			server.CLI("DEL", "inner")
			return nil
		})
	})
	wantError(t, err, mutex.ErrLockLost)
	wantLoss(t, spans.named("Synchronize Inner"))
	if losses := events(spans.named("Synchronize Report"), "lock lost"); len(losses) != 0 {
		t.Errorf("the outer span has the losses %v; want none", losses)
	}
}

func TestAnAcquireOutsideOfSynchronizeHasNoSpan(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t)
	m := at(open(t, []mutex.Definition{definition(server.URL())}, traced), "k")
	ctx, caller := spans.provider.Tracer("application").Start(t.Context(), "caller")
	lock, err := m.AcquireLock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	release(t, lock)
	caller.End()
	if span := spans.named("caller"); len(span.Attributes())+len(span.Events()) != 0 || len(spans.spans.Ended()) != 1 {
		t.Errorf("the caller's span has %v and %v; want nothing of ours", span.Attributes(), span.Events())
	}
}

// TestTheKeyIsNowhereUnlessAskedFor looks at everything that is made of errors, waits, losses and their text.
func TestTheKeyIsNowhereUnlessAskedFor(t *testing.T) {
	const key = "user:4711"
	for _, test := range []struct {
		name    string
		options []otelmutex.Option
		shown   bool
	}{{"not asked", nil, false}, {"asked", []otelmutex.Option{otelmutex.WithKeyOnSpans()}, true}} {
		t.Run(test.name, func(t *testing.T) {
			server := redistest.Start(t)
			traced, spans := spanned(t, test.options...)
			counted, metrics := newMetrics(t)
			d := definition(server.URL())
			d.Wait = 30 * time.Millisecond
			set := open(t, []mutex.Definition{d}, traced, counted)
			m := at(set, key)
			_ = m.Synchronize(t.Context(), func(ctx context.Context) error { return m.Synchronize(ctx, nothing) }) // refused, wrapped
			_ = m.Synchronize(t.Context(), func(context.Context) error { server.Flush(); return nil })             // lost
			lock := acquire(t, m)
			_ = mutex.ExtendLock(t.Context(), lock, time.Minute)
			server.Kill()
			_ = mutex.ReleaseLock(t.Context(), lock)
			_ = m.Synchronize(t.Context(), nothing) // no quorum

			shown := 0
			look := func(text string) {
				if strings.Contains(text, key) {
					shown++
					if !test.shown {
						t.Errorf("the key is in %q", text)
					}
				}
			}
			for _, span := range spans.spans.Ended() {
				look(span.Name())
				look(span.Status().Description)
				for _, a := range span.Attributes() {
					look(a.Value.String())
				}
				for _, event := range span.Events() {
					look(event.Name)
					for _, a := range event.Attributes {
						look(a.Value.String())
					}
				}
			}
			if n := len(spans.spans.Ended()); n != 4 {
				t.Errorf("%d spans ended; want 4", n)
			}
			if test.shown && shown < 4 {
				t.Errorf("the key is shown %d times; want it on each span", shown)
			}
			for _, a := range metrics.labels() {
				if strings.Contains(a.Value.String(), key) {
					t.Errorf("the key is in the label %s", a.Key)
				}
			}
			if key := value(spans.spans.Ended()[0].Attributes(), "mutex.key"); (key.AsString() == "user:4711") != test.shown {
				t.Errorf("mutex.key is %q", key.AsString())
			}
		})
	}
}

func TestASpanThatIsNotSampledIsHandedOnAllTheSame(t *testing.T) {
	server := redistest.Start(t)
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()), sdktrace.WithSpanProcessor(spans))
	traced := newTrace(t, otelmutex.WithTracerProvider(provider), otelmutex.WithMeterProvider(nometrics.NewMeterProvider()))
	var inner trace.SpanContext
	err := at(open(t, []mutex.Definition{definition(server.URL())}, traced), "k").Synchronize(t.Context(), func(ctx context.Context) error {
		inner = trace.SpanContextFromContext(ctx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !inner.IsValid() || inner.IsSampled() || len(spans.Started()) != 0 {
		t.Errorf("the function's span is %v, %d are recorded; want one that is not sampled, so that what is called goes by that", inner, len(spans.Started()))
	}
}

func TestSeveralTracesEachHaveTheirSpans(t *testing.T) {
	server := redistest.Start(t)
	first, firstSpans := spanned(t)
	second, secondSpans := spanned(t)
	err := at(open(t, []mutex.Definition{definition(server.URL())}, first, second), "k").Synchronize(t.Context(), nothing)
	if err != nil {
		t.Fatal(err)
	}
	for _, spans := range []*recorder{firstSpans, secondSpans} {
		if outcome := value(spans.named("Synchronize Report").Attributes(), "mutex.outcome").AsString(); outcome != "acquired" {
			t.Errorf("the outcome is %q; want acquired", outcome)
		}
	}
}

func TestSpansOfManyGoroutinesAreKeptApart(t *testing.T) {
	server := redistest.Start(t)
	traced, spans := spanned(t, otelmutex.WithKeyOnSpans())
	d := definition(server.URL())
	d.Wait = mutex.Forever
	set := open(t, []mutex.Definition{d}, traced)
	const workers, rounds = 12, 20
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() {
			for range rounds {
				if err := at(set, string(rune('a'+i%4))).Synchronize(t.Context(), nothing); err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	if n := len(spans.spans.Ended()); n != workers*rounds {
		t.Errorf("%d spans ended; want %d", n, workers*rounds)
	}
	for _, span := range spans.spans.Ended() {
		if value(span.Attributes(), "mutex.outcome").AsString() != "acquired" || value(span.Attributes(), "mutex.attempts").AsInt64() < 1 {
			t.Fatalf("a span has the attributes %v; want an acquire's", span.Attributes())
		}
	}
}
