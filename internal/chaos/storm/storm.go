// Package storm lets faults befall a few servers and the processes that contend for locks on them, and judges what those
// saw.
package storm

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
	"github.com/mutexgen/mutexgen/internal/chaos/history"
	"github.com/mutexgen/mutexgen/internal/chaos/locks"
	"github.com/mutexgen/mutexgen/internal/chaos/worker"
	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/mutex"
)

// Settings are what a storm is made of.
type Settings struct {
	Name  string
	Nodes []fleet.Persistence
	// Mutexes are the names of those that are contended for, on so many Keys each, by so many Workers in each of the
	// Processes.
	Mutexes                  []string
	Processes, Workers, Keys int
	Tenacious                bool
	// Lossy says that nodes may lose their data. Only, if it isn't empty, are the names of the faults that may befall a node.
	// Bursts says that they do so on a majority at once, or nearly, and then not before all have left their quarantine.
	Lossy, Bursts bool
	Only          []string
	// Length is for how long new faults come, Gap and ProcessGap are the mean times between two of a node and of a process
	// (zero: none).
	Length, Gap, ProcessGap time.Duration
	// Expiration and Quarantine are the longest of the mutexes.
	Expiration, Quarantine time.Duration
	// Keep is the folder where the journals are to stay; with the test's end if empty.
	Keep string
}

// of fills in what follows from the mutexes.
func (s Settings) of(all map[string]worker.Contestant) Settings {
	for _, name := range s.Mutexes {
		s.Expiration = max(s.Expiration, all[name].Expiration)
		s.Quarantine = max(s.Quarantine, quarantine(all[name].Definition))
	}
	return s
}

// quarantine is how long a node that lost its data has no vote.
func quarantine(d mutex.Definition) time.Duration {
	return engine.Settings{
		Expiration: d.Expiration, DriftFactor: d.DriftFactor, Fencing: d.Fencing, RestartGuard: d.RestartGuard,
	}.Quarantine()
}

// Storm is one that rages.
type Storm struct {
	Settings
	t         testing.TB
	seed      uint64
	clock     history.Clock
	all       map[string]worker.Contestant
	nodes     []*fleet.Node
	processes []*worker.Process // those that are at work
	started   int               // how many were ever
	past      []*worker.Process // and those that were killed
	deaths    map[int]int64
	dir       string
	outcome   *Outcome
}

// Run has it storm, and returns what came of it. That workers ended wrongly, that one of the processes got no lock when all
// was over, or that keys were left, fails the test; violations are for the caller to judge.
func Run(t testing.TB, s Settings, seed uint64) *Outcome {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	opened, err := locks.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	all := worker.Contestants(opened)
	s = s.of(all)
	events := s.plan(random)
	storm := &Storm{
		Settings: s, t: t, seed: seed, clock: history.NewClock(), all: all, dir: directory(t, s.Keep), deaths: make(map[int]int64),
		nodes: fleet.Start(t, s.Nodes...),
	}
	storm.outcome = NewOutcome()
	began := time.Now()
	for range s.Processes {
		storm.processes = append(storm.processes, storm.start())
	}
	if s.Quarantine > 0 {
		// A fleet that is new is in quarantine: nothing is to be seen before that is over.
		time.Sleep(s.Quarantine + time.Second)
	}
	storm.rage(events)
	storm.calm()
	for _, p := range storm.processes {
		p.End()
	}
	storm.outcome.Lasted = time.Since(began)
	storm.wantNoKeys()
	storm.judge()
	return storm.outcome
}

// directory is a new folder for the journals.
func directory(t testing.TB, keep string) string {
	if keep == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(keep, "storm-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s *Storm) start() *worker.Process {
	s.t.Helper()
	number := s.started
	s.started++
	return worker.Start(s.t, worker.Config{
		Process: number, Workers: s.Workers, Seed: s.seed, URLs: fleet.URLs(s.nodes), Mutexes: s.Mutexes, Keys: s.Keys,
		Tenacious: s.Tenacious, Journal: s.journal(number),
	})
}

func (s *Storm) journal(number int) string {
	return filepath.Join(s.dir, fmt.Sprint("journal-", number))
}

// act is the beginning or the end of an event.
type act struct {
	at time.Duration
	do func()
}

// rage carries the plan out. Acts may be late, since some take their time, but keep their order.
func (s *Storm) rage(events []event) {
	s.t.Helper()
	var acts []act
	for _, e := range events {
		s.outcome.count(e)
		if e.fault == nil {
			acts = append(acts, s.actsOfProcess(e)...)
			continue
		}
		begin, end := func() { s.each(e, e.fault.Begin) }, func() { s.each(e, e.fault.End) }
		acts = append(acts, act{e.at, begin}, act{e.until, end})
	}
	slices.SortStableFunc(acts, func(a, b act) int { return cmp.Compare(a.at, b.at) })
	began := time.Now()
	for _, a := range acts {
		time.Sleep(time.Until(began.Add(a.at)))
		a.do()
	}
}

func (s *Storm) each(e event, do func(*fleet.Node)) {
	for _, i := range e.nodes {
		do(s.nodes[i])
	}
}

func (s *Storm) actsOfProcess(e event) []act {
	if !e.kill {
		return []act{
			{e.at, func() { s.processes[e.process].Stop() }},
			{e.until, func() { s.processes[e.process].Continue() }},
		}
	}
	kill := func() {
		p := s.processes[e.process]
		s.deaths[p.Config.Process] = p.Kill(s.clock)
		s.past = append(s.past, p)
	}
	return []act{{e.at, kill}, {e.until, func() { s.processes[e.process] = s.start() }}}
}

// calm waits until everybody has had a lock, since no fault is left. With restart guards it first restarts a majority of the
// nodes without their data, and then a minority, to see how long there are no locks then.
func (s *Storm) calm() {
	s.t.Helper()
	patience := s.Quarantine + 3*s.Expiration + 3*time.Second
	if s.Tenacious {
		patience += 5 * s.Expiration
	}
	if s.Lossy && s.Quarantine > 0 {
		majority := len(s.nodes)/2 + 1
		s.outcome.Majority.add(s.unavailable(s.nodes[:majority], patience))
		time.Sleep(time.Second) // so that those of the majority have left their quarantine for good
		s.outcome.Minority.add(s.unavailable(s.nodes[majority:], patience))
		return
	}
	from := s.clock.Now()
	s.await(patience, "every process gets a lock", func(records []history.Record) bool {
		lucky := make(map[int]bool)
		for _, r := range records {
			if r.Kind == history.Got && r.Asked >= from {
				lucky[r.Process] = true
			}
		}
		return !slices.ContainsFunc(s.processes, func(p *worker.Process) bool { return !lucky[p.Config.Process] })
	})
}

// unavailable restarts nodes without their data, and returns for each mutex how long it takes from the moment they answer
// until somebody gets a lock.
func (s *Storm) unavailable(nodes []*fleet.Node, patience time.Duration) map[string]time.Duration {
	s.t.Helper()
	for _, n := range nodes {
		n.RestartEmpty()
	}
	up := s.clock.Now()
	times := make(map[string]time.Duration)
	s.await(patience, "locks are granted again", func(records []history.Record) bool {
		for _, r := range records {
			if r.Kind != history.Got || r.At < up {
				continue
			}
			if d, known := times[r.Mutex]; !known || time.Duration(r.At-up) < d {
				times[r.Mutex] = time.Duration(r.At - up)
			}
		}
		return len(times) == len(s.Mutexes)
	})
	return times
}

// await looks at the records of those that are at work until they show what is wanted.
func (s *Storm) await(patience time.Duration, what string, shown func([]history.Record) bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		late := time.Now().After(end)
		var records []history.Record
		for _, p := range s.processes {
			records = append(records, s.records(p.Config.Process)...)
		}
		if shown(records) {
			return
		}
		if late {
			s.t.Errorf("%s: seed %d: not within %v after the last fault: %s", s.Name, s.seed, patience, what)
			return
		}
	}
}

func (s *Storm) records(process int) []history.Record {
	s.t.Helper()
	records, err := history.ReadFile(s.journal(process))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // it may not have come so far
		s.t.Fatal(err)
	}
	return records
}

// wantNoKeys waits until locks that nobody released have expired, and then looks for keys.
func (s *Storm) wantNoKeys() {
	s.t.Helper()
	end := time.Now().Add(s.Expiration + 2*time.Second)
	for _, n := range s.nodes {
		var left []string
		for {
			left = slices.DeleteFunc(n.Server.Keys(), Lasting)
			if len(left) == 0 || time.Now().After(end) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if len(left) > 0 {
			s.t.Errorf("%s: seed %d: keys left on %v: %q", s.Name, s.seed, n, left)
		}
	}
}

// Lasting tells whether a key may stay when all locks are gone: a fencing counter, or the mark of a node's birth.
func Lasting(key string) bool { return strings.HasSuffix(key, ":fence") || key == "mutexgen:birth" }

// judge reads what all processes wrote.
func (s *Storm) judge() {
	s.t.Helper()
	var records []history.Record
	for _, p := range slices.Concat(s.past, s.processes) {
		records = append(records, s.records(p.Config.Process)...)
	}
	holds, err := history.Holds(records, s.deaths)
	if err != nil {
		s.t.Errorf("%s: seed %d: %v", s.Name, s.seed, err)
	}
	s.outcome.judge(records, holds, func(name string) bool { return s.all[name].Fencing })
}
