package templates

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestATypesDocTellsWhatIsLockedWhere(t *testing.T) {
	literal := "It locks the key report:nightly on "
	rest := ". A lock expires after 10m unless it is extended; Synchronize extends it while its function runs. Acquiring does not wait for a held lock."
	for _, c := range []struct {
		change func(m *definition.Mutex)
		want   string
	}{
		{func(*definition.Mutex) {}, literal + "one server" + rest},
		{func(m *definition.Mutex) { m.Servers = []string{"a"} }, literal + "one server" + rest},
		{func(m *definition.Mutex) { m.Servers = []string{"a", "b", "c"} }, literal + "a quorum of 3 servers" + rest},
		{func(m *definition.Mutex) { m.Cluster = [][]string{{"a", "b", "c"}} }, literal + "a quorum of 3 servers" + rest},
		{func(m *definition.Mutex) { m.Cluster = [][]string{{"a"}, {"b"}} }, literal + "a quorum of the one of 2 groups of servers that the key picks" + rest},
		{func(m *definition.Mutex) { m.Key.Template = "a\nb" }, `It locks the key "a\nb" on one server` + rest},
		{func(m *definition.Mutex) { m.URL = "rediss+sentinel://:${PW}@s1,s2/orders/1" }, literal + "the master that sentinels watch as orders" + rest},
		{func(m *definition.Mutex) { m.URL = "redis+cluster://${C1},c2" }, literal + "a Redis Cluster" + rest},
		{func(m *definition.Mutex) { m.URL = "${URL:-redis+cluster://c1,c2}" }, literal + "one server" + rest},
		{func(m *definition.Mutex) { m.Doc = "" }, "NightlyReport locks the key report:nightly on one server" + rest},
	} {
		m := nightly()
		c.change(&m)
		if got := describe(&m); !strings.HasSuffix(got, c.want) {
			t.Errorf("the doc is %q, it should end %q", got, c.want)
		}
	}
}

func TestTheDocsSayHowLongAnAcquireWaits(t *testing.T) {
	for want, change := range map[string]func(m *definition.Mutex){
		"does not wait for a held lock":                func(*definition.Mutex) {},
		"waits up to 1m30s for a held lock":            func(m *definition.Mutex) { m.Wait = 90 * time.Second },
		"waits for a held lock until ctx ends":         func(m *definition.Mutex) { m.Wait = definition.Forever },
		"tries once more if the lock is held":          func(m *definition.Mutex) { m.MaxRetry = 1 },
		"tries up to 3 times more if the lock is held": func(m *definition.Mutex) { m.MaxRetry = 3 },
	} {
		m := nightly()
		change(&m)
		if got := waiting(&m); got != want {
			t.Errorf("it says %q, not %q", got, want)
		}
	}
}

func TestTheDocsSayHowLongALockLasts(t *testing.T) {
	for _, c := range []struct {
		renew                          bool
		maxHold                        time.Duration
		describe, synchronize, acquire string
	}{
		{true, 0, "unless it is extended; Synchronize extends it while its function runs. ",
			"holds the lock, which it renews until fn has returned, then", "for 10m, or with [mutex.WithRenewal] until the caller releases it; it"},
		{true, time.Hour, "; Synchronize extends it while its function runs, but holds it for no more than 1h. ",
			"holds the lock, which it renews until fn has returned, but for no more than 1h, then",
			"for 10m, or with [mutex.WithRenewal] until the caller releases it within 1h; it"},
		{false, 0, "; Synchronize does not extend it. ", "holds the lock, for up to 10m, then",
			"for 10m, or with [mutex.WithRenewal] until the caller releases it; it"},
		{false, time.Hour, "; Synchronize does not extend it. ", "holds the lock, for up to 10m, then",
			"for 10m, or with [mutex.WithRenewal] until the caller releases it within 1h; it"},
	} {
		m := nightly()
		m.Renew, m.MaxHold = c.renew, c.maxHold
		for want, got := range map[string]string{c.describe: describe(&m), c.synchronize: synchronizeDoc(&m), c.acquire: acquireDoc(&m)} {
			if !strings.Contains(got, want) {
				t.Errorf("renew %t, max_hold %v: it says %q, not %q", c.renew, c.maxHold, got, want)
			}
		}
	}
}

func TestTheDocsTellOfFencingAndTheRestartGuard(t *testing.T) {
	token := []string{" Each lock has a fencing token.", " The lock's fencing token is [mutex.Token] of that ctx."}
	guard := []string{" A server that restarted has no vote until", "(and [mutex.ErrNodeQuarantined], if some restarted lately)", "from now, which is 10m at most;"}
	for _, fencing := range []bool{false, true} {
		for _, guarded := range []bool{false, true} {
			m := nightly()
			m.Fencing, m.RestartGuard = fencing, guarded
			said := strings.Join([]string{describe(&m), synchronizeDoc(&m), acquireDoc(&m), extendDoc(&m)}, "\n")
			for _, text := range append(token, guard...) {
				want := fencing
				if slices.Contains(guard, text) {
					want = guarded
				}
				if strings.Contains(said, text) != want {
					t.Errorf("fencing %t, guard %t: whether it says %q is wrong:\n%s", fencing, guarded, text, said)
				}
			}
		}
	}
}

func TestTheDocsTellOfReplicas(t *testing.T) {
	for replicas, want := range map[int]string{0: "", 1: " A server's vote counts once a replica of it has acknowledged the lock.",
		2: " A server's vote counts once 2 replicas of it have acknowledged the lock."} {
		m := nightly()
		m.Replicas = replicas
		said := describe(&m)
		if !strings.HasSuffix(said, "does not wait for a held lock."+want) || strings.Contains(acquireDoc(&m), "acknowledged by replicas") != (replicas > 0) {
			t.Errorf("with %d replicas:\n%s\n%s", replicas, said, acquireDoc(&m))
		}
		if code := render(t, m); strings.Contains(code, "Replicas:") != (replicas > 0) {
			t.Errorf("with %d replicas:\n%s", replicas, code)
		}
	}
}

func TestTheDocsNameTheErrors(t *testing.T) {
	code := oneSpaced(strings.ReplaceAll(render(t, nightly()), "//", ""))
	for _, name := range []string{"ErrAlreadyLocked", "ErrNoQuorum", "ErrNotHeld", "ErrLockLost", "ErrClosed"} {
		if !strings.Contains(code, "[mutex."+name+"]") {
			t.Errorf("no doc names mutex.%s", name)
		}
	}
}
