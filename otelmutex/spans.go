package otelmutex

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/mutexgen/mutexgen/mutex"
)

// The attributes that only spans have, beside those of the metrics.
const (
	attributeKey      = attribute.Key("mutex.key")
	attributeAttempts = attribute.Key("mutex.attempts")
	attributeWait     = attribute.Key("mutex.wait.duration") // in seconds
	attributeHold     = attribute.Key("mutex.hold.duration") // in seconds
	attributeToken    = attribute.Key("mutex.token")
	attributeReason   = attribute.Key("mutex.reason")
)

// spans makes a span of each Synchronize.
type spans struct {
	tracer trace.Tracer
	keys   bool

	mu   sync.Mutex       // guards what follows
	held map[place][]*run // for a loss, which comes without a context; more than one run where two Opens have a mutex of that name
}

// place is what a lock is known by.
type place struct{ mutex, key string }

// run is one Synchronize. It lives in the context that everything in it gets.
type run struct {
	place
	span trace.Span

	mu      sync.Mutex // guards what follows
	settled bool       // its acquire has ended: what comes with its context then is another's
	lost    bool
}

// runKey is that of a context's run. It holds the spans, for there may be several that trace the same mutexes.
type runKey struct{ of *spans }

// follow has the trace's callbacks make spans, beside what they do.
func follow(t *mutex.Trace, tracer trace.Tracer, keys bool) *mutex.Trace {
	s := newSpans(tracer, keys)
	return t.And(&mutex.Trace{Synchronize: s.synchronize, Waiting: s.waiting, Acquired: s.acquired, Refused: s.acquired, Lost: s.lost})
}

func newSpans(tracer trace.Tracer, keys bool) *spans {
	return &spans{tracer: tracer, keys: keys, held: make(map[place][]*run)}
}

func (s *spans) synchronize(ctx context.Context, mutex, key string) (context.Context, func(error)) {
	attributes := []attribute.KeyValue{attributeMutex.String(mutex)}
	if s.keys {
		attributes = append(attributes, attributeKey.String(key))
	}
	ctx, span := s.tracer.Start(ctx, "Synchronize "+mutex, trace.WithAttributes(attributes...))
	if !span.IsRecording() {
		return ctx, func(error) { span.End() }
	}
	r := &run{place: place{mutex, key}, span: span}
	return context.WithValue(ctx, runKey{s}, r), func(err error) { s.end(r, err) }
}

// current is the run that an event of an acquire belongs to; nil if that is one beside it: one within its function, or one
// that is not part of a Synchronize.
func (s *spans) current(ctx context.Context, e mutex.Event) *run {
	r, _ := ctx.Value(runKey{s}).(*run)
	if r == nil || r.place != (place{e.Mutex, e.Key}) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settled {
		return nil
	}
	return r
}

func (s *spans) waiting(ctx context.Context, e mutex.Event) {
	if r := s.current(ctx, e); r != nil {
		r.span.AddEvent("waiting", trace.WithAttributes(attributeAttempts.Int(e.Attempts)))
	}
}

// acquired takes the end of the acquire, with a lock or without.
func (s *spans) acquired(ctx context.Context, e mutex.Event) {
	r := s.current(ctx, e)
	if r == nil {
		return
	}
	r.mu.Lock()
	r.settled = true
	r.mu.Unlock()
	r.span.SetAttributes(
		attributeOutcome.String(acquireOutcomes[acquireOutcome(e.Err)]),
		attributeAttempts.Int(e.Attempts),
		attributeWait.Float64(e.Waited.Seconds()),
	)
	if e.Token != 0 {
		r.span.SetAttributes(attributeToken.Int64(e.Token))
	}
	if e.Err == nil {
		s.mu.Lock()
		s.held[r.place] = append(s.held[r.place], r)
		s.mu.Unlock()
	}
}

// lost takes a loss, which comes without a context. Where several runs may be the one, the errors of their ends tell.
func (s *spans) lost(e mutex.Event) {
	s.mu.Lock()
	var holder *run
	n := 0
	for _, r := range s.held[place{e.Mutex, e.Key}] {
		if !r.isLost() {
			holder = r
			n++
		}
	}
	s.mu.Unlock()
	if n == 1 {
		holder.lose(s.text(e.Err), attributeHold.Float64(e.Held.Seconds()))
	}
}

// end ends the run. Its error is nil unless the acquire failed, the function did or never returned, or the lock was lost.
func (s *spans) end(r *run, err error) {
	s.mu.Lock()
	runs := slices.DeleteFunc(s.held[r.place], func(other *run) bool { return other == r })
	if len(runs) == 0 {
		delete(s.held, r.place)
	} else {
		s.held[r.place] = runs
	}
	s.mu.Unlock()
	defer r.span.End()
	if err == nil {
		return
	}
	if loss := lossOf(err, r.place); loss != nil {
		r.lose(s.text(loss))
	}
	text := s.text(err)
	// As span.RecordError does, but for the text.
	r.span.AddEvent("exception", trace.WithAttributes(
		attribute.String("exception.type", fmt.Sprintf("%T", err)), attribute.String("exception.message", text),
	))
	r.span.SetStatus(codes.Error, text)
}

// lose tells the span that the lock was lost, once.
func (r *run) lose(reason string, attributes ...attribute.KeyValue) {
	r.mu.Lock()
	told := r.lost
	r.lost = true
	r.mu.Unlock()
	if !told {
		r.span.AddEvent("lock lost", trace.WithAttributes(append(attributes, attributeReason.String(reason))...))
	}
}

func (r *run) isLost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

// lossOf is the error within err that says that the lock at that place was lost; nil if none does. What the function
// returned may say so of another lock.
func lossOf(err error, at place) error {
	switch e := err.(type) {
	case *mutex.Error:
		if e != nil && at == (place{e.Mutex, e.Key}) && e.Op == "synchronize" && causesOf(e).has(lockLost) {
			return e
		}
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			if loss := lossOf(part, at); loss != nil {
				return loss
			}
		}
	}
	return nil
}

// text is that of an error, without the keys that errors of package mutex have in theirs, unless keys may be shown.
func (s *spans) text(err error) string {
	text := fmt.Sprint(err) // which outlives an Error method that panics, as that of a nil pointer in err may
	if s.keys {
		return text
	}
	return withoutKeys(text)
}

// withoutKeys takes out what looks like an Error's key: ` (key "…")`. It goes by the text, for whoever wrapped the Error may
// have taken its text and no more.
func withoutKeys(text string) string {
	const before, after = " (key ", ")"
	var kept strings.Builder
	for {
		head, tail, found := strings.Cut(text, before)
		kept.WriteString(head)
		if !found {
			return kept.String()
		}
		quoted, err := strconv.QuotedPrefix(tail)
		rest, closes := strings.CutPrefix(tail[len(quoted):], after)
		if err == nil && closes {
			text = rest
			continue
		}
		kept.WriteString(before)
		text = tail
	}
}
