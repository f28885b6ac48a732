package mutex_test

import (
	"context"
	"encoding/json"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestCheckTellsWhatIsWrongAndWhatIsNot(t *testing.T) {
	servers := redistest.StartN(t, 3, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "hunter2")
	var urls []string
	for _, server := range servers {
		urls = append(urls, strings.Replace(server.URL(), "redis://", "redis://:hunter2@", 1))
	}
	set := open(t, on(urls...))
	report := set.Check(t.Context())
	if !report.Healthy() || len(report.Nodes) != 3 || len(report.Findings) != 0 {
		t.Errorf("%+v", report)
	}
	if s := report.Nodes[0].Servers[0]; s.Role != "master" || s.Version == "" || s.RunID == "" || s.Latency == nil || s.Clock == nil || s.Uptime == nil {
		t.Errorf("%+v", s)
	}
	for _, server := range servers {
		if keys := server.Keys(); len(keys) > 0 {
			t.Errorf("it leaves keys behind: %q", keys)
		}
	}
	servers[1].Kill()
	report = set.Check(t.Context())
	if report.Healthy() || len(report.Findings) != 1 || report.Findings[0].Severity != mutex.SeverityError || report.Findings[0].Node != servers[1].Addr() {
		t.Errorf("%+v", report.Findings)
	}
	text, err := json.Marshal(report)
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("%v %s", err, text)
	}
	var again mutex.Report
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(&again, report) {
		t.Errorf("%v: %+v, not %+v", err, again, report)
	}
	// A check needs no open mutexes, only to know them.
	set.Close()
	if report := set.Check(t.Context()); len(report.Nodes) != 3 {
		t.Errorf("%+v", report)
	}
}

func TestCheckTakesOneNodeOfSeveralMutexesAsOne(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	one, other, elsewhere := on(server.URL()), on(server.URL()), on(server.URL()+"/1")
	other.Name, elsewhere.Name = "Other", "Elsewhere"
	set, err := mutex.OpenSet([]mutex.Definition{one, other, elsewhere})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	report := set.Check(t.Context())
	if len(report.Nodes) != 2 || !reflect.DeepEqual(report.Nodes[0].Mutexes, []string{"Counter", "Other"}) || !report.Healthy() {
		t.Errorf("%+v", report)
	}
}

func TestCheckGoesTheApplicationsOwnWay(t *testing.T) {
	socket := t.TempDir() + "/redis.sock"
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always", "--unixsocket", socket)
	d := on("unix://" + socket)
	set := open(t, d)
	if report := set.Check(t.Context()); !report.Healthy() || len(report.Findings) > 0 || report.Nodes[0].Servers[0].RunID == "" {
		t.Errorf("a socket: %+v", report)
	}
	dial := mutex.WithRedisOptions(func(_ string, o *redis.Options) {
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return net.Dial("tcp", server.Addr()) }
	})
	if report := open(t, on("redis://nowhere.invalid"), dial).Check(t.Context()); !report.Healthy() || len(report.Findings) > 0 {
		t.Errorf("a dialer of one's own: %+v", report)
	}
	end := make(chan struct{})
	stuck := mutex.WithRedisOptions(func(_ string, o *redis.Options) {
		o.Dialer = func(context.Context, string, string) (net.Conn, error) { <-end; return nil, net.ErrClosed }
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	report := open(t, on(server.URL()), stuck).Check(ctx)
	if took := time.Since(begin); took > soon || report.Healthy() || report.Findings[0].Code != "unreachable" {
		t.Errorf("a dialer that never returns: %v, %+v", took, report)
	}
	close(end)
	refused := mutex.WithRedisOptions(func(_ string, o *redis.Options) {
		o.OnConnect = func(context.Context, *redis.Conn) error { panic("no") }
	})
	if report := open(t, on(server.URL()), refused).Check(t.Context()); report.Healthy() {
		t.Errorf("a hook that panics: %+v", report)
	}
}

func TestCheckNeverPanics(t *testing.T) {
	var none *mutex.Set
	var nobody context.Context
	for _, set := range []*mutex.Set{none, {}} {
		if r := set.Check(nobody); r == nil || !r.Healthy() {
			t.Errorf("%+v", r)
		}
		if _, err := set.Status(nobody, "Counter", "x"); err == nil {
			t.Error("there is a mutex")
		}
		if _, _, err := set.Scan(nobody, "Counter", -1); err == nil {
			t.Error("there is a mutex")
		}
		if _, err := set.StatusAt(nobody, mutex.Place{Mutex: "Counter", Key: "x"}); err == nil {
			t.Error("there is a mutex")
		}
		if all, err := set.StatusAt(nobody); err != nil || all == nil || len(all) > 0 {
			t.Errorf("%v, %v", all, err)
		}
	}
}

func TestStatusOfKeys(t *testing.T) {
	servers := redistest.StartN(t, 3)
	set := open(t, on(servers[0].URL(), servers[1].URL(), servers[2].URL()))
	if _, err := set.Status(t.Context(), "Counter"); err == nil || !strings.Contains(err.Error(), "has key parameters") {
		t.Errorf("%v", err)
	}
	if _, err := set.Status(t.Context(), "Nobody", "x"); err == nil {
		t.Error("there is a mutex Nobody")
	}
	acquire(t, at(set, "held"))
	statuses, err := set.Status(t.Context(), "Counter", "held", "free", "")
	if err != nil || len(statuses) != 3 || statuses[0].State != "held" || statuses[0].Holder == nil || statuses[1].State != "free" {
		t.Errorf("%v %+v", err, statuses)
	}
	if left := statuses[0].Remaining; left <= 0 || left > 10*time.Second {
		t.Errorf("%v are left", left)
	}
	for _, limit := range []int{-1, 0, 1, 10} {
		keys, more, err := set.Scan(t.Context(), "Counter", limit)
		if err != nil || len(keys) != min(max(limit, 0), 1) || more != (limit < 1) {
			t.Errorf("%d: %q %v %v", limit, keys, more, err)
		}
	}
	all, err := set.StatusAt(t.Context(), mutex.Place{Mutex: "Counter", Key: "free"}, mutex.Place{Mutex: "Counter", Key: "held"})
	if err != nil || len(all) != 2 || all[0].State != "free" || all[1].State != "held" {
		t.Errorf("%v %+v", err, all)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if statuses, err := set.Status(ended, "Counter", "held"); err != nil || statuses[0].State != "unknown" {
		t.Errorf("%v %+v", err, statuses)
	}
}

func TestStatusAsksTheGroupOfTheKey(t *testing.T) {
	servers := redistest.StartN(t, 3)
	d := on()
	d.Servers, d.Cluster = nil, [][]string{{servers[0].URL()}, {servers[1].URL()}, {servers[2].URL()}}
	set := open(t, d)
	asked := make(map[string]bool)
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		acquire(t, at(set, key))
		statuses, err := set.Status(t.Context(), "Counter", key)
		if err != nil || len(statuses[0].Votes) != 1 || statuses[0].State != "held" {
			t.Errorf("%s: %v %+v", key, err, statuses)
		}
		asked[statuses[0].Votes[0].Node] = true
	}
	if len(asked) < 2 {
		t.Errorf("all keys are in one group: %v", asked)
	}
	keys, more, err := set.Scan(t.Context(), "Counter", 100)
	if len(keys) != 8 || more || err != nil {
		t.Errorf("%q %v %v", keys, more, err)
	}
}
