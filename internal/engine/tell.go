package engine

import (
	"context"
	"log/slog"
)

// watched tells whether anybody wants to hear of something that a callback is for: it is called before what there is to
// tell is put together, so that nobody pays for it who doesn't want it.
func (e *Engine) watched(ctx context.Context, hasCallback bool) bool {
	return hasCallback || e.logger.Enabled(ctx, slog.LevelDebug)
}

// tell logs what happened to a lock, and calls the callback that is for it, if there is one. In production nobody wants
// a line for each lock, so it is for debugging; what an operator should know is logged apart.
func (e *Engine) tell(ctx context.Context, callback func(context.Context, Event), message string, ev Event) {
	if ctx == nil {
		ctx = context.Background() // the caller is being told that it gave none
	}
	if e.logger.Enabled(ctx, slog.LevelDebug) {
		e.logger.LogAttrs(ctx, slog.LevelDebug, message, ev.attributes()...)
	}
	if callback != nil {
		callback(ctx, ev)
	}
}

// tellAlone is tell where no caller has a part in it.
func (e *Engine) tellAlone(callback func(Event), message string, ev Event) {
	var withContext func(context.Context, Event)
	if callback != nil {
		withContext = func(_ context.Context, ev Event) { callback(ev) }
	}
	e.tell(context.Background(), withContext, message, ev)
}

// attributes are what there is to log of an event.
func (ev *Event) attributes() []slog.Attr {
	attributes := make([]slog.Attr, 0, 8)
	attributes = append(attributes, slog.String("mutex", ev.Mutex), slog.String("key", ev.Key))
	if ev.Attempts > 0 {
		attributes = append(attributes, slog.Int("attempts", ev.Attempts))
	}
	if ev.Took > 0 {
		attributes = append(attributes, slog.Duration("took", ev.Took))
	}
	if ev.Waited > 0 {
		attributes = append(attributes, slog.Duration("waited", ev.Waited))
	}
	if ev.Held > 0 {
		attributes = append(attributes, slog.Duration("held", ev.Held))
	}
	if ev.Token > 0 {
		attributes = append(attributes, slog.Int64("token", ev.Token))
	}
	if ev.Err != nil {
		attributes = append(attributes, slog.Any("error", ev.Err))
	}
	return attributes
}
