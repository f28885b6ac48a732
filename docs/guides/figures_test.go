package guides

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

var update = flag.Bool("update", false, "write the tables of guarantees.md that are reckoned")

// settings are what the figures of a lock follow from.
type settings struct {
	expiration, nodeTimeout, reconnection time.Duration
}

// standard are those of a definition that names its expiration only.
func standard(expiration time.Duration) settings {
	return settings{expiration, engine.DefaultNodeTimeout(expiration), time.Second}
}

const driftFactor = 0.01

func (s settings) drift() time.Duration {
	return time.Duration(float64(s.expiration)*driftFactor) + 2*time.Millisecond
}

// valid is how long a lock is valid at least when its acquire returns, without fencing, which may ask a second time.
func (s settings) valid() time.Duration { return s.expiration - s.drift() - s.nodeTimeout }

// interval is the longest time between two renewals, and retry that between two attempts of one that failed.
func (s settings) interval() time.Duration { return s.expiration / 3 }
func (s settings) retry() time.Duration    { return s.expiration / 20 }

// greeting is what reaching a node again may take at most, when nobody answers.
func (s settings) greeting() time.Duration { return max(s.nodeTimeout, time.Second) }

// survives is how long a majority may fail without a renewed lock being lost, at the worst moment, just before a renewal: what
// remains of the validity, less the time until the nodes are known to be back and one renewal has succeeded.
func (s settings) survives() time.Duration {
	left := s.expiration - s.drift() - s.interval()
	return left - s.greeting() - s.reconnection - s.retry() - s.nodeTimeout
}

// quarantine is how long a node that came back has no vote.
func (s settings) quarantine(fencing bool) time.Duration {
	return engine.Settings{Expiration: s.expiration, DriftFactor: driftFactor, Fencing: fencing, RestartGuard: true}.Quarantine()
}

// needed is the shortest expiration, in whole seconds, of which a lock survives an outage of that length.
func needed(outage time.Duration) time.Duration {
	for e := time.Second; ; e += time.Second {
		if standard(e).survives() >= outage {
			return e
		}
	}
}

// tables are the parts of guarantees.md that are reckoned.
func tables() map[string]string {
	var sizes strings.Builder
	sizes.WriteString("| `expiration` | `node_timeout` | drift | valid on return, at least | renewed every | outage that a held lock survives | after a crash others wait | quarantine |\n" +
		"|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, e := range []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour} {
		s := standard(e)
		survives := "none for certain"
		if d := s.survives(); d > 0 {
			survives = short(d)
		}
		fmt.Fprintf(&sizes, "| %s | %s | %s | %s | %s | %s | %s to %s | %s |\n", short(e), short(s.nodeTimeout), short(s.drift()), short(s.valid()),
			short(s.interval()), survives, short(e-s.interval()), short(e), short(roundedUp(s.quarantine(false))))
	}
	var failovers strings.Builder
	failovers.WriteString("| failover, from the last answer to the first | least `expiration` |\n|---:|---:|\n")
	for _, outage := range []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 35 * time.Second, time.Minute} {
		fmt.Fprintf(&failovers, "| %s | %s |\n", short(outage), short(needed(outage)))
	}
	return map[string]string{"sizes": sizes.String(), "failovers": failovers.String()}
}

// short is a duration as one would say it, never longer than it is.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.4g s", math.Floor(float64(d)/1e7)/100)
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d s", d/time.Hour, d%time.Hour/time.Second), " 0 s")
}

// roundedUp makes whole seconds of what is longer than a minute.
func roundedUp(d time.Duration) time.Duration {
	if rest := d % time.Second; d > time.Minute && rest > 0 {
		d += time.Second - rest
	}
	return d
}

// TestFiguresInGuaranteesAreThoseOfTheEngine reckons the tables anew. To write them:
//
//	go test ./docs/guides -run Figures -update
func TestFiguresInGuaranteesAreThoseOfTheEngine(t *testing.T) {
	text := read(t, guarantees)
	for name, table := range tables() {
		begin, end := "<!-- reckoned: "+name+" -->\n\n", "\n<!-- /reckoned -->"
		before, rest, found := strings.Cut(text, begin)
		have, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("%s has no place for the table %s", guarantees, name)
		}
		if *update {
			text = before + begin + table + end + after
		} else if have != table {
			t.Errorf("the table %s should be\n%s\nTo write it: go test ./docs/guides -run Figures -update", name, table)
		}
	}
	if *update {
		if err := os.WriteFile(guarantees, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The formulae that the figures come from, against the engine itself.
func TestALockIsValidForItsExpirationLessItsDrift(t *testing.T) {
	t.Parallel()
	redis := mutextest.Run(t)
	for _, e := range []time.Duration{time.Second, 10 * time.Second, time.Hour} {
		s := standard(e)
		m := opened(t, []string{redis.URL()}, mutex.Definition{Key: fmt.Sprint(e), Expiration: e, NodeTimeout: e / 4})
		before := time.Now()
		lock := acquired(t, m)
		after := time.Now()
		if valid := e - s.drift(); lock.Until().Before(before.Add(valid).Add(-time.Millisecond)) || lock.Until().After(after.Add(valid).Add(time.Millisecond)) {
			t.Errorf("%v: it is valid for %v to %v, not %v", e, lock.Until().Sub(after), lock.Until().Sub(before), valid)
		}
		if s.valid() <= 0 {
			t.Errorf("%v: it may be over when it is returned", e)
		}
	}
}

// At the worst moment: just before the first renewal, which comes after 7/24 of the expiration at the earliest.
func TestAHeldLockSurvivesTheOutageThatTheFiguresSay(t *testing.T) {
	t.Parallel()
	s := settings{expiration: 5 * time.Second, nodeTimeout: 250 * time.Millisecond, reconnection: 100 * time.Millisecond}
	if s.survives() < time.Second {
		t.Fatalf("it survives %v only", s.survives())
	}
	for name, outage := range map[string]struct{ begin, end func(*mutextest.Redis) }{
		"hangs":    {(*mutextest.Redis).Pause, (*mutextest.Redis).Resume},
		"restarts": {(*mutextest.Redis).Stop, func(r *mutextest.Redis) { _ = r.Restart() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := mutextest.Run(t)
			m := opened(t, []string{redis.URL()}, mutex.Definition{
				Key: "k", Expiration: s.expiration, NodeTimeout: s.nodeTimeout, ReconnectionInterval: s.reconnection,
			})
			lock := acquired(t, m, mutex.WithRenewal())
			first := lock.Until()
			time.Sleep(s.expiration*7/24 - 20*time.Millisecond)
			outage.begin(redis)
			time.Sleep(s.survives())
			outage.end(redis)
			select {
			case <-lock.Done():
				t.Errorf("it is lost: %v", lock.Err())
			case <-time.After(time.Until(first) + 100*time.Millisecond): // past the end that it had before the outage
			}
			if err := m.ReleaseLock(t.Context(), lock); err != nil {
				t.Error(err)
			}
		})
	}
}

// And one that lasts beyond the validity ends the lock, at that very moment.
func TestAnOutageBeyondTheValidityEndsTheLock(t *testing.T) {
	t.Parallel()
	redis := mutextest.Run(t)
	s := settings{expiration: time.Second, nodeTimeout: 250 * time.Millisecond}
	m := opened(t, []string{redis.URL()}, mutex.Definition{Key: "k", Expiration: s.expiration, NodeTimeout: s.nodeTimeout})
	lock := acquired(t, m, mutex.WithRenewal())
	redis.Pause()
	defer redis.Resume()
	select {
	case <-lock.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if late := time.Since(lock.Until()); late < -time.Millisecond || late > 5*time.Second {
		t.Errorf("it ends %v after its validity", late)
	}
	if !errors.Is(lock.Err(), mutex.ErrLockLost) {
		t.Errorf("%v; want ErrLockLost", lock.Err())
	}
}

// The page reckons this one in a sentence.
func TestWorkOfAMinuteWithoutRenewalNeedsSoMuch(t *testing.T) {
	t.Parallel()
	work, nodeTimeout := time.Minute, time.Second
	needed := time.Duration(float64(work+nodeTimeout+2*time.Millisecond) / (1 - driftFactor))
	if s := (settings{needed, nodeTimeout, 0}); (s.valid() - work).Abs() > time.Microsecond {
		t.Errorf("with %v it is valid for %v", needed, s.valid())
	}
	if text := fmt.Sprintf("needs %.2f s", needed.Seconds()); !strings.Contains(strings.Join(strings.Fields(read(t, guarantees)), " "), text) {
		t.Errorf("%s doesn't say %q", guarantees, text)
	}
}

func TestTheLeastExpirationIsTheLeast(t *testing.T) {
	t.Parallel()
	for _, outage := range []time.Duration{time.Second, 35 * time.Second, 10 * time.Minute} {
		e := needed(outage)
		if standard(e).survives() < outage || standard(e-time.Second).survives() >= outage {
			t.Errorf("for an outage of %v it is not %v", outage, e)
		}
	}
}
