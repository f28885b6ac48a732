package mutex_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/mutex"
)

// named is a definition with a name of its own.
func named(name string, d mutex.Definition) mutex.Definition {
	d.Name = name
	return d
}

func TestNodesAreOneIfTheirURLsAgree(t *testing.T) {
	t.Parallel()
	replicated := with(on("redis://a"), func(d *mutex.Definition) { d.Replicas = 1 })
	for _, test := range []struct {
		a, b string
		one  bool
	}{
		{"redis+sentinel://a,b/m", "redis+sentinel://B:26379,A/m/0", true},
		{"redis+sentinel://a,b/m", "redis+sentinel://a,b/n", false},
		{"redis+sentinel://a,b/m", "redis+sentinel://a,b/m/1", false},
		{"redis+sentinel://a,b/m", "redis+sentinel://a,b,c/m", false},
		{"redis+sentinel://a/m", "rediss+sentinel://a/m", false},
		{"redis+sentinel://a/m", "redis+sentinel://a/m?sentinel_password=p", false},
		{"redis+sentinel://a/m", "redis+sentinel://:p@a/m", false},
		{"redis+sentinel://a/m", "redis+cluster://a", false},
		{"redis+cluster://a,b", "redis+cluster://b:6379,a/0", true},
		{"redis+cluster://a", "redis://a", false},
		{"rediss://a", "rediss://a?skip_verify=false", false},
		{"rediss://a", "rediss://a?server_name=b", false},
		{"rediss://a?server_name=b", "rediss://A:6379/0?server_name=b", true},
	} {
		nodes := addresses(t, []mutex.Definition{named("A", on(test.a)), named("B", on(test.b))})
		if (len(nodes) == 1) != test.one {
			t.Errorf("%s and %s are the nodes %q", test.a, test.b, nodes)
		}
	}
	if nodes := addresses(t, []mutex.Definition{named("A", on("redis://a")), named("B", replicated), named("C", replicated)}); len(nodes) != 2 {
		t.Errorf("two mutexes that wait for replicas, and one that doesn't, are on the nodes %q", nodes)
	}
}

func TestAQuorumIsMadeOfIndependentServers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		urls [3]string
		same bool
	}{
		{[3]string{"redis+sentinel://a,b/m", "redis+sentinel://c,d/m", "redis+sentinel://e,B:26379/m"}, true},
		{[3]string{"redis+sentinel://a,b/m", "redis+sentinel://a,b/n", "redis+sentinel://a,b/o"}, false},
		{[3]string{"redis+sentinel://a/m", "redis+sentinel://b/m", "rediss+sentinel://:p@a/m/3"}, true},
		{[3]string{"redis+cluster://a,b", "redis+cluster://c", "redis+cluster://d,B"}, true},
		{[3]string{"redis+cluster://a,b", "redis+cluster://c", "redis+cluster://d"}, false},
		{[3]string{"redis+cluster://a,b", "redis://c", "redis://b"}, true},
		{[3]string{"redis+sentinel://a/m", "redis://a", "redis+cluster://a"}, true},
		{[3]string{"redis+sentinel://a/m", "redis://a", "redis://a:26379"}, false},
	} {
		err := openError(on(test.urls[:]...))
		if test.same {
			wantText(t, err, "servers[2]: the same server as servers[")
		} else if err != nil {
			t.Errorf("%q: %v", test.urls, err)
		}
	}
}

func TestWhatAKindOfNodeCannotDoIsAnErrorOfOpen(t *testing.T) {
	t.Parallel()
	guarded := with(on("redis+cluster://a"), func(d *mutex.Definition) { d.RestartGuard = true })
	wantText(t, openError(guarded), "Counter: url: a Redis Cluster can have no restart guard")
	guarded.URL = "redis+sentinel://a/m"
	if err := openError(guarded); err != nil {
		t.Error(err)
	}
	for _, n := range []int{-1, 1001} {
		wantText(t, openError(with(on("redis://a"), func(d *mutex.Definition) { d.Replicas = n })), "replicas are not within 0 and 1000")
	}
}

func TestParametersReachTheOptionsOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"rediss://us%40er:p%2Cw@h:1?client_name=c&server_name=n&skip_verify=true",
		"rediss+sentinel://us%40er:p%2Cw@h:1,i/my-master_1.x/2?client_name=c&server_name=n&skip_verify=true&sentinel_password=s%26t",
		"rediss+cluster://us%40er:p%2Cw@h:1,[::1]?client_name=c&server_name=n&skip_verify=true",
	} {
		seen := false
		if err := openError(on(url), mutex.WithRedisOptions(func(node string, o *redis.Options) {
			seen = true
			if o.Username != "us@er" || o.Password != "p,w" || o.ClientName != "c" || o.TLSConfig == nil ||
				o.TLSConfig.ServerName != "n" || !o.TLSConfig.InsecureSkipVerify {
				t.Errorf("%s: %+v", url, o)
			}
			want := map[string]string{"rediss": "h:1", "rediss+sentinel": "my-master_1.x@h:1,i:26379", "rediss+cluster": "h:1,[::1]:6379"}
			scheme, _, _ := strings.Cut(url, "://")
			if node != want[scheme] || node != o.Addr || !slices.Contains([]int{0, 2}, o.DB) {
				t.Errorf("%s: the node is called %q, its address is %q, its database %d", url, node, o.Addr, o.DB)
			}
		})); err != nil || !seen {
			t.Errorf("%s: %v", url, err)
		}
	}
}
