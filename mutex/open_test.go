package mutex_test

import (
	"fmt"
	"math"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/mutex"
)

// environment is an option that looks variables up in a map.
func environment(variables map[string]string) mutex.Option {
	return mutex.WithEnv(func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	})
}

// addresses opens definitions and returns their nodes, each as address, database and password.
func addresses(t *testing.T, definitions []mutex.Definition, options ...mutex.Option) []string {
	t.Helper()
	var nodes []string
	options = append(options, mutex.WithRedisOptions(func(node string, options *redis.Options) {
		if node != options.Addr {
			t.Errorf("the node is called %q and its address is %q", node, options.Addr)
		}
		nodes = append(nodes, fmt.Sprintf("%s/%d %s", options.Addr, options.DB, options.Password))
	}))
	set, err := mutex.OpenSet(definitions, options...)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
	return nodes
}

func TestVariablesInURLs(t *testing.T) {
	t.Parallel()
	variables := map[string]string{
		"URL": "redis://host:1/2", "HOST": "host", "PORT": "1", "EMPTY": "", "PASSWORD": "p%40ss", "REFERENCE": "redis://${HOST}", "_X1": "x",
	}
	for _, test := range []struct{ url, want string }{
		{"${URL}", "host:1/2 "},
		{"redis://${HOST}:${PORT}/2", "host:1/2 "},
		{"redis://:${PASSWORD}@${HOST}:${PORT}", "host:1/0 p@ss"},
		{"redis://${_X1}:1", "x:1/0 "},
		{"${URL:-redis://other:9}", "host:1/2 "},
		{"${UNSET:-redis://other:9}", "other:9/0 "},
		{"${EMPTY:-redis://other:9}", "other:9/0 "},
		{"redis://${UNSET:-other}:${PORT:-9}", "other:1/0 "},
		{"redis://:${UNSET:-a:-b}@other:9", "other:9/0 a:-b"},
		{"redis://${HOST}:1${UNSET:-}", "host:1/0 "},
		{"redis://:$URL@other:9", "other:9/0 $URL"},
	} {
		got := addresses(t, []mutex.Definition{on(test.url)}, environment(variables))
		if !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s: opens %q; want %q", test.url, got, test.want)
		}
	}
	for _, test := range []struct{ url, want string }{
		{"redis://${UNSET}", "UNSET is not set"},
		{"redis://${EMPTY}", "EMPTY is empty"},
		{"redis://${host}", "host is not set"},
		{"redis://${HOST", "never closed"},
		{"redis://${UNSET:-${HOST}}", "a reference inside a reference"},
		{"redis://${}", "no name of a variable"},
		{"redis://${:-host}", "no name of a variable"},
		{"redis://${HO ST}", "no name of a variable"},
		{"redis://${HOST-host}", "no name of a variable"},
		{"redis://${1X}", "no name of a variable"},
		{"${REFERENCE}", "this is no URL"}, // what a variable holds is not expanded again
	} {
		wantText(t, openError(on(test.url), environment(variables)), "Counter: url: ", test.want)
	}
}

func TestVariablesAreTheProcesssOwnUnlessAnOptionSaysOtherwise(t *testing.T) {
	t.Setenv("MUTEX_TEST_HOST", "host")
	definitions := []mutex.Definition{on("redis://${MUTEX_TEST_HOST}:1")}
	if got := addresses(t, definitions, mutex.WithEnv(nil), nil); !slices.Equal(got, []string{"host:1/0 "}) {
		t.Errorf("opens %q; want host:1", got)
	}
	wantText(t, openError(definitions[0], environment(nil)), "MUTEX_TEST_HOST is not set")
}

func TestVariableNamedAfterTheMutexOverridesItsURL(t *testing.T) {
	t.Parallel()
	for name, variable := range map[string]string{
		"NightlyReport": "MUTEX_NIGHTLY_REPORT_URL",
		"Report":        "MUTEX_REPORT_URL",
		"X":             "MUTEX_X_URL",
		"HTTPServer":    "MUTEX_HTTP_SERVER_URL",
		"ServerHTTP":    "MUTEX_SERVER_HTTP_URL",
		"UserID":        "MUTEX_USER_ID_URL",
		"Report2Mail":   "MUTEX_REPORT2_MAIL_URL",
		"ReportV2":      "MUTEX_REPORT_V2_URL",
		"Übersicht":     "MUTEX_ÜBERSICHT_URL",
	} {
		d := on("redis://defined:1")
		d.Name = name
		got := addresses(t, []mutex.Definition{d}, environment(map[string]string{variable: "redis://:secret@override:2/3"}))
		if !slices.Equal(got, []string{"override:2/3 secret"}) {
			t.Errorf("%s with %s: opens %q", name, variable, got)
		}
		d.URL = "redis://${UNSET}"
		wantText(t, openError(d, environment(map[string]string{variable: "nonsense"})), name+": "+variable+": ", "must begin with")
	}
}

func TestPlaceOfAMutex(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"MUTEX_COUNTER_URL": "redis://env:1", "HOST": "host"}
	url, quorum := on("redis://defined:1"), on("redis://a:1", "redis://b:1", "redis://c:1")
	groups := on()
	groups.Cluster = [][]string{{"redis://g:1"}, {"redis://h:1"}}
	for _, test := range []struct {
		name    string
		d       mutex.Definition
		options []mutex.Option
		want    string
	}{
		{"the variable comes before the definition", url, nil, "env"},
		{"servers have no variable", quorum, nil, "a b c"},
		{"groups have no variable", groups, nil, "g h"},
		{"an option for all comes before the variable", url, []mutex.Option{mutex.WithURL(mutex.AllMutexes, "redis://all:1")}, "all"},
		{"an option for the mutex comes before one for all", url,
			[]mutex.Option{mutex.WithURL("Counter", "redis://own:1"), mutex.WithURL(mutex.AllMutexes, "redis://all:1")}, "own"},
		{"the last option counts", url,
			[]mutex.Option{mutex.WithURL("Counter", "redis://first:1"), mutex.WithServers("Counter", "redis://a:1", "redis://b:1", "redis://c:1")}, "a b c"},
		{"one node instead of servers", quorum, []mutex.Option{mutex.WithURL("Counter", "redis://own:1")}, "own"},
		{"groups instead of a url", url, []mutex.Option{mutex.WithCluster("Counter", []string{"redis://g:1"}, []string{"redis://h:1"})}, "g h"},
		{"options know variables", url, []mutex.Option{mutex.WithURL("Counter", "redis://${HOST}:1")}, "host"},
		{"a node named twice by different mutexes is one", url, []mutex.Option{mutex.WithServers("Counter", "redis://OTHER:1")}, "other"},
	} {
		definitions := []mutex.Definition{test.d}
		if test.name == "a node named twice by different mutexes is one" {
			other := on("redis://other:1")
			other.Name = "Other"
			definitions = append(definitions, other)
		}
		got := addresses(t, definitions, append(test.options, environment(variables))...)
		want := strings.ReplaceAll(test.want, " ", ":1/0 ,") + ":1/0 "
		if strings.Join(got, ",") != want {
			t.Errorf("%s: opens %q; want %q", test.name, got, want)
		}
	}
}

func TestEveryConfigurationErrorIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	named := func(name string, d mutex.Definition) mutex.Definition {
		d.Name = name
		return d
	}
	groups := on()
	groups.Cluster = [][]string{{"redis://a"}, {"redis://b", "redis://A:6379"}, {}}
	_, err := mutex.OpenSet([]mutex.Definition{
		named("NoURL", on("http://localhost")),
		named("Unset", on("${UNSET_A}", "redis://${UNSET_B}", "redis://a")),
		named("Even", on("redis://a", "redis://b")),
		named("Repeated", on("redis://a", "redis://b", "redis://u:p@A:6379/1")),
		named("Groups", groups),
		named("NoNodes", mutex.Definition{Expiration: time.Second}),
		named("Short", with(on("redis://a"), func(d *mutex.Definition) { d.Expiration = time.Millisecond })),
		named("Slow", with(on("redis://a"), func(d *mutex.Definition) { d.NodeTimeout = d.Expiration })),
		named("Negative", with(on("redis://a"), func(d *mutex.Definition) { d.MaxHold = -time.Second })),
		named("Endless", with(on("redis://a"), func(d *mutex.Definition) { d.MaxHold = math.MaxInt64 })),
		named("Useless", with(on("redis://a"), func(d *mutex.Definition) { d.Renew, d.MaxHold = true, d.Expiration })),
		named("Unused", with(on("redis://a"), func(d *mutex.Definition) { d.MaxHold = d.Expiration })),
		named("Fine", with(on("redis://a"), func(d *mutex.Definition) { d.Renew, d.MaxHold = true, d.Expiration+1 })),
	}, mutex.WithURL("Unknown", "redis://a"), mutex.WithServers("fine", "redis://a"), mutex.WithURL(mutex.AllMutexes+"x", ""), environment(nil))
	wantText(t, err,
		"NoURL: url: ", "Unset: servers[0]: ", "UNSET_A", "Unset: servers[1]: ", "UNSET_B",
		"Even: 2 nodes", "Repeated: servers[2]: the same server as servers[0]",
		"Groups: 2 nodes", "Groups: 0 nodes", "Groups: cluster[1][1]: the same server as cluster[0][0]",
		"NoNodes: url: the URL is empty", "Short: expiration 1ms is too short", "Slow: expiration 10s is too short for a node timeout of 10s",
		"Negative: max hold -1s is not within 0", "Endless: max hold 2562047h47m16.854775807s is not within 0",
		"Useless: max hold 10s is not longer than the expiration of 10s",
		"the mutex Unknown", "the mutex fine", "the mutex *x", "there are: NoURL, Unset,",
	)
	for _, name := range []string{"Fine", "Unused"} {
		if err != nil && strings.Contains(err.Error(), name+":") {
			t.Errorf("%v; nothing is wrong with %s", err, name)
		}
	}
}

func TestOptionsThatPlaceAMutexAreChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		option mutex.Option
		want   string
	}{
		{mutex.WithURL("Counter", ""), "Counter: WithURL: the URL is empty"},
		{mutex.WithURL(mutex.AllMutexes, "localhost"), "Counter: WithURL: a URL must begin with"},
		{mutex.WithServers("Counter"), "Counter: 0 nodes in a group"},
		{mutex.WithServers("Counter", "redis://a", "redis://b"), "Counter: 2 nodes in a group"},
		{mutex.WithServers("Counter", "redis://a", "x", "redis://a"), "Counter: WithServers[1]: "},
		{mutex.WithServers("Counter", "redis://a", "x", "redis://a"), "Counter: WithServers[2]: the same server as WithServers[0]"},
		{mutex.WithServers("Counter", slices.Repeat([]string{"redis://a"}, 65)...), "Counter: 65 nodes in a group: a quorum needs an odd number of at most 63"},
		{mutex.WithCluster("Counter"), "Counter: no nodes"},
		{mutex.WithCluster("Counter", nil), "Counter: 0 nodes in a group"},
		{mutex.WithCluster("Counter", []string{"redis://a"}, []string{"redis://b", "redis://c", "redis://a"}),
			"Counter: WithCluster[1][2]: the same server as WithCluster[0][0]"},
		{mutex.WithURL("", "redis://a"), "an option names the mutex "},
	} {
		wantText(t, openError(on("redis://localhost"), test.option), test.want)
	}
}

func TestOpenDoesNoIO(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	start := time.Now()
	for range 20 {
		set := open(t, on("redis://"+listener.Addr().String(), "redis://127.0.0.1:1", "redis://no.such.host.invalid:6379"))
		set.All()
		set.Held()
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	}
	took(t, start, 100*time.Millisecond)
	// Whoever had dialled stands before this one in the line.
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "our own connection is accepted", func() bool { return connections.Load() > 0 })
	listener.Close()
	<-accepting
	if n := connections.Load(); n != 1 {
		t.Errorf("Open made %d connections", n-1)
	}
}

func TestAllDescribesTheDefinitionsAndCannotChangeThem(t *testing.T) {
	t.Parallel()
	one, three, groups := on("redis://a"), on("redis://a", "redis://b", "redis://c"), on()
	one.Doc, three.Name, groups.Name = "counts.", "Three", "Groups"
	groups.Cluster = [][]string{{"redis://a"}, {"redis://b"}}
	definitions := []mutex.Definition{one, three, groups}
	set, err := mutex.OpenSet(definitions)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	all := set.All()
	if !reflect.DeepEqual(all, definitions) {
		t.Fatalf("All is %+v; want %+v", all, definitions)
	}
	all[0].Name, all[1].Servers[0], all[2].Cluster[1][0] = "Changed", "changed", "changed"
	if !reflect.DeepEqual(set.All(), definitions) {
		t.Errorf("All is %+v after a change of its result", set.All())
	}
}
