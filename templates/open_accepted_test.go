package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/mutex"
)

// What the parser accepts, package mutex opens, unless it hangs on variables: a mistake that shows only when the
// application starts was overlooked before.
func TestWhatIsAcceptedOpens(t *testing.T) {
	files, err := filepath.Glob(scenarios + "/*/mutexes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		opened += opens(t, path, source)
	}
	if opened < 200 {
		t.Errorf("only %d mutexes of the scenarios are opened", opened)
	}
	for seed := range uint32(300) {
		source := (&dice{noise(1000 + seed)}).file()
		opens(t, string(source), source)
	}
}

// TestBothNameTheVariableOfAURLAlike asks the runtime for which variable it looks.
func TestBothNameTheVariableOfAURLAlike(t *testing.T) {
	for _, name := range []string{"NightlyReport", "HTTPServer", "Sku2Stock", "A", "AB", "ABc", "A1B", "ÄrgerÖl", "X_Y", "LockHTTP2XYZ", "日本A", "ǅa"} {
		var asked []string
		set, err := mutex.OpenSet([]mutex.Definition{{Name: name, URL: "redis://localhost", Key: "k", Expiration: time.Minute,
			DriftFactor: 0.01, RetryInterval: time.Second}}, mutex.WithEnv(func(variable string) (string, bool) {
			asked = append(asked, variable)
			return "", false
		}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := set.Close(); err != nil {
			t.Error(err)
		}
		if want := (&definition.Mutex{Name: name}).URLVariable(); len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: the runtime looks for %q, the generator names %s", name, asked, want)
		}
	}
}

// opens opens those mutexes whose nodes are known, and returns their number.
func opens(t *testing.T, name string, source []byte) int {
	t.Helper()
	file, _ := definition.Parse("mutexes.yaml", source)
	if file == nil {
		return 0
	}
	var definitions []mutex.Definition
	for i := range file.Mutexes {
		m := &file.Mutexes[i]
		urls := slices.Concat(append([][]string{{m.URL}, m.Servers}, m.Cluster...)...)
		if slices.ContainsFunc(urls, regexp.MustCompile(`\$\{\w+\}`).MatchString) {
			continue
		}
		definitions = append(definitions, mutex.Definition{
			Name: m.Name, Doc: m.Doc, URL: m.URL, Servers: m.Servers, Cluster: m.Cluster, Key: m.Key.Template,
			Expiration: m.Expiration, Wait: m.Wait, MaxRetry: m.MaxRetry, RetryInterval: m.RetryInterval, RetryJitter: m.RetryJitter,
			DriftFactor: m.DriftFactor, NodeTimeout: m.NodeTimeout, PoolSize: m.PoolSize, ReconnectionInterval: m.ReconnectionInterval,
			Renew: m.Renew, MaxHold: m.MaxHold, Fencing: m.Fencing, FencingMemory: m.FencingMemory, RestartGuard: m.RestartGuard, Replicas: m.Replicas,
		})
	}
	set, err := mutex.OpenSet(definitions, mutex.WithEnv(func(string) (string, bool) { return "", false }))
	if err != nil {
		t.Errorf("%s: it doesn't open: %v", name, err)
		return 0
	}
	if err := set.Close(); err != nil {
		t.Errorf("%s: it doesn't close: %v", name, err)
	}
	return len(definitions)
}

// A URL is wrong when the code is generated if it is when the application starts, and only then.
func TestBothReadURLsAlike(t *testing.T) {
	var urls []string
	for _, scheme := range []string{"redis", "rediss", "unix", "REDIS", "http", "redis-sentinel"} {
		for _, address := range []string{"", "a", "a:1", "a:0", "a:65536", "a:x", "[::1]", "::1", "[::1]:1", "[::1", "u@a", "u:p@a", "u:p@[::1]:1", "@a", "a@b@c", "/s", "/"} {
			for _, rest := range []string{"", "/", "/1", "/1/", "/01", "/-1", "/x", "/1/2", "?", "?db=2", "/1?db=x", "?x=1", "#", "/#x", "/a@b", "?a@b",
				"?%zz", "?db=1;db=2", "?client_name=%20"} {
				urls = append(urls, scheme+"://"+address+rest)
			}
		}
	}
	for _, name := range strings.Fields("db protocol client_name max_retries min_retry_backoff max_retry_backoff dial_timeout read_timeout write_timeout pool_fifo " +
		"pool_size pool_timeout min_idle_conns max_idle_conns max_active_conns max_concurrent_dials pipeline_pool_size pipeline_read_buffer_size " +
		"pipeline_write_buffer_size conn_max_idle_time idle_timeout conn_max_lifetime max_conn_age conn_max_lifetime_jitter skip_verify " +
		"idle_check_frequency username password addr network tls DB") {
		for _, value := range []string{"", "1", "-1", "0", "5s", "-5s", "true", "TRUE", "x", "1.5", "99999999999999999999"} {
			urls = append(urls, "redis://a?"+name+"="+value, "rediss://a?"+name+"="+value, "unix:///a?"+name+"=1&"+name+"="+value)
		}
	}
	for _, scheme := range []string{"redis+sentinel", "rediss+sentinel", "redis+cluster", "REDISS+CLUSTER", "unix+cluster", "redis+", "+cluster", "redis"} {
		for _, hosts := range []string{"", "a", "a,b", "a:1,b:2", "a:,b", "a,", ",a", "a,,b", ":1", "a:0", "a:65536", "a:x,b", "a:1:2", "[::1],[::2]:1", "::1,b", "[::1,b", "a,A",
			"a,a:1", "u@a,b", "u:p@a,b", "u:p,q@a:1,b", "@a,b", "a@b@c,d", "a%2Cb", "%zz,a", "u:%zz@a", "a;b", "a b"} {
			for _, rest := range []string{"", "/", "//", "/m", "/m/", "//m//", "/m/1", "/m/01/", "/m/-1", "/m/x", "/m//1", "/m/1/2", "/0", "/0/", "/00", "/1", "/m-._9", "/m%41",
				"/m+", "/ä", "/m,n", "?", "/m?", "/m?db=2", "/m/1?db=0", "?db=0", "?db=+0", "?db=00", "/0?db=1", "/m?db=x", "/m?db=-1", "#", "/m#x", "/m?a@b", "/m?%zz",
				"/m?sentinel_password=p", "/m?sentinel_username=u&sentinel_password=p", "/m?sentinel_username=u", "?sentinel_password=", "/m?ca_file=", "/m?key_file=k",
				"?server_name=s", "/m?server_name=s&server_name=", "/m?skip_verify=1", "/m?client_name=x;y", "?x=1", "/m?DB=1"} {
				urls = append(urls, scheme+"://"+hosts+rest)
			}
		}
	}
	urls = append(urls, "redis://a?idle_timeout=1&conn_max_idle_time=1", "redis://a?max_conn_age=1&conn_max_lifetime=1", "redis://a?")
	urls = append(urls, table(t)...)
	wrong := 0
	for _, url := range urls {
		source := "version: 1\nmutexes: [{name: A, url: '" + url + "'}]\n"
		file, findings := definition.Parse("mutexes.yaml", []byte(source))
		set, err := mutex.OpenSet([]mutex.Definition{{Name: "A", URL: url, Key: "a", Expiration: 1e10, RetryInterval: 1e8, PoolSize: 2, ReconnectionInterval: 1e9}})
		if err == nil {
			err = set.Close()
		}
		if err != nil {
			wrong++
		}
		if (err != nil) != (file == nil) {
			t.Errorf("%s: here %v, and there %v", url, findings, err)
		}
	}
	if wrong < len(urls)/4 || wrong > len(urls)*9/10 {
		t.Errorf("%d of %d are wrong: the test says little", wrong, len(urls))
	}
}

// table are the URLs that package definition is tested with, but for those that name files, which Open reads.
func table(t *testing.T) (urls []string) {
	t.Helper()
	text, err := os.ReadFile("../internal/definition/testdata/urls.txt")
	if err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile(`_file=[^&]`)
	for line := range strings.Lines(string(text)) {
		verdict, url, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && verdict != "#" && (verdict == "refused" || !file.MatchString(url)) {
			urls = append(urls, url)
		}
	}
	if len(urls) < 80 {
		t.Fatalf("%d URLs only", len(urls))
	}
	return urls
}

func FuzzBothReadURLsAlike(f *testing.F) {
	for _, seed := range []string{"redis://u:p@a:1/2?db=3", "unix:///a?db=1", "redis+sentinel://u:p@s1:1,[::1]/m/1?sentinel_username=a&sentinel_password=b",
		"rediss+cluster://c1,c2:7/0?server_name=x&db=0", "redis://?%00", "redis:///+0"} {
		f.Add(seed)
	}
	beyond := regexp.MustCompile(`[^!-~]|[\\'$]|_(file|%66)`) // what YAML or the environment would change, and files, which Open reads
	f.Fuzz(func(t *testing.T, url string) {
		if beyond.MatchString(url) {
			return
		}
		file, findings := definition.Parse("mutexes.yaml", []byte("version: 1\nmutexes: [{name: A, url: '"+url+"'}]\n"))
		set, err := mutex.OpenSet([]mutex.Definition{{Name: "A", URL: url, Key: "a", Expiration: 1e10, RetryInterval: 1e8, PoolSize: 2, ReconnectionInterval: 1e9}})
		if err == nil {
			err = set.Close()
		}
		if (err != nil) != (file == nil) {
			t.Errorf("%s: here %v, and there %v", url, findings, err)
		}
	})
}
