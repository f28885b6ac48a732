// Package checkup looks at the nodes of a set of mutexes and judges whether locks on them are safe. What is found out is
// facts; what they mean, judge alone says, and it asks no server.
package checkup

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Severity says how much a Finding matters.
type Severity string

const (
	// Error: locks can't be acquired, or can be held twice.
	Error Severity = "error"
	// Warning: that is so after a failure, or soon.
	Warning Severity = "warning"
	// Note: nothing is wrong, or could not be read.
	Note Severity = "note"
)

// Report is what a check of all mutexes of an Open found. It marshals to JSON; there is no password in it.
type Report struct {
	// Nodes are the facts, in the order in which the definitions name the nodes.
	Nodes []Node `json:"nodes"`
	// Findings are what the facts mean, errors first.
	Findings []Finding `json:"findings"`
}

// Healthy tells whether no finding is an error.
func (r *Report) Healthy() bool {
	return r != nil && !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Error })
}

// Finding is one thing to know about the nodes.
type Finding struct {
	Severity Severity `json:"severity"`
	// Code names the kind of finding, in kebab-case. It stays the same from version to version.
	Code string `json:"code"`
	// Node is the node's name, Server the address of one of its servers if it has several.
	Node   string `json:"node"`
	Server string `json:"server,omitempty"`
	// Mutexes are the names of those concerned.
	Mutexes []string `json:"mutexes,omitempty"`
	Message string   `json:"message"`
	// Hint says what to do.
	Hint string `json:"hint,omitempty"`
}

// Node is what there is to know about one node. Nil, zero or empty is what could not be found out.
type Node struct {
	Name string `json:"name"`
	// Kind is server, sentinel or cluster.
	Kind string `json:"kind"`
	// Mutexes are the names of those that live on it.
	Mutexes []string `json:"mutexes"`
	// Servers are the one that would be asked for a lock, or all masters of a cluster.
	Servers   []Server   `json:"servers,omitempty"`
	Sentinels []Sentinel `json:"sentinels,omitempty"`
	Cluster   *Cluster   `json:"cluster,omitempty"`
}

// Server is what there is to know about one Redis server.
type Server struct {
	Addr string `json:"addr"`
	// Reachable says that it answered.
	Reachable bool `json:"reachable"`
	// Trouble is why it could not be looked at, or not further, as a finding's code and in words.
	Trouble  *Trouble `json:"trouble,omitempty"`
	Version  string   `json:"version,omitempty"`
	Mode     string   `json:"mode,omitempty"` // standalone, cluster or sentinel
	Role     string   `json:"role,omitempty"` // master or slave
	MasterAt string   `json:"master_at,omitempty"`
	RunID    string   `json:"run_id,omitempty"`
	// Replicas is how many are connected, if it is a master; -1 is unknown.
	Replicas    int            `json:"replicas"`
	Uptime      *time.Duration `json:"uptime_ns,omitempty"`
	Latency     *Latency       `json:"latency,omitempty"`
	Clock       *Clock         `json:"clock,omitempty"`
	Memory      *Memory        `json:"memory,omitempty"`
	Persistence *Persistence   `json:"persistence,omitempty"`
	// DataAge is how old its data is, as far as a restart guard knows.
	DataAge *time.Duration `json:"data_age_ns,omitempty"`
	// Write is what the server would answer to an acquire, in its own words; empty: it would set the key.
	Write string `json:"write,omitempty"`
	// Denied are the rights that its user lacks for locking, Absent the commands that the server doesn't know.
	Denied []Right  `json:"denied,omitempty"`
	Absent []string `json:"absent,omitempty"`
	// Unread are the rights without which something here is missing.
	Unread []string `json:"unread,omitempty"`
	// Odd are keys that hold what no mutex can use.
	Odd []OddKey `json:"odd,omitempty"`
	// unchecked says that the rights could not be checked.
	unchecked bool
}

// Trouble is what keeps a server from answering.
type Trouble struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (t *Trouble) Error() string { return t.Message }

// Latency is how long the server took to answer, over several questions.
type Latency struct {
	Min    time.Duration `json:"min_ns"`
	Median time.Duration `json:"median_ns"`
}

// Clock is how far a server's clock is ahead of this machine's, give or take the uncertainty.
type Clock struct {
	Offset      time.Duration `json:"offset_ns"`
	Uncertainty time.Duration `json:"uncertainty_ns"`
}

// Memory is what the server may use, and what it does when that is used up. Max is 0 without limit.
type Memory struct {
	Used   int64  `json:"used"`
	Max    int64  `json:"max"`
	Policy string `json:"policy"`
}

// Persistence is what the server keeps on disk.
type Persistence struct {
	AOF bool `json:"aof"`
	// Fsync is always, everysec or no; Save are the points at which snapshots are made. Both are empty if they may not be
	// read, as SaveKnown says for the latter.
	Fsync     string `json:"fsync,omitempty"`
	Save      string `json:"save,omitempty"`
	SaveKnown bool   `json:"save_known"`
}

// OddKey is a key of a mutex that holds what is no lock, or a lock for ever.
type OddKey struct {
	Mutex string `json:"mutex"`
	Key   string `json:"key"`
	// Kind is wrong-type, no-expiration or wrong-counter.
	Kind string `json:"kind"`
}

// Sentinel is what one sentinel says.
type Sentinel struct {
	Addr      string   `json:"addr"`
	Reachable bool     `json:"reachable"`
	Trouble   *Trouble `json:"trouble,omitempty"`
	// Master is the address of the master; empty if the sentinel knows none by that name.
	Master string `json:"master,omitempty"`
	// Down says that it takes the master to be down.
	Down bool `json:"down"`
	// Quorum is how many must agree on that, Others how many other sentinels it knows, Replicas how many replicas;
	// the latter two are -1 if the user may not read them.
	Quorum   int `json:"quorum"`
	Others   int `json:"others"`
	Replicas int `json:"replicas"`
	// Incapable is why a failover could not be decided now.
	Incapable string `json:"incapable,omitempty"`
}

// Cluster is what a Redis Cluster says of itself.
type Cluster struct {
	// State is ok or fail; empty if the user may not ask.
	State string `json:"state"`
	// Slots is how many of the 16384 have a master that works, or one at all if the user may not ask for the state.
	Slots   int      `json:"slots"`
	Masters []string `json:"masters"`
	// Trouble is why nothing could be found out.
	Trouble *Trouble `json:"trouble,omitempty"`
	ranges  []engine.SlotRange
}

// Mutex is one that is checked.
type Mutex struct {
	Engine *engine.Mutex
	// Key is its key's template.
	Key string
}

// longest is how long a check takes where the context doesn't say.
const longest = 10 * time.Second

// limited is ctx with an end, and how long it is until then. Ctx may be nil.
func limited(ctx context.Context) (context.Context, time.Duration, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	timeout := longest
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(end), time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, timeout, cancel
}

// Run checks the mutexes. What has not answered by the end of ctx, or after ten seconds, is reported so.
func Run(ctx context.Context, mutexes []Mutex) *Report {
	ctx, timeout, cancel := limited(ctx)
	defer cancel()
	f := survey(mutexes)
	var visits sync.WaitGroup
	for _, n := range f.nodes {
		visits.Go(func() { n.visit(ctx, timeout/3*2) }) // what is left is for finding out why there was no answer
	}
	visits.Wait()
	report := &Report{Findings: judge(f)}
	for _, n := range f.nodes {
		report.Nodes = append(report.Nodes, n.Node)
	}
	return report
}

// facts are all there is to judge.
type facts struct {
	nodes   []*node
	mutexes []resident
}

// node is a Node, and what it must be fit for.
type node struct {
	Node
	at        *engine.Node
	residents []resident
	// replicas is how many must acknowledge; secrets are passwords, which nothing must show.
	replicas int
	secrets  []string
}

// resident is a mutex, as those who judge see it.
type resident struct {
	engine.Settings
	timeout time.Duration
	// template is that of its keys, key one of them; literal says that there is no other.
	template template
	key      string
	literal  bool
	// counter is the key of its fencing counter; empty without fencing.
	counter string
	// groups are indices of nodes.
	groups [][]int
}

// survey lists the nodes of the mutexes, each once.
func survey(mutexes []Mutex) facts {
	var f facts
	indices := make(map[*engine.Node]int)
	for _, m := range mutexes {
		if m.Engine == nil {
			continue
		}
		template := parseTemplate(m.Key)
		r := resident{Settings: m.Engine.Settings(), timeout: m.Engine.Timeout(), template: template, key: template.sample(), literal: template.literal()}
		if r.Fencing {
			r.counter = m.Engine.CounterKey(r.key)
		}
		var on []int
		for _, group := range m.Engine.Groups() {
			var members []int
			for _, n := range group {
				i, known := indices[n]
				if !known {
					i = len(f.nodes)
					indices[n] = i
					f.nodes = append(f.nodes, newNode(n))
				}
				members = append(members, i)
				if !slices.Contains(on, i) {
					on = append(on, i)
				}
			}
			r.groups = append(r.groups, members)
		}
		f.mutexes = append(f.mutexes, r)
		for _, i := range on {
			f.nodes[i].residents = append(f.nodes[i].residents, r)
			f.nodes[i].Mutexes = append(f.nodes[i].Mutexes, r.Name)
		}
	}
	return f
}

func newNode(at *engine.Node) *node {
	o := at.Options()
	n := &node{Node: Node{Name: clean(at.Name()), Kind: "server"}, at: at, replicas: o.Replicas, secrets: []string{o.Redis.Password}}
	switch {
	case o.Sentinel != nil:
		n.Kind = "sentinel"
		n.secrets = append(n.secrets, o.Sentinel.Password)
	case len(o.Cluster) > 0:
		n.Kind = "cluster"
	}
	return n
}
