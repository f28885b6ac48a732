package templates

import (
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestALiteralMutexHoldsItsKey(t *testing.T) {
	mustContain(t, render(t, nightly()),
		`type NightlyReport struct { mutex mutex.Mutex[NightlyReport] }`,
		`type NightlyReportLock = mutex.Lock[NightlyReport]`,
		`func (m NightlyReport) Key() string { return "report:nightly" }`,
		`func (m NightlyReport) Synchronize(ctx context.Context, fn func(ctx context.Context) error, options ...mutex.AcquireOption) error {
			return m.mutex.Synchronize(ctx, fn, options...) }`,
		`func (m NightlyReport) AcquireLock(ctx context.Context, options ...mutex.AcquireOption) (*NightlyReportLock, error) {
			return m.mutex.AcquireLock(ctx, options...) }`,
		`func (m NightlyReport) ReleaseLock(ctx context.Context, lock *NightlyReportLock) error { return m.mutex.ReleaseLock(ctx, lock) }`,
		`func (m NightlyReport) ExtendLock(ctx context.Context, lock *NightlyReportLock, expiration time.Duration) error {
			return m.mutex.ExtendLock(ctx, lock, expiration) }`,
		`func (m NightlyReport) ExistsLock(ctx context.Context) (bool, error) { return m.mutex.ExistsLock(ctx) }`)
}

func TestALiteralKeyHasItsBracesUnescaped(t *testing.T) {
	m := nightly()
	m.Key = definition.Key{Template: "a{{b}}", Parts: []definition.Part{{Literal: "a{b}"}}}
	mustContain(t, render(t, m), `Key: "a{{b}}",`, `func (m NightlyReport) Key() string { return "a{b}" }`, `mutex.NewKey("a{b}")`)
}
