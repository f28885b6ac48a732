package checkup

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// quarantineLeft is for how long yet a server does not vote for a mutex with a restart guard, as scripts/guard.lua reckons.
func quarantineLeft(s *Server, r *resident) time.Duration {
	q := r.Quarantine()
	if q == 0 || s.Trouble != nil {
		return 0
	}
	var left time.Duration
	if s.DataAge != nil {
		left = q - *s.DataAge
	} else if !slices.Contains(s.Unread, "time") && !slices.ContainsFunc(s.Denied, func(d Right) bool { return d.Object == engine.BirthKey }) {
		left = q // it begins when the server is asked for a lock first
	}
	if s.Uptime != nil {
		left = max(left, q-*s.Uptime)
	}
	return max(left, 0)
}

// judgeQuorums looks at the nodes of one quorum side by side.
func judgeQuorums(f facts) []Finding {
	var findings []Finding
	for _, r := range f.mutexes {
		for _, group := range r.groups {
			findings = append(findings, sameServers(f, r, group)...)
			findings = append(findings, quarantines(f, r, group)...)
		}
	}
	return merged(findings)
}

// sameServers finds nodes of a quorum that are one server.
func sameServers(f facts, r resident, group []int) []Finding {
	var findings []Finding
	first := make(map[string]int)
	for _, i := range group {
		for _, s := range f.nodes[i].Servers {
			if s.RunID == "" {
				continue
			}
			other, known := first[s.RunID]
			if !known {
				first[s.RunID] = i
			} else if other != i {
				findings = append(findings, Finding{Severity: Error, Code: "same-server", Node: f.nodes[i].Name, Mutexes: []string{r.Name},
					Message: fmt.Sprintf("%s and %s are one server (run id %s): their votes don't count as two", f.nodes[other].Name, f.nodes[i].Name, s.RunID),
					Hint:    "a quorum is made of independent servers; name another one, on another machine"})
			}
		}
	}
	return findings
}

// quarantines reports the nodes of a quorum that don't vote yet: each, or all in one if too few others are left.
func quarantines(f facts, r resident, group []int) []Finding {
	var findings []Finding
	var lefts []time.Duration
	for _, i := range group {
		n := f.nodes[i]
		if len(n.Servers) != 1 || n.Servers[0].Trouble != nil || n.Servers[0].Role == "slave" {
			continue
		}
		s := &n.Servers[0]
		left := quarantineLeft(s, &r)
		lefts = append(lefts, left)
		if left == 0 {
			continue
		}
		for j := range n.residents { // of all mutexes on the node one thing is said
			left = max(left, quarantineLeft(s, &n.residents[j]))
		}
		why := "the server restarted"
		if s.DataAge == nil {
			why = "the server is new, or lost its data"
		}
		findings = append(findings, Finding{Severity: Warning, Code: "quarantine", Node: n.Name, Mutexes: []string{r.Name},
			Message: fmt.Sprintf("%s: the restart guard keeps it from voting for %v yet", why, rounded(left)), Hint: "wait; the other nodes vote meanwhile"})
	}
	slices.Sort(lefts)
	if quorum := len(group)/2 + 1; len(lefts) >= quorum && lefts[quorum-1] > 0 {
		return []Finding{{Severity: Error, Code: "quarantine", Node: findings[0].Node, Mutexes: []string{r.Name},
			Message: fmt.Sprintf("the restart guard keeps so many nodes from voting that no lock can be had for %v yet", rounded(lefts[quorum-1])),
			Hint:    "wait; next time restart one node after the other, with a pause as long as the quarantine"}}
	}
	return findings
}

// merged are the findings, those that differ in their mutexes alone made one.
func merged(findings []Finding) []Finding {
	var all []Finding
	for _, f := range findings {
		same := slices.IndexFunc(all, func(o Finding) bool { return o.Code == f.Code && o.Node == f.Node && o.Message == f.Message })
		switch {
		case same < 0:
			all = append(all, f)
		case !slices.Contains(all[same].Mutexes, f.Mutexes[0]):
			all[same].Mutexes = append(all[same].Mutexes, f.Mutexes...)
		}
	}
	return all
}

// judgeSentinels tells whether the sentinels can be relied on; fatal says that they lead to no master.
func judgeSentinels(n *node) (findings []Finding, fatal bool) {
	add := func(severity Severity, code, server, hint, format string, args ...any) {
		findings = append(findings, Finding{Severity: severity, Code: code, Node: n.Name, Server: server, Mutexes: n.Mutexes,
			Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	var masters []string
	reachable, down := 0, 0
	others, replicas := -1, -1 // unknown
	var incapable string
	for _, s := range n.Sentinels {
		if s.Reachable && s.Trouble == nil {
			reachable++
		}
		if s.Master != "" && !slices.Contains(masters, s.Master) {
			masters = append(masters, s.Master)
		}
		if s.Down {
			down++
		}
		if s.Master != "" {
			others, replicas = max(others, s.Others), max(replicas, s.Replicas)
		}
		if s.Incapable != "" {
			incapable = s.Incapable
		}
	}
	watching := max(len(n.Sentinels), others+1)
	severity := Warning
	if reachable < watching/2+1 {
		severity = Error
	}
	said := make(map[Trouble]bool)
	for _, s := range n.Sentinels {
		switch {
		case s.Trouble == nil || said[*s.Trouble]:
			continue
		case s.Trouble.Code == "unreachable":
			add(severity, "sentinel-unreachable", s.Addr, s.Trouble.Hint, "a sentinel: %s", s.Trouble.Message)
			continue
		}
		said[*s.Trouble] = true // of what is wrong with the URL, one thing is said
		t := s.Trouble
		with := 0
		for _, other := range n.Sentinels {
			if other.Trouble != nil && *other.Trouble == *t {
				with++
			}
		}
		if with == 1 {
			add(severity, t.Code, s.Addr, t.Hint, "a sentinel: %s", t.Message)
		} else {
			add(severity, t.Code, "", t.Hint, "%d sentinels: %s", with, t.Message)
		}
	}
	switch {
	case reachable == 0:
		return findings, true
	case len(masters) == 0:
		add(Error, "sentinel-master", "", "correct the master's name in the URL: redis+sentinel://host:26379/master-name",
			unknownMaster)
		return findings, true
	case len(masters) > 1:
		add(Error, "sentinels-disagree", "", "a failover may be under way: check again; if it stays so, look at SENTINEL MASTERS of each",
			"the sentinels name different masters: %s", strings.Join(masters, ", "))
	}
	switch {
	case len(findings) > 0: // which explains what follows
	case incapable != "":
		add(Error, "sentinel-quorum", "", "start more sentinels, or correct their quorum: SENTINEL CKQUORUM", "the sentinels can't decide a failover: %s", incapable)
	case down > 0:
		add(Error, "sentinel-master-down", "", "look at the master; a failover may be under way", "%d sentinels take the master to be down", down)
	case watching < 3 && others >= 0:
		add(Warning, "few-sentinels", "", "run three or more, on machines of their own",
			"%d sentinels watch over the master: the loss of one leaves no majority for a failover", watching)
	case replicas == 0 && n.replicas == 0:
		add(Warning, "no-replica", "", "attach a replica", "the master has no replica that a failover could go to")
	}
	return findings, false
}

const unknownMaster = "the sentinels know no master by this name"

// judgeCluster tells whether a cluster is whole; fatal says that nothing is known of it.
func judgeCluster(n *node) (findings []Finding, fatal bool) {
	c := n.Cluster
	severity := Error
	add := func(code, hint, format string, args ...any) {
		findings = append(findings, Finding{Severity: severity, Code: code, Node: n.Name, Mutexes: n.Mutexes, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	switch {
	case c == nil || c.Trouble != nil:
		t := &Trouble{Code: "unreachable", Message: "the cluster could not be looked at"}
		if c != nil {
			t = c.Trouble
		}
		add(t.Code, t.Hint, "%s", t.Message)
		return findings, true
	case c.Slots < slots:
		add("cluster-slots", "redis-cli --cluster check shows which; --cluster fix repairs", "%d of the cluster's %d slots have no master that works", slots-c.Slots, slots)
	case c.State == "":
		severity = Note
		add("unread", "run the check with a user that has this right, which the mutexes themselves don't need",
			"could not be read: the cluster's state (+cluster|info)")
	case c.State != "ok":
		add("cluster-down", "look at CLUSTER INFO and CLUSTER NODES", "the cluster's state is %s", c.State)
	}
	return findings, false
}
