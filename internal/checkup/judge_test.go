package checkup

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// fit is a server with nothing wrong.
func fit() Server {
	hour := time.Hour
	return Server{
		Addr: "h:1", Reachable: true, Version: "7.0.15", Mode: "standalone", Role: "master", Replicas: 1, Uptime: &hour,
		Latency: &Latency{time.Millisecond, time.Millisecond}, Clock: &Clock{0, time.Millisecond}, Memory: &Memory{1000, 1 << 30, "noeviction"},
		Persistence: &Persistence{AOF: true, Fsync: "always", SaveKnown: true}, DataAge: &hour,
	}
}

// fitSentinels are three with nothing wrong.
func fitSentinels() []Sentinel {
	one := Sentinel{Addr: "s:1", Reachable: true, Master: "h:1", Quorum: 2, Others: 2, Replicas: 1}
	return []Sentinel{one, one, one}
}

func TestJudgement(t *testing.T) {
	const second = time.Second
	type change = func(n *node, s *Server, r *resident)
	for name, test := range map[string]struct {
		change change
		want   string
	}{
		"nothing":       {func(n *node, s *Server, r *resident) {}, ""},
		"unknown facts": {func(n *node, s *Server, r *resident) { *s = Server{Addr: "h:1", Reachable: true, Replicas: -1} }, ""},
		"unread facts": {func(n *node, s *Server, r *resident) {
			*s = Server{Addr: "h:1", Reachable: true, Replicas: -1, Unread: []string{"time", "info", "config|get"}}
		}, "note unread"},
		"trouble hides the rest": {func(n *node, s *Server, r *resident) {
			s.Trouble, s.Role, s.Write = &Trouble{"loading", "m", "h"}, "slave", "OOM"
		}, "error loading"},
		"a replica hides the rest": {func(n *node, s *Server, r *resident) { s.Role, s.Write, s.Persistence.AOF = "slave", "READONLY", false }, "error replica"},
		"a replica by its word":    {func(n *node, s *Server, r *resident) { s.Role, s.Write = "", "READONLY You can't write" }, "error replica"},

		"2.6.11":                 {func(n *node, s *Server, r *resident) { s.Version = "2.6.11" }, "error old-version"},
		"4.9 without fencing":    {func(n *node, s *Server, r *resident) { s.Version = "4.9.9" }, ""},
		"4.9 with fencing":       {func(n *node, s *Server, r *resident) { s.Version, r.Fencing = "4.9.9", true }, "error old-version"},
		"4.9 with a guard":       {func(n *node, s *Server, r *resident) { s.Version, r.RestartGuard = "4.9.9", true }, "error old-version"},
		"5.0":                    {func(n *node, s *Server, r *resident) { s.Version, r.Fencing = "5.0", true }, ""},
		"10.0":                   {func(n *node, s *Server, r *resident) { s.Version, r.Fencing = "10.0.0", true }, ""},
		"a version that is none": {func(n *node, s *Server, r *resident) { s.Version, r.Fencing = "unstable", true }, ""},
		"rights that are needed": {func(n *node, s *Server, r *resident) {
			s.Denied = []Right{{"A", "publish", "c", false}, {"A", "set", "k", true}}
		}, "error acl"},
		"rights that are not":       {func(n *node, s *Server, r *resident) { s.Denied = []Right{{"A", "publish", "c", false}} }, "warning acl"},
		"rights of another":         {func(n *node, s *Server, r *resident) { s.Denied = []Right{{"B", "publish", "c", false}} }, ""},
		"rights that nobody tells":  {func(n *node, s *Server, r *resident) { s.unchecked = true }, "note rights-unchecked"},
		"commands that are missing": {func(n *node, s *Server, r *resident) { s.Absent = []string{"del"} }, "error missing-command"},
		"commands that help":        {func(n *node, s *Server, r *resident) { s.Absent = []string{"pubsub numsub", "mget"} }, "warning missing-command"},

		"allkeys":               {func(n *node, s *Server, r *resident) { s.Memory.Policy = "allkeys-lfu" }, "error eviction"},
		"volatile":              {func(n *node, s *Server, r *resident) { s.Memory.Policy = "volatile-lru" }, "error eviction"},
		"allkeys, no limit":     {func(n *node, s *Server, r *resident) { s.Memory.Policy, s.Memory.Max = "allkeys-lfu", 0 }, "note eviction-policy"},
		"a policy nobody tells": {func(n *node, s *Server, r *resident) { s.Memory.Policy = "" }, ""},
		"nearly full":           {func(n *node, s *Server, r *resident) { s.Memory.Used = s.Memory.Max / 100 * 95 }, "warning memory-nearly-full"},
		"full": {func(n *node, s *Server, r *resident) {
			s.Memory.Used, s.Write = s.Memory.Max, "OOM command not allowed"
		}, "error out-of-memory"},
		"a bad disk": {func(n *node, s *Server, r *resident) { s.Write = "MISCONF Errors writing to the AOF file" }, "error disk-error"},

		"replicas enough":               {func(n *node, s *Server, r *resident) { n.replicas = 1 }, ""},
		"replicas too few":              {func(n *node, s *Server, r *resident) { n.replicas = 2 }, "error too-few-replicas"},
		"replicas too few for writes":   {func(n *node, s *Server, r *resident) { n.replicas, s.Write = 2, "NOREPLICAS Not enough" }, "error too-few-replicas"},
		"replicas that nobody tells of": {func(n *node, s *Server, r *resident) { n.replicas, s.Replicas = 2, -1 }, ""},

		"a clock within the limit":      {func(n *node, s *Server, r *resident) { r.Fencing, s.Clock.Offset = true, second }, ""},
		"a clock near the limit":        {func(n *node, s *Server, r *resident) { r.Fencing, s.Clock.Offset = true, -3*second/2 }, "warning clock"},
		"a clock beyond the limit":      {func(n *node, s *Server, r *resident) { r.Fencing, s.Clock.Offset = true, 3*second }, "error clock"},
		"a clock that may be right":     {func(n *node, s *Server, r *resident) { r.Fencing, s.Clock = true, &Clock{3 * second, 3 * second} }, ""},
		"a clock without fencing":       {func(n *node, s *Server, r *resident) { s.Clock.Offset = -time.Hour }, "warning clock"},
		"a clock near it, no fencing":   {func(n *node, s *Server, r *resident) { s.Clock.Offset = 3 * second / 2 }, ""},
		"an answer within a third":      {func(n *node, s *Server, r *resident) { s.Latency.Median = 33 * time.Millisecond }, ""},
		"an answer beyond a third":      {func(n *node, s *Server, r *resident) { s.Latency.Median = 34 * time.Millisecond }, "warning latency"},
		"an answer beyond the timeout":  {func(n *node, s *Server, r *resident) { s.Latency.Median = 101 * time.Millisecond }, "error latency"},
		"a slow answer among fast ones": {func(n *node, s *Server, r *resident) { s.Latency.Min = 0 }, ""},

		"everysec":               {func(n *node, s *Server, r *resident) { s.Persistence.Fsync = "everysec" }, "warning fsync"},
		"no fsync":               {func(n *node, s *Server, r *resident) { s.Persistence.Fsync = "no" }, "warning fsync"},
		"an fsync nobody tells":  {func(n *node, s *Server, r *resident) { s.Persistence.Fsync = "" }, ""},
		"nothing on disk":        {func(n *node, s *Server, r *resident) { s.Persistence = &Persistence{SaveKnown: true} }, "warning no-persistence"},
		"snapshots":              {func(n *node, s *Server, r *resident) { s.Persistence = &Persistence{Save: "3600 1", SaveKnown: true} }, "warning no-persistence"},
		"nothing, but a guard":   {func(n *node, s *Server, r *resident) { s.Persistence.AOF, r.RestartGuard = false, true }, ""},
		"restarted, all on disk": {func(n *node, s *Server, r *resident) { *s.Uptime = second }, ""},
		"restarted, without":     {func(n *node, s *Server, r *resident) { *s.Uptime, s.Persistence.AOF = second, false }, "warning restarted"},
		"restarted long ago":     {func(n *node, s *Server, r *resident) { *s.Uptime, s.Persistence.AOF = 10*second, false }, "warning no-persistence"},
		"restarted, with a guard": {func(n *node, s *Server, r *resident) {
			*s.Uptime, s.Persistence.AOF, r.RestartGuard = second, false, true
		}, "error quarantine"},
		"deleted, with a guard": {func(n *node, s *Server, r *resident) { *s.DataAge, r.RestartGuard = second, true }, "error quarantine"},
		"new, with a guard":     {func(n *node, s *Server, r *resident) { s.DataAge, r.RestartGuard = nil, true }, "error quarantine"},
		"a birth that may not be read": {func(n *node, s *Server, r *resident) {
			s.DataAge, r.RestartGuard, s.Denied = nil, true, []Right{{"A", "get", engine.BirthKey, true}}
		}, "error acl"},

		"counters for ever": {func(n *node, s *Server, r *resident) {
			r.Fencing, r.FencingMemory, r.literal = true, engine.Forever, false
		}, "note counters-kept"},
		"a counter for ever": {func(n *node, s *Server, r *resident) { r.Fencing, r.FencingMemory = true, engine.Forever }, ""},
		"a cluster that refuses": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Cluster, s.Write = "cluster", 1, &Cluster{State: "fail", Slots: slots}, "CLUSTERDOWN"
		}, "error cluster-down"},
		"a hash at the key":     {func(n *node, s *Server, r *resident) { s.Odd = []OddKey{{"A", "k", "wrong-type"}} }, "error wrong-type"},
		"a text at the counter": {func(n *node, s *Server, r *resident) { s.Odd = []OddKey{{"A", "k", "wrong-counter"}} }, "error wrong-counter"},
		"a lock for ever":       {func(n *node, s *Server, r *resident) { s.Odd = []OddKey{{"A", "k", "no-expiration"}} }, "warning no-expiration"},

		"sentinels":              {func(n *node, s *Server, r *resident) { n.Kind = "sentinel" }, "note asynchronous"},
		"sentinels and replicas": {func(n *node, s *Server, r *resident) { n.Kind, n.replicas = "sentinel", 1 }, ""},
		"a sentinel down": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Sentinels[0] = "sentinel", 1, Sentinel{Trouble: &Trouble{Code: "unreachable"}}
		}, "warning sentinel-unreachable"},
		"two sentinels down": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas = "sentinel", 1
			n.Sentinels[0], n.Sentinels[1] = Sentinel{Trouble: &Trouble{Code: "unreachable"}}, Sentinel{Trouble: &Trouble{Code: "unreachable"}}
		}, "error sentinel-unreachable; error sentinel-unreachable"},
		"no sentinel knows": {func(n *node, s *Server, r *resident) {
			n.Kind = "sentinel"
			for i := range n.Sentinels {
				n.Sentinels[i].Master = ""
			}
		}, "error sentinel-master"},
		"sentinels that disagree": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Sentinels[2].Master = "sentinel", 1, "h:2"
		}, "error sentinels-disagree"},
		"sentinels without a quorum": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Sentinels[2].Incapable = "sentinel", 1, "NOQUORUM"
		}, "error sentinel-quorum"},
		"a master that is down": {func(n *node, s *Server, r *resident) { n.Kind, n.replicas, n.Sentinels[2].Down = "sentinel", 1, true }, "error sentinel-master-down"},
		"two sentinels": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Sentinels = "sentinel", 1, n.Sentinels[:2]
			n.Sentinels[0].Others, n.Sentinels[1].Others = 1, 1
		}, "warning few-sentinels"},
		"one named of three": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Sentinels = "sentinel", 1, n.Sentinels[:1]
		}, ""},
		"no replica to go to": {func(n *node, s *Server, r *resident) {
			n.Kind = "sentinel"
			for i := range n.Sentinels {
				n.Sentinels[i].Replicas = 0
			}
		}, "warning no-replica; note asynchronous"},

		"a cluster": {func(n *node, s *Server, r *resident) {
			n.Kind, n.Cluster = "cluster", &Cluster{State: "ok", Slots: slots}
		}, "note asynchronous"},
		"a cluster in trouble": {func(n *node, s *Server, r *resident) {
			n.Kind, n.Cluster = "cluster", &Cluster{Trouble: &Trouble{Code: "no-cluster"}}
		}, "error no-cluster"},
		"no cluster at all": {func(n *node, s *Server, r *resident) { n.Kind = "cluster" }, "error unreachable"},
		"slots without master": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Cluster = "cluster", 1, &Cluster{State: "fail", Slots: slots - 1}
		}, "error cluster-slots"},
		"a cluster that is down": {func(n *node, s *Server, r *resident) {
			n.Kind, n.replicas, n.Cluster = "cluster", 1, &Cluster{State: "fail", Slots: slots}
		}, "error cluster-down"},
	} {
		t.Run(name, func(t *testing.T) {
			r := resident{Settings: engine.Settings{Name: "A", Expiration: 10 * time.Second}, timeout: 100 * time.Millisecond, key: "k", literal: true, groups: [][]int{{0}}}
			n := &node{Node: Node{Name: "h:1", Kind: "server", Servers: []Server{fit()}, Sentinels: fitSentinels()}}
			test.change(n, &n.Servers[0], &r)
			n.residents = []resident{r}
			n.Mutexes = []string{"A"}
			var got []string
			for _, f := range judge(facts{nodes: []*node{n}, mutexes: []resident{r}}) {
				got = append(got, string(f.Severity)+" "+f.Code)
				if f.Node != "h:1" || !slices.Equal(f.Mutexes, []string{"A"}) {
					t.Errorf("%+v", f)
				}
			}
			if strings.Join(got, "; ") != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

func TestJudgementOfQuorums(t *testing.T) {
	quorum := func(n int, r resident) facts {
		f := facts{}
		var group []int
		for i := range n {
			s := fit()
			s.RunID = "run" + string(rune('a'+i))
			f.nodes = append(f.nodes, &node{Node: Node{Name: "n" + string(rune('a'+i)), Kind: "server", Servers: []Server{s}}, residents: []resident{r}})
			group = append(group, i)
		}
		r.groups = [][]int{group}
		f.mutexes = []resident{r}
		return f
	}
	plain := resident{Settings: engine.Settings{Name: "A", Expiration: 10 * time.Second}, timeout: time.Second}
	guarded := plain
	guarded.RestartGuard = true
	said := func(f facts) string {
		var all []string
		for _, one := range judge(f) {
			all = append(all, string(one.Severity)+" "+one.Code+" "+one.Node)
		}
		return strings.Join(all, "; ")
	}
	for name, test := range map[string]struct {
		r      resident
		change func(f facts)
		want   string
	}{
		"independent": {plain, func(f facts) {}, ""},
		"unknown run ids": {plain, func(f facts) {
			for _, n := range f.nodes {
				n.Servers[0].RunID = ""
			}
		}, ""},
		"two are one": {plain, func(f facts) { f.nodes[2].Servers[0].RunID = f.nodes[0].Servers[0].RunID }, "error same-server nc"},
		"three are one": {plain, func(f facts) {
			f.nodes[1].Servers[0].RunID, f.nodes[2].Servers[0].RunID = f.nodes[0].Servers[0].RunID, f.nodes[0].Servers[0].RunID
		}, "error same-server nb; error same-server nc"},
		"one in quarantine": {guarded, func(f facts) { f.nodes[1].Servers[0].DataAge = nil }, "warning quarantine nb"},
		"two in quarantine": {guarded, func(f facts) { f.nodes[1].Servers[0].DataAge, f.nodes[2].Servers[0].DataAge = nil, nil }, "error quarantine nb"},
		"one in quarantine, one down": {guarded, func(f facts) {
			f.nodes[0].Servers[0].Trouble = &Trouble{Code: "unreachable"}
			f.nodes[1].Servers[0].DataAge = nil
		}, "error unreachable na; error quarantine nb"},
	} {
		f := quorum(3, test.r)
		test.change(f)
		if got := said(f); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	// The same server in two groups, or for two mutexes, is nothing wrong.
	f := quorum(2, plain)
	f.mutexes[0].groups = [][]int{{0}, {1}}
	f.nodes[1].Servers[0].RunID = f.nodes[0].Servers[0].RunID
	if got := said(f); got != "" {
		t.Errorf("two groups on one server: %q", got)
	}
}

func TestAReportOfNothingIsHealthy(t *testing.T) {
	var none context.Context
	if r := Run(none, []Mutex{{}}); !r.Healthy() || len(r.Nodes) != 0 || r.Findings == nil {
		t.Errorf("%+v", r)
	}
	if (*Report)(nil).Healthy() {
		t.Error("no report is healthy")
	}
}
