package definition

import (
	"fmt"
	"strings"
	"testing"
)

func listOf(count int) string {
	var urls []string
	for i := range count {
		urls = append(urls, fmt.Sprintf("redis://n%d", i))
	}
	return "[" + strings.Join(urls, ", ") + "]"
}

func groupsOf(count int) string {
	var groups []string
	for i := range count {
		groups = append(groups, fmt.Sprintf("[redis://n%d]", i))
	}
	return "[" + strings.Join(groups, ", ") + "]"
}

func TestServersAndClusters(t *testing.T) {
	const groupLine = "hint: for example [[\"redis://a1\", \"redis://a2\", \"redis://a3\"], [\"redis://b1\", \"redis://b2\", \"redis://b3\"]]\n"
	const independent = "hint: the nodes must be independent: databases of one server fail together\n"
	for _, test := range []struct{ location, want string }{
		{"servers: [redis://a]", ""},
		{"servers: [redis://a, '${B}', unix:///c]", ""},
		{"servers: " + listOf(63), ""},
		{"servers: " + listOf(65), "servers has 65 nodes; at most 63 are possible\n"},
		{"servers: []", "servers has no nodes\nhint: list an odd number of URLs\n"},
		{"servers:", "servers has no value\nhint: give it a value, or remove the line\n"},
		{"servers: redis://a", "servers must be a list of URLs; this is text\nhint: one node alone goes into url\n"},
		{"servers: {a: b}", "servers must be a list of URLs; this is a mapping\nhint: one node alone goes into url\n"},
		{"servers: [redis://a, redis://b, redis://c, redis://d]",
			"servers has 4 nodes; the number must be odd\nhint: 4 nodes survive no more failures than 3 do\n"},
		{"servers: ['']", "the URL is empty\nhint: for example ${REDIS_URL:-redis://localhost:6379}\n"},
		{"servers: [~]", "a node has no value\nhint: give it a value, or remove the line\n"},
		{"servers: [7]", "a node must be a URL; this is a number\n"},
		{"servers: [[redis://a]]", "a node must be a URL; this is a list\nhint: groups of servers go into cluster\n"},
		{"servers: [redis://a, redis://b, redis://a]", "a server that is listed already\n4:15: the first one\n" + independent},
		{"servers: [redis://a, redis://b, 'REDISS://u@A:6379/3?db=4']", "a server that is listed already\n4:15: the first one\n" + independent},
		{"servers: ['${A}', redis://b, '${A}']", "a server that is listed already\n4:15: the first one\n" + independent},
		{"servers: ['unix:///a?db=1', redis://b, unix:///a]", "a server that is listed already\n4:15: the first one\n" + independent},
		{"cluster: [[redis://a]]", ""},
		{"cluster: [[redis://a], [redis://b, redis://c, redis://d]]", ""},
		{"cluster: []", "cluster has no groups\n" + groupLine},
		{"cluster: redis://a", "cluster must be a list of groups, each a list of URLs; this is text\n" + groupLine},
		{"cluster: [redis://a]", "cluster must be a list of groups, each a list of URLs; this is a list without groups\n" +
			"hint: the servers of a single group go into servers\n"},
		{"cluster: [[redis://a], redis://b]", "a group of the cluster must be a list of URLs; this is text\n" + groupLine},
		{"cluster: [[]]", "a group of the cluster has no nodes\nhint: list an odd number of URLs\n"},
		{"cluster: [[redis://a], [redis://b, redis://c]]",
			"a group of the cluster has 2 nodes; the number must be odd\nhint: 2 nodes survive no more failures than 1 do\n"},
		{"cluster: [[redis://a], [redis://a]]", "a server that is listed already\n4:16: the first one\n" + independent},
		{"cluster: " + groupsOf(11), ""},
		{"cluster: " + groupsOf(12), "warning: cluster has 12 groups: with twelve or more, points of the ring tie\n" +
			"hint: with fewer than 12 groups every implementation of the ring agrees\n"},
	} {
		got := headlines("version: 1\nmutexes:\n  - name: A\n    " + test.location + "\n")
		if _, after, ok := strings.Cut(got, ": "); ok {
			got = after
		}
		if got != test.want {
			t.Errorf("%s: got\n%swant\n%s", test.location, got, test.want)
		}
	}
}
