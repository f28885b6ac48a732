// Package mutextest is Redis for the tests of an application that holds generated mutexes: embedded, so that no server
// has to be installed, and with faults to switch on. Expirations pass with real time.
//
// A test runs a Redis, or a quorum of them, and hands Open its Option, which sends every mutex there, whatever
// mutexes.yaml says:
//
//	func TestReportIsBuiltOnce(t *testing.T) {
//		redis := mutextest.RunQuorum(t, 3)
//		locks, err := locks.Open(redis.Option())
//		...
//	}
//
// Then it does to Redis what the application should withstand: Stop, Pause, Restart, RestartEmpty, Expire, Replicas.
//
// A Redis that has just been started votes at once, also where mutexes.yaml says restart_guard: on: it is as one that has
// run for long. After Restart and RestartEmpty it is in quarantine, as in life.
package mutextest

import "testing"

// Run starts an embedded Redis that ends with the test.
func Run(t testing.TB) *Redis {
	t.Helper()
	r, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	reportTo(t, r)
	t.Cleanup(r.Close)
	return r
}

// RunQuorum starts n embedded Redis, where n is odd, that end with the test.
func RunQuorum(t testing.TB, n int) *Quorum {
	t.Helper()
	q, err := StartQuorum(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range q.nodes {
		reportTo(t, node)
	}
	t.Cleanup(q.Close)
	return q
}

func reportTo(t testing.TB, r *Redis) {
	r.report = func(err error) { t.Error(err) }
}
