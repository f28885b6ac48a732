package templates

import (
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestAKeyedMutexTakesItsParametersBehindTheContext(t *testing.T) {
	mustContain(t, render(t, transfer()),
		`type AccountTransfer struct { opened *mutex.Opened }`,
		`type AccountTransferLock = mutex.Lock[AccountTransfer]`,
		`func (m AccountTransfer) For(accountID int64) mutex.Mutex[AccountTransfer] {
			return mutex.At[AccountTransfer](m.opened, mutex.NewKey("account:").Int64("account_id", accountID).Text(":transfer")) }`,
		`func (m AccountTransfer) Key(accountID int64) (string, error) { return m.For(accountID).Key() }`,
		`func (m AccountTransfer) Synchronize(ctx context.Context, accountID int64, fn func(ctx context.Context) error, options ...mutex.AcquireOption) error {
			return m.For(accountID).Synchronize(ctx, fn, options...) }`,
		`func (m AccountTransfer) AcquireLock(ctx context.Context, accountID int64, options ...mutex.AcquireOption) (*AccountTransferLock, error) {
			return m.For(accountID).AcquireLock(ctx, options...) }`,
		`func (m AccountTransfer) ReleaseLock(ctx context.Context, lock *AccountTransferLock) error { return mutex.ReleaseLock(ctx, lock) }`,
		`func (m AccountTransfer) ExtendLock(ctx context.Context, lock *AccountTransferLock, expiration time.Duration) error {
			return mutex.ExtendLock(ctx, lock, expiration) }`,
		`func (m AccountTransfer) ExistsLock(ctx context.Context, accountID int64) (bool, error) { return m.For(accountID).ExistsLock(ctx) }`)
}

func TestNeighboursOfOneTypeShareIt(t *testing.T) {
	code := render(t, keyedBy(
		definition.Parameter{Name: "a", GoName: "a", Type: "string"}, definition.Parameter{Name: "b", GoName: "b", Type: "string"},
		definition.Parameter{Name: "c", GoName: "c", Type: "int"}, imported("d", "net/netip", "Addr"), imported("e", "net/netip", "Addr"),
		definition.Parameter{Name: "f", GoName: "f", Type: "bool"},
	))
	mustContain(t, code,
		"For(a, b string, c int, d, e netip.Addr, f bool) mutex.Mutex[AccountTransfer]",
		"Synchronize(ctx context.Context, a, b string, c int, d, e netip.Addr, f bool, fn func(ctx context.Context) error, options",
		"ExistsLock(ctx context.Context, a, b string, c int, d, e netip.Addr, f bool) (bool, error)",
		"return m.For(a, b, c, d, e, f).ExistsLock(ctx)",
		"// For binds a, b, c, d, e and f:")
}

func TestTheDocOfKeySaysWhenThereIsAnError(t *testing.T) {
	mustContain(t, render(t, transfer()), "Its error is always nil")
	mustContain(t, render(t, keyedBy(definition.Parameter{Name: "a", GoName: "a", Type: "string"})), "It is an error if a text in it is empty.")
}
