package checkup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// judge says what the facts mean. It asks nobody.
func judge(f facts) []Finding {
	findings := []Finding{}
	for _, n := range f.nodes {
		findings = append(findings, judgeNode(n)...)
	}
	findings = append(findings, judgeQuorums(f)...)
	rank := map[Severity]int{Error: 0, Warning: 1, Note: 2}
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	return findings
}

func judgeNode(n *node) []Finding {
	var findings []Finding
	fatal := false
	switch n.Kind {
	case "sentinel":
		findings, fatal = judgeSentinels(n)
	case "cluster":
		findings, fatal = judgeCluster(n)
	}
	if fatal {
		return findings
	}
	return append(findings, judgeServers(n)...)
}

func judgeServers(n *node) []Finding {
	var findings []Finding
	for i := range n.Servers {
		j := &judgement{node: n, server: &n.Servers[i]}
		j.all()
		findings = append(findings, j.findings...)
	}
	return findings
}

// judgement is that of one server.
type judgement struct {
	node     *node
	server   *Server
	findings []Finding
}

// add notes a finding about those residents that concern is true of, unless there are none.
func (j *judgement) add(severity Severity, code, hint string, concern func(r *resident) bool, format string, args ...any) {
	var names []string
	for i := range j.node.residents {
		if r := &j.node.residents[i]; concern == nil || concern(r) {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	f := Finding{Severity: severity, Code: code, Node: j.node.Name, Mutexes: names, Message: fmt.Sprintf(format, args...), Hint: hint}
	if j.node.Kind != "server" {
		f.Server = j.server.Addr
	}
	j.findings = append(j.findings, f)
}

// all judges from what makes the server useless to what costs only time. What makes it useless is all that is said.
func (j *judgement) all() {
	s := j.server
	if t := s.Trouble; t != nil {
		j.add(Error, t.Code, t.Hint, nil, "%s", t.Message)
		return
	}
	if s.Role == "slave" {
		of := ""
		if s.MasterAt != "" {
			of = " of " + s.MasterAt
		}
		j.add(Error, "replica", "name the master, or its sentinels: redis+sentinel://", nil,
			"the server is a replica%s: it takes no locks, and what it has comes late", of)
		return
	}
	j.version()
	j.rights()
	j.writes()
	j.memory()
	j.replicas()
	j.keys()
	j.clock()
	j.latency()
	j.persistence()
	j.counters()
	j.unread()
}

// version tells whether the server knows what the scripts use. Before 5, a script that has asked for the time may write
// nothing; before 2.6.12, SET knows no NX.
func (j *judgement) version() {
	switch v := versionOf(j.server.Version); {
	case v == nil:
	case slices.Compare(v, []int{2, 6, 12}) < 0:
		j.add(Error, "old-version", "upgrade it: 6.2 or later is best", nil, "Redis %s is too old: a lock needs 2.6.12", j.server.Version)
	case slices.Compare(v, []int{5}) < 0:
		j.add(Error, "old-version", "upgrade it: 6.2 or later is best", func(r *resident) bool { return r.Fencing || r.RestartGuard },
			"Redis %s is too old: fencing and restart_guard need 5.0", j.server.Version)
	}
}

// versionOf are the numbers of a version; nil if it has none.
func versionOf(text string) []int {
	var numbers []int
	for part := range strings.SplitSeq(text, ".") {
		n := 0
		if _, err := fmt.Sscanf(part, "%d", &n); err != nil {
			break
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func (j *judgement) rights() {
	if absent := j.server.Absent; len(absent) > 0 {
		severity := Warning
		for _, r := range j.node.residents {
			for _, n := range needs(r, j.node) {
				if n.needed && slices.Contains(absent, n.command[0]) {
					severity = Error
				}
			}
		}
		j.add(severity, "missing-command", "take back the rename-command of the server's configuration; a service that lacks them is not fit for locks", nil,
			"the server does not know: %s", strings.Join(absent, ", "))
	}
	if j.server.unchecked {
		j.add(Note, "rights-unchecked", "", nil, "what the user may do could not be found out: that needs Redis 7")
	}
	severity := Warning
	var lacking []string
	concerned := make(map[string]bool)
	for _, right := range j.server.Denied {
		what := "+" + right.Command
		if right.Object != "" {
			what += " on " + right.Object
		}
		if !slices.Contains(lacking, what) {
			lacking = append(lacking, what)
		}
		concerned[right.Mutex] = true
		if right.Needed {
			severity = Error
		}
	}
	if len(lacking) == 0 {
		return
	}
	const most = 6
	if more := len(lacking) - most; more > 0 {
		lacking = append(lacking[:most], fmt.Sprintf("and %d more", more))
	}
	effect := "locks can't be taken, extended or released"
	if severity == Warning {
		effect = "waiting, releasing or guarding works less well"
	}
	j.add(severity, "acl", "mutexgen acl prints the rule that its user needs", func(r *resident) bool { return concerned[r.Name] },
		"the server's user may not: %s; %s", strings.Join(lacking, ", "), effect)
}

// writeRefusals are why a server that works refuses every write, by how its answer begins.
var writeRefusals = []struct{ begins, code, message, hint string }{
	{"READONLY", "replica", "the server is a read-only replica", "name the master, or its sentinels: redis+sentinel://"},
	{"MISCONF", "disk-error", "the server can't write to its disk, and so refuses locks", "look at its log and its disk; INFO persistence shows what failed"},
	{"OOM", "out-of-memory", "the server's memory is used up, and so it refuses locks", "raise maxmemory, or delete what is not needed"},
	{"NOREPLICAS", "too-few-replicas", "too few of the server's replicas are connected for its min-replicas-to-write, and so it refuses locks",
		"bring the replicas back, or lower min-replicas-to-write"},
	{"CLUSTERDOWN", "cluster-down", "the cluster is down, and so refuses locks", "look at CLUSTER INFO and CLUSTER NODES"},
}

func (j *judgement) writes() {
	for _, w := range writeRefusals {
		if c := j.node.Cluster; w.code == "cluster-down" && c != nil && (c.Slots < slots || c.State != "ok" && c.State != "") {
			continue // which has been said of the whole cluster
		}
		if j.server.Write != "" && strings.HasPrefix(j.server.Write, w.begins) {
			j.add(Error, w.code, w.hint, nil, "%s", w.message)
		}
	}
}

func (j *judgement) replicas() {
	s := j.server
	switch wanted := j.node.replicas; {
	case wanted > 0 && s.Replicas >= 0 && s.Replicas < wanted && !strings.HasPrefix(s.Write, "NOREPLICAS"):
		j.add(Error, "too-few-replicas", "bring the replicas back, or lower the field replicas", nil,
			"%d of the server's replicas are connected, and the definitions want the acknowledgement of %d", s.Replicas, wanted)
	case wanted == 0 && j.node.Kind != "server":
		j.add(Note, "asynchronous", "replicas: 1 has an acquire wait for a replica; fencing tokens catch the rest", nil,
			"replication is asynchronous: a failover may forget a lock that was just taken")
	}
}

func (j *judgement) keys() {
	for _, odd := range j.server.Odd {
		of := func(r *resident) bool { return r.Name == odd.Mutex }
		switch odd.Kind {
		case "wrong-type":
			j.add(Error, "wrong-type", "see whose it is (TYPE, OBJECT IDLETIME), and delete it or use another key", of,
				"the key %s holds no string, so nobody can lock it", odd.Key)
		case "wrong-counter":
			counter := ""
			for i := range j.node.residents {
				if r := &j.node.residents[i]; of(r) {
					counter = r.counter
				}
			}
			j.add(Error, "wrong-counter", "delete what stands there, or use another key", of, "what stands at %s is no fencing counter", clean(counter))
		case "no-expiration":
			j.add(Warning, "no-expiration", "if nobody holds it any more, delete the key", of,
				"the key %s never expires: it is locked until somebody deletes it", odd.Key)
		}
	}
}

// counters tells of counters that are never forgotten: each key leaves one behind.
func (j *judgement) counters() {
	j.add(Note, "counters-kept", "fencing_memory says for how long a counter is kept after its last use", func(r *resident) bool {
		return r.Fencing && r.FencingMemory == engine.Forever && !r.literal
	}, "every key that was ever locked keeps a fencing counter in the server's memory, for ever")
}

// unread says which facts are missing because the user may not read them.
func (j *judgement) unread() {
	if len(j.server.Unread) == 0 {
		return
	}
	tells := map[string]string{
		"info":       "uptime, run id, replication, memory and persistence (+info)",
		"config|get": "the sync policy of its log, and its snapshots (+config|get)",
		"time":       "its clock (+time)",
	}
	var missing []string
	for _, right := range j.server.Unread {
		missing = append(missing, tells[right])
	}
	j.add(Note, "unread", "run the check with a user that has these rights, which the mutexes themselves don't need", nil,
		"could not be read: %s", strings.Join(missing, "; "))
}
