package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

const onThree = `version: 1
defaults:
  expiration: 1m
mutexes:
  - name: Report
    servers: ["${A}", "${B}", "${C}"]
    key: report:nightly
  - name: Account
    servers: ["${A}", "${B}", "${C}"]
    key: account:{id:int64}:{what:string}
    fencing: true
    restart_guard: off
  - name: Switch
    url: ${A}
    key: switch:{on:bool}:{n:uint64}:{id:github.com/google/uuid.UUID}
`

// onServers is a sandbox with those definitions on three servers.
func onServers(t *testing.T) (*sandbox, []*redistest.Server) {
	t.Helper()
	servers := redistest.StartN(t, 3)
	s := newSandbox(t, onThree)
	s.variables = map[string]string{"A": servers[0].URL(), "B": servers[1].URL(), "C": servers[2].URL()}
	return s, servers
}

// held runs mutexgen status and returns what it answers, and its exit code.
func (s *sandbox) held(args ...string) (answer, int) {
	s.t.Helper()
	code := s.run(append([]string{"status", "-format", "json"}, args...)...)
	var a answer
	if err := json.Unmarshal(s.stdout.Bytes(), &a); err != nil {
		s.t.Fatalf("exit code %d, %v\n%s%s", code, err, &s.stdout, &s.stderr)
	}
	return a, code
}

// printed runs mutexgen status and expects to see texts, and others not.
func (s *sandbox) printed(args []string, wanted, unwanted []string) {
	s.t.Helper()
	if code := s.run(append([]string{"status"}, args...)...); code != 0 || s.stderr.Len() > 0 {
		s.t.Errorf("mutexgen status %q: exit code %d\n%s", args, code, &s.stderr)
	}
	for _, want := range wanted {
		if !strings.Contains(s.stdout.String(), want) {
			s.t.Errorf("mutexgen status %q does not say %q:\n%s", args, want, &s.stdout)
		}
	}
	for _, bad := range unwanted {
		if strings.Contains(s.stdout.String(), bad) {
			s.t.Errorf("mutexgen status %q says %q:\n%s", args, bad, &s.stdout)
		}
	}
}

type account struct{}

func TestStatusTellsWhoHoldsALock(t *testing.T) {
	s, servers := onServers(t)
	s.printed(nil, []string{"Report  report:nightly  free", "3 of 3", "Account: mutexgen status Account <id:int64> <what:string>, or -scan 100"}, []string{"HOLDER"})
	s.printed([]string{"Account", "7", "x y"}, []string{"account:7:x y", "free", servers[2].Addr()}, nil)

	set, err := mutex.OpenSet([]mutex.Definition{{Name: "Account", Servers: []string{servers[0].URL(), servers[1].URL(), servers[2].URL()}, Key: "{k:string}",
		Expiration: time.Minute, NodeTimeout: time.Second, PoolSize: 1, ReconnectionInterval: time.Second, Fencing: true, FencingMemory: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	lock, err := mutex.At[account](set.Opened("Account"), mutex.NewKey("account:-7:x")).AcquireLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the lock, which has a quorum, is at every server", func() bool {
		return !slices.ContainsFunc(servers, func(s *redistest.Server) bool { return s.Get("account:-7:x") == "" })
	})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	holder := fmt.Sprintf("%s, process %d", host, os.Getpid())
	token := fmt.Sprint(lock.Token())
	s.printed([]string{"Account", "-7", "x"}, []string{"held", holder, "3 of 3", token, "TOKEN"}, []string{"WAITING", "another library"})
	a, code := s.held("Account", "-7", "x")
	if one := a.Mutexes[0]; code != 0 || one.State != "held" || one.Token != lock.Token() || one.Remaining < 50*time.Second || one.Remaining > time.Minute || len(one.Votes) != 3 {
		t.Errorf("%+v", a)
	}

	// Somebody waits: he is counted.
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		_, err := mutex.At[account](set.Opened("Account"), mutex.NewKey("account:-7:x")).AcquireLock(ctx, mutex.WithWait(mutex.Forever))
		if err == nil {
			t.Error("a lock that is held was acquired")
		}
	})
	waitUntil(t, "the waiter is counted", func() bool {
		a, _ := s.held("Account", "--", "-7", "x")
		return a.Mutexes[0].Waiters == 1
	})
	cancel()
	waiting.Wait()

	// One server lost it, on another stands something else: still a majority, or not any more.
	servers[0].Flush()
	s.printed([]string{"Account", "-7", "x"}, []string{"held", "2 of 3", "free"}, nil)
	servers[1].CLI("SET", "account:-7:x", "theirs", "PX", "30000")
	s.printed([]string{"Account", "-7", "x"}, []string{"free", "other", "another library (theirs)", holder}, nil)
	servers[1].Kill()
	if a, code := s.held("Account", "-7", "x"); code != 1 || a.Mutexes[0].State != "unknown" {
		t.Errorf("exit code %d, %+v", code, a)
	}
	if code := s.run("status", "Account", "-7", "x"); code != 1 || !strings.Contains(s.stdout.String(), "unreachable") {
		t.Errorf("exit code %d\n%s", code, &s.stdout)
	}
}

func TestStatusFindsKeysThatAreLocked(t *testing.T) {
	s, servers := onServers(t)
	s.printed([]string{"-scan", "10", "Account"}, []string{"no key is locked"}, nil)
	for i := range 30 {
		for _, server := range servers[:2] {
			server.CLI("SET", fmt.Sprintf("account:%d:x", i), "owner", "PX", "60000")
		}
	}
	for _, other := range []string{"account:x:y", "xaccount:1:x", "{account:1:x}:fence", "mutexgen:birth", "account:1"} {
		servers[0].CLI("SET", other, "1")
	}
	a, code := s.held("-scan", "100", "Account")
	if code != 0 || len(a.Mutexes) != 30 || len(a.Keyed) != 0 {
		t.Errorf("exit code %d, %d keys, %+v", code, len(a.Mutexes), a.Keyed)
	}
	if !slices.IsSortedFunc(a.Mutexes, func(a, b mutex.Status) int { return strings.Compare(a.Key, b.Key) }) {
		t.Error("the keys are in no order")
	}
	if a, _ := s.held("-scan", "7"); len(a.Mutexes) != 8 || len(a.Keyed) != 1 || !a.Keyed[0].More {
		t.Errorf("%d keys, %+v", len(a.Mutexes), a.Keyed)
	}
	s.printed([]string{"-scan", "7", "Account"}, []string{"Account: there are more keys"}, []string{"fence", "birth", "account:x:y"})
	servers[2].Kill()
	if a, code := s.held("-scan", "7", "Account"); code != 1 || len(a.Mutexes) != 7 || a.Keyed[0].Error == "" {
		t.Errorf("exit code %d, %+v", code, a.Keyed)
	}
}

func TestStatusTeachesHowToAsk(t *testing.T) {
	s := newSandbox(t, onThree)
	s.variables = map[string]string{"A": "redis://a", "B": "redis://b", "C": "redis://c"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"Acount"}, "there is no mutex \"Acount\" in the definitions\n  hint: did you mean Account?"},
		{[]string{"X"}, "hint: there are: Report, Account, Switch"},
		{[]string{"Account"}, "the key account:{id:int64}:{what:string} takes 2 parameters, and 0 were given\n  hint: call it as: mutexgen status Account <id:int64> <what:string>"},
		{[]string{"Account", "7"}, "2 parameters, and 1 were given"},
		{[]string{"Account", "7", "x", "y"}, "2 parameters, and 3 were given"},
		{[]string{"Account", "seven", "x"}, `id is of type int64, and "seven" is none`},
		{[]string{"Account", "9223372036854775808", "x"}, "id is of type int64"},
		{[]string{"Account", "7", ""}, "key parameter what is empty"},
		{[]string{"Report", "7"}, "takes no parameters, and 1 were given"},
		{[]string{"Switch", "yes", "1", "u"}, `on is of type bool, and "yes" is none`},
		{[]string{"Switch", "true", "-1", "u"}, `n is of type uint64, and "-1" is none`},
		{[]string{"-scan", "0"}, "-scan must be within 1 and 100000"},
		{[]string{"-scan", "5", "Report"}, "-scan goes with a mutex with key parameters"},
		{[]string{"-scan", "5", "Account", "7", "x"}, "-scan goes with"},
		{[]string{"-watch", "1ns"}, "-watch must be at least"},
		{[]string{"-watch", "0s"}, "-watch must be at least"},
		{[]string{"-timeout", "0s"}, "-timeout must be above zero"},
		{[]string{"-config", ""}, "-config needs the path of a file"},
		{[]string{"-frobnicate"}, "flag provided but not defined"},
	} {
		s.refuse(append([]string{"status"}, c.args...), "mutexgen status: ", c.want, "usage: mutexgen status")
	}
	s.variables = nil
	s.refuse([]string{"status"}, "Report: servers[0]: the environment variable A is not set", "looked up in the environment")
	s.refuse([]string{"doctor"}, "Report: servers[0]: the environment variable A is not set", "Report: servers[2]: the environment variable C is not set")
	s.remove("mutexes.yaml")
	s.refuse([]string{"status"}, "there is no file mutexes.yaml")
	s.refuse([]string{"doctor"}, "there is no file mutexes.yaml")
	s.refuse([]string{"doctor", "a.yaml", "b.yaml"}, "there is no file a.yaml", "there is no file b.yaml")
	s.refuse([]string{"doctor", ""}, "the name of a file is empty")
	s.refuse([]string{"doctor", "-timeout", "-1s"}, "-timeout must be above zero")
	s.refuse([]string{"doctor", "-timeout", "soon"}, "invalid value")
}

// TestKeysOfStatusAreThoseOfTheRuntime renders values of each type.
func TestKeysOfStatusAreThoseOfTheRuntime(t *testing.T) {
	s, servers := onServers(t)
	for _, c := range []struct {
		args []string
		key  string
	}{
		{[]string{"Account", "+007", "a b"}, "account:7:a b"},
		{[]string{"Account", "-9223372036854775808", "-x"}, "account:-9223372036854775808:-x"},
		{[]string{"Switch", "false", "18446744073709551615", "u-u"}, "switch:false:18446744073709551615:u-u"},
	} {
		args := []string{c.args[0], "--"}
		a, code := s.held(append(args, c.args[1:]...)...)
		if code != 0 || len(a.Mutexes) != 1 || a.Mutexes[0].Key != c.key {
			t.Errorf("%q: exit code %d, %+v", c.args, code, a)
		}
	}
	if len(servers[0].Keys()) != 0 {
		t.Errorf("it leaves keys behind: %q", servers[0].Keys())
	}
}

func TestHostileValuesDoNotReachTheTerminal(t *testing.T) {
	s, servers := onServers(t)
	for _, value := range []string{
		"\x1b[2J\x1b[31mboo\x07\r\n\x00\x9b1m", strings.Repeat("x", 5<<20), "\u202eevil", "\xff\xfe", "", "\n\n\n", strings.Repeat("a", 27) + " ho\x1bst 1 @abc", "\t\t",
	} {
		for _, server := range servers {
			server.CLI("SET", "report:nightly", value, "PX", "60000")
		}
		s.printed([]string{"Report"}, []string{"held", "another library ("}, []string{"\x1b", "\x07", "\r", "\x00", "\u202e", "\t", "\xff", "\x9b"})
		lines := strings.Split(s.stdout.String(), "\n")
		if len(lines) != 8 {
			t.Errorf("%.40q: %d lines:\n%s", value, len(lines), &s.stdout)
		}
		for _, line := range lines {
			if len(line) > 200 {
				t.Errorf("%.40q: a line of %d bytes", value, len(line))
			}
		}
	}
	for _, server := range servers {
		server.Flush()
		server.CLI("HSET", "report:nightly", "a", "b")
	}
	s.printed([]string{"Report"}, []string{"held", "another library (not a string)", "3 of 3"}, []string{"wrong-type"})
	s.printed([]string{"Account", "1", "\x1b[2J\n"}, []string{`account:1:\x1b[2J\n`}, []string{"\x1b"})
}

// refreshes ends a context after so many writes.
type refreshes struct {
	bytes.Buffer
	left int
	end  context.CancelFunc
}

func (r *refreshes) Write(p []byte) (int, error) {
	if r.left--; r.left == 0 {
		r.end()
	}
	return r.Buffer.Write(p)
}

func TestWatchLooksAgainUntilItIsInterrupted(t *testing.T) {
	s, servers := onServers(t)
	for _, format := range []string{"text", "json"} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &refreshes{left: 3, end: cancel}
		e := environment{dir: s.dir, lookup: func(name string) (string, bool) { return s.variables[name], true }, stdout: out, stderr: &s.stderr, ctx: ctx}
		if code := e.run([]string{"status", "-watch", "10ms", "-format", format, "Report"}); code != 0 {
			t.Errorf("exit code %d\n%s", code, &s.stderr)
		}
		if got := strings.Count(out.String(), "report:nightly"); got < 3 || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%d refreshes:\n%s", got, out)
		}
	}
	// Nor does an outage end it, but the interrupt does, at once.
	servers[0].Pause()
	servers[1].Kill()
	ctx, cancel := context.WithCancel(t.Context())
	out := &refreshes{left: 2, end: cancel}
	e := environment{dir: s.dir, lookup: func(name string) (string, bool) { return s.variables[name], true }, stdout: out, stderr: &s.stderr, ctx: ctx}
	if code := e.run([]string{"status", "-watch", "10ms", "-timeout", "300ms"}); code != 0 || !strings.Contains(out.String(), "unknown") {
		t.Errorf("exit code %d\n%s%s", code, out, &s.stderr)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	e.ctx = ctx
	begin := time.Now()
	if code := e.run([]string{"status", "-watch", "1h", "-timeout", "1m"}); code != 0 || time.Since(begin) > 10*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(begin))
	}
}

func TestANodeThatHangsHidesNothingOfTheOthers(t *testing.T) {
	s, servers := onServers(t)
	for _, server := range servers {
		server.CLI("SET", "report:nightly", "x", "PX", "60000")
		server.CLI("SET", "account:7:open", "x", "PX", "60000")
	}
	s.write("mutexes.yaml", onThree+"  - name: Second\n    servers: [\"${A}\", \"${B}\", \"${C}\"]\n    key: second\n")
	servers[2].Pause()
	a, code := s.held("-timeout", "1500ms", "-scan", "10")
	states := make(map[string]string)
	for _, m := range a.Mutexes {
		states[m.Key] = string(m.State)
	}
	if want := map[string]string{"report:nightly": "held", "second": "free", "account:7:open": "held"}; !maps.Equal(states, want) {
		t.Errorf("the states are %v; want %v", states, want)
	}
	if len(a.Keyed) != 1 || !strings.Contains(a.Keyed[0].Error, "no answer within 7") || code != 1 { // not all keys are known
		t.Errorf("exit code %d, %+v", code, a.Keyed)
	}
	if a, code := s.held("-timeout", "500ms"); code != 0 || len(a.Mutexes) != 2 {
		t.Errorf("exit code %d, %+v", code, a.Mutexes)
	}
}
