package definition

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"redis://localhost:6379": "",
		"redis://localhost":      "",
		"redis://":               "",
		"REDIS://localhost":      "",
		"rediss://user:${PASSWORD}@cache.example.com:6380/3":     "",
		"redis://[::1]:6379/0?dial_timeout=5s":                   "",
		"unix:///var/run/redis.sock?db=2":                        "",
		"${REDIS_URL}":                                           "",
		"${REDIS_URL:-redis://:${}":                              "0: a reference inside a reference",
		"${REDIS_URL:-redis://localhost:6379/0?client_name=b-c}": "",
		"redis://a?db=1&db=2&client_name=":                       "",
		"rediss://a?skip_verify=true":                            "",
		"redis://a?skip_verify=true":                             "10: skip_verify is for rediss://",
		"redis://a?dail_timeout=5s":                              "10: the URL has an unknown parameter: \"dail_timeout\"",
		"redis://a?dial_timeout=5":                               "",
		"redis://a?dial_timeout=soon":                            "10: the value of dial_timeout in the URL must be a duration",
		"redis://a?pool_size=two":                                "10: the value of pool_size in the URL must be a whole number",
		"redis://a?pool_fifo=yes":                                "10: the value of pool_fifo in the URL must be true or false",
		"redis://a?a=%zz":                                        "9: the parameters of the URL are malformed",
		"redis://a?db=-1":                                        "10: the database in the URL is negative",
		"unix:///a?x":                                            "10: the URL has an unknown parameter: \"x\"",
		"redis://a/0@b":                                          "0: an @ behind the address in the URL",
		"redis://::1:6379":                                       "0: an IPv6 address without brackets in the URL",
		"redis://a?client_name=x;y":                              "9: the parameters of the URL are malformed",
		"redis://${HOST}:${PORT:-6379}/${DB:-0}":                 "",
		"${SCHEME}://localhost":                                  "",
		"${SCHEME:-rediss}://localhost":                          "",
		"${BASE}/1":                                              "",
		"redis://localhost/$x":                                   "0: the database in the URL is not a number",
		"":                                                       "0: the URL is empty",
		"${A:-}":                                                 "0: the URL is empty where its variables are not set",
		"${":                                                     "0: ${ without a closing brace",
		"日${A":                                                   "1: ${ without a closing brace",
		"${}":                                                    "0: ${} without a variable's name",
		"${:-redis://a}":                                         "0: ${} without a variable's name",
		"redis://${A B}":                                         "11: a space or control character in the URL",
		"redis://${A-B}":                                         "8: not a reference to a variable",
		"redis://${A:=b}":                                        "8: not a reference to a variable",
		"redis://${1A}":                                          "8: not a reference to a variable",
		"redis://${Ä}":                                           "8: not a reference to a variable",
		"${A:-${B}}":                                             "0: a reference inside a reference",
		"${A:-http://a}":                                         "0: unsupported scheme \"http\"",
		"$REDIS_URL":                                             "0: not a URL",
		"localhost:6379":                                         "0: not a URL",
		"redis:localhost":                                        "0: not a URL",
		"a b://c":                                                "1: a space or control character in the URL",
		"red is://c\x00":                                         "3: a space or control character in the URL",
		"http://localhost":                                       "0: unsupported scheme \"http\"",
		"rédis://localhost":                                      "0: not a URL",
		"unix://":                                                "0: the URL has no path of a socket",
		"redis://localhost:0":                                    "0: the port in the URL is not within 1 and 65535",
		"redis://localhost:65536":                                "0: the port in the URL is not within 1 and 65535",
		"redis://localhost:port":                                 "0: malformed URL",
		"redis://[::1":                                           "0: malformed URL",
		"redis://localhost/a":                                    "0: the database in the URL is not a number",
		"redis://localhost/-1":                                   "0: the database in the URL is not a number",
		"redis://localhost/1#a":                                  "0: a # in the URL",
		"redis://${HOST}?dail_timeout=${T}":                      "16: the URL has an unknown parameter: \"dail_timeout\"",
		"redis://${HOST}?dial_timeout=${T}&${Q}":                 "",
		"redis://${HOST}/${DB}?db=-${N}":                         "22: the database in the URL is negative",
		"redis://a,b":                                            "9: several hosts in a redis:// URL",
		"rediss://u:p,q@${A},${B}":                               "19: several hosts in a rediss:// URL",
		"redis://${A:-x,y}":                                      "14: several hosts in a redis:// URL",
		"redis://u:p,/q@a":                                       "0: malformed URL",
		"redis://${U}:p,/q@a":                                    "",
		"redis://a?ca_file=x":                                    "10: ca_file is for rediss://",
		"redis://${A}?server_name=":                              "",
		"redis://${A}?server_name=${B}":                          "13: server_name is for rediss://",
		"redis://a?skip_verify=":                                 "10: skip_verify is for rediss://",
		"redis://a?sentinel_password=x":                          "10: sentinel_password is for sentinels",
		"unix:///a?sentinel_username=x":                          "10: sentinel_username is for sentinels",
		"unix:///a?cert_file=x":                                  "10: cert_file is for rediss://",
		"redis://a?%00":                                          "10: the URL has an unknown parameter: \"\\x00\"",
		"redis://a?db=%00":                                       "10: the value of db in the URL must be a whole number",
		"redis://a/+0":                                           "",
		"rediss://a?cert_file=x":                                 "11: cert_file without key_file in the URL",
		"rediss://a?x=&key_file=${K}":                            "11: the URL has an unknown parameter: \"x\"",
		"rediss://a?key_file=${K}":                               "11: key_file without cert_file in the URL",
		"rediss://a?key_file=${K}&${MORE}":                       "",
		"rediss://a?key_file=${K:-}&cert_file=${C:-}":            "",
		"redis://localhost\u2028":                                "17: a space or control character in the URL",
	} {
		var got []string
		for _, p := range checkURL(url) {
			got = append(got, fmt.Sprintf("%d: %s", p.offset, p.message))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: got %q, want %q", url, got, want)
		}
	}
}

func TestURLsWithAListOfHosts(t *testing.T) {
	const unnamed = "the URL does not name the master that the sentinels watch"
	for url, want := range map[string]string{
		"redis+sentinel://s1:26379,s2:26379,s3/mymaster":       "",
		"redis+sentinel://${S1},${S2:-host}/mymaster":          "",
		"${R:-redis}+sentinel://s/m":                           "",
		"rediss+sentinel://u:${PW}@${S1}:26379/${M}/${DB:-0}":  "",
		"redis+sentinel://${ALL}":                              "",
		"redis+sentinel://${S1},${S2}":                         "28: warning: " + unnamed,
		"redis+sentinel://${S1},s2":                            "25: " + unnamed,
		"redis+sentinel://s1,s2?client_name=x":                 "22: " + unnamed,
		"redis+sentinel://s1//":                                "19: " + unnamed,
		"redis+sentinel://s1,s2/0":                             "22: warning: the URL has a number where the master's name should be",
		"redis+sentinel://s1/0/m":                              "22: the database in the URL is not a number",
		"redis+sentinel://s1/m/1/2":                            "19: the URL has more behind its hosts than a master's name and a database",
		"redis+sentinel://s1/${M}/1/2":                         "",
		"redis+sentinel:///m":                                  "17: the URL has no host",
		"redis+cluster://u:p@/":                                "20: the URL has no host",
		"redis+sentinel://s1,,s2/m":                            "20: a host is missing in the list of the URL",
		"redis+sentinel://s1,:1/m":                             "20: a host is missing in the list of the URL",
		"redis+cluster://c1:6379,c2:99999,c3":                  "24: the port in the URL is not within 1 and 65535",
		"redis+cluster://${C1}:0,c2":                           "16: the port in the URL is not within 1 and 65535",
		"redis+cluster://${C1:-c1:x},c2":                       "22: the port in the URL is not within 1 and 65535",
		"redis+cluster://c1:${PORT},${C2}":                     "",
		"redis+cluster://[::${C}]:1":                           "",
		"redis+sentinel://s1,::1/m":                            "20: an IPv6 address without brackets in the URL",
		"redis+sentinel://[::1],[::2/m":                        "23: malformed URL",
		"redis+sentinel://[s1]/m":                              "17: malformed URL",
		"redis+sentinel://s1,S1:26379/m":                       "20: a host that the URL lists already",
		"redis+cluster://c1:6379,c1,c1":                        "24: a host that the URL lists already",
		"redis+cluster://${A:-localhost},${B:-localhost}":      "37: a host that the URL lists already",
		"redis+cluster://${A:-localhost,localhost}":            "31: a host that the URL lists already",
		"redis+cluster://${A},${A},${B:-b}":                    "",
		"redis+sentinel://s1/my%20master":                      "20: the master's name in the URL has a character that none has",
		"redis+sentinel://s1/${M}+":                            "20: the master's name in the URL has a character that none has",
		"redis+sentinel://s1/m//1":                             "19: the URL has more behind its hosts than a master's name and a database",
		"redis+sentinel://s1/m?sentinel_username=u":            "22: sentinel_username without sentinel_password in the URL",
		"redis+sentinel://s1/m?sentinel_username=u&${Q}":       "",
		"redis+sentinel://s1/m?sentinel_username=${U:-}":       "",
		"redis+cluster://c1,c2/1":                              "21: a Redis Cluster has no database but 0",
		"redis+cluster://c1?db=${DB:-2}":                       "19: a Redis Cluster has no database but 0",
		"redis+cluster://c1/name":                              "18: the URL of a Redis Cluster ends with its hosts",
		"redis+cluster://${C}/${DB}?db=${DB}":                  "",
		"redis+sentinel://s1/0#mymaster":                       "21: a # in the URL",
		"redis+sentinel://:ge#heim@s1/m":                       "20: a # in the URL",
		"redis+cluster://c1#0":                                 "18: a # in the URL",
		"redis+sentinel://:ge/heim@s1/m":                       "20: an @ behind the address in the URL",
		"redis+sentinel://s1/m?sentinel_password=a@b":          "19: an @ behind the address in the URL",
		"redis+sentinel://:ge%heim@s1/m":                       "17: malformed URL",
		"redis+sentinel://s1/%zz":                              "20: the master's name in the URL has a character that none has",
		"redis+sentinel://s1/m?dail_timeout=1":                 "22: the URL has an unknown parameter: \"dail_timeout\"",
		"redis+sentinel://s1/m?db=1&sentinel_password=${A}&x=": "50: the URL has an unknown parameter: \"x\"",
		"redis+sentinel://${S}/m?ca_file=${CA}":                "24: ca_file is for rediss://",
		"redis+cluster://c?sentinel_username=x":                "18: sentinel_username is for sentinels",
		"日redis+cluster://c":                                   "0: not a URL",
		"redis+cluster://${日}":                                 "16: not a reference to a variable",
		"redis-sentinel://s/m":                                 "0: unsupported scheme \"redis-sentinel\"",
	} {
		var got []string
		for _, p := range checkURL(url) {
			severity := ""
			if p.Severity == Warning {
				severity = "warning: "
			}
			got = append(got, fmt.Sprintf("%d: %s%s", p.offset, severity, p.message))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: got %q, want %q", url, got, want)
		}
	}
}

// The hints teach how it is written here.
func TestWhoWritesItOtherwiseIsToldHowItIsWrittenHere(t *testing.T) {
	for url, want := range map[string]string{
		"redis-sentinel://s/m":                        "redis+sentinel://host1:26379,host2:26379/master-name",
		"rediss-sentinel://s/m":                       "rediss+sentinel://host1:26379",
		"sentinel://s":                                "redis+sentinel://",
		"redis-cluster://c":                           "redis+cluster://host1:6379,host2:6379",
		"redis+tls+cluster://c":                       "rediss+cluster://",
		"tls://a":                                     "rediss://localhost:6379",
		"redis+ssl://a":                               "rediss://localhost:6379",
		"redis+unix:///a":                             "unix:///var/run/redis.sock",
		"redis+socket:///a":                           "unix:///var/run/redis.sock",
		"tcp://a":                                     "redis+sentinel://, and a Redis Cluster redis+cluster://",
		"redis://a,b":                                 "redis+cluster://host1,host2, a master",
		"rediss://a,b":                                "rediss+sentinel://host1,host2/master-name",
		"redis://a?master_name=m":                     "behind the hosts: redis+sentinel://",
		"redis://a?addr=b:1":                          "hosts are listed with commas",
		"redis://a?Password=b":                        "before the host",
		"redis://a?ssl=true":                          "rediss://",
		"rediss://a?cacert=b":                         "ca_file",
		"rediss://a?sever_name=b":                     "server_name",
		"rediss://a?cert_files=b":                     "cert_file",
		"redis+sentinel://s/m?sentinel_pasword=b":     "sentinel_password",
		"redis://a?ca_file=b":                         "write rediss://",
		"redis+sentinel://a/m?skip_verify=true":       "write rediss+sentinel://",
		"unix:///a?skip_verify=true":                  "a socket needs no TLS",
		"rediss+sentinel://s1":                        "rediss+sentinel://host1:26379,host2:26379/master-name; SENTINEL MASTERS",
		"redis+sentinel://s1/0#m":                     "redis+sentinel://host1:26379,host2:26379/master-name",
		"redis+sentinel://s1/0/m":                     "the master's name comes first",
		"redis+sentinel://s1/3":                       "redis+sentinel://host1:26379,host2:26379/master-name/3",
		"redis+sentinel://s1,::1/m":                   "redis+sentinel://[::1]:26379",
		"redis+sentinel://s1/m?sentinel_password=a@b": "%40",
		"redis+cluster://c/3":                         "begin the keys with a text of their own",
		"rediss://a?cert_file=b":                      "the certificate and its private key",
		"redis://a?sentinel_username=b":               "redis+sentinel://",
	} {
		var hint string
		if problems := checkURL(url); len(problems) > 0 {
			hint = problems[0].hint
		}
		if !strings.Contains(hint, want) {
			t.Errorf("%s: %q, want %q", url, hint, want)
		}
	}
}

// TestURLsAreReadAsTheTableHasIt is one half of an agreement: the runtime reads the same table.
func TestURLsAreReadAsTheTableHasIt(t *testing.T) {
	table, err := os.ReadFile("testdata/urls.txt")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(table)) {
		verdict, url, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || verdict == "#" {
			continue
		}
		count++
		problems := checkURL(url)
		refused := slices.ContainsFunc(problems, func(p problem) bool { return p.Severity == Error })
		if verdict != "ok" && verdict != "refused" || refused != (verdict == "refused") {
			t.Errorf("%s: %+v, want %s", url, problems, verdict)
		}
	}
	if count < 80 {
		t.Errorf("%d URLs only", count)
	}
}

func TestAURLWithACommaNeedsQuotesInAList(t *testing.T) {
	const quotes = "in [ ] and { } a URL with a comma in it needs quotes"
	for text, want := range map[string]bool{
		"servers: [redis+cluster://a:1,b:2,c:3]":                    true,
		"servers: [redis+sentinel://a,b/m]":                         true,
		"servers: ['redis+cluster://a:1,b:2']":                      false,
		"servers: [redis+cluster://a, nonsense, redis+cluster://c]": false,
		"{url: redis+sentinel://a,b/m}":                             true,
		"url: redis+sentinel://a,b":                                 false,
	} {
		flow := strings.TrimPrefix(text, "{")
		source := "version: 1\nmutexes:\n- name: A\n  " + text + "\n"
		if flow != text {
			source = "version: 1\nmutexes:\n- {name: A, " + flow + "\n"
		}
		if got := strings.Contains(headlines(source), quotes); got != want {
			t.Errorf("%s: %s", text, headlines(source))
		}
	}
}

func TestAURLIsText(t *testing.T) {
	for value, want := range map[string]string{
		"[redis://a]": "4:8: url must be the URL of a node; this is a list\nhint: several nodes go into servers\n",
		"6379":        "4:8: url must be the URL of a node; this is a number\nhint: for example redis://localhost:6379\n",
		"":            "4:7: url has no value\nhint: give it a value, or remove the line\n",
	} {
		if got := headlines("version: 1\nmutexes:\n- name: A\n  url: " + value + "\n"); got != want {
			t.Errorf("%q: got\n%swant\n%s", value, got, want)
		}
	}
}

func TestLiteralPasswordsAreSeen(t *testing.T) {
	for url, want := range map[string]bool{
		"redis://:geheim@localhost":                                        true,
		"redis://user:geheim@localhost":                                    true,
		"${A:-redis://:geheim@localhost}":                                  true,
		"redis://:${A:-geheim}@localhost":                                  true,
		"redis://:x${A}@localhost":                                         true,
		"redis://:ge/heim@localhost":                                       true,
		"redis://:ge#heim@localhost":                                       true,
		"redis://:ge@heim@localhost":                                       true,
		"redis://:@geheim@localhost":                                       true,
		"${SCHEME}://:geheim@localhost":                                    true,
		"${BASE}:geheim@localhost":                                         true,
		"unix://user:geheim@/redis.sock":                                   true,
		"redis://:geheim@${HOST":                                           true,
		"redis://:${A}@localhost":                                          false,
		"redis://user:${A:-}@localhost":                                    false,
		"redis://user@localhost":                                           false,
		"redis://localhost:6379/0?client_name=@a":                          false,
		"redis://[::1]:6379":                                               false,
		"unix:///a:b@c":                                                    false,
		"redis://localhost:${PORT}/@":                                      false,
		"":                                                                 false,
		"redis+sentinel://u:geheim@s1,s2/m":                                true,
		"redis+sentinel://s1:1,s2:2/m":                                     false,
		"redis+sentinel://s1:1,u:geh/eim@s2:2/m":                           true,
		"redis+sentinel://[::1]:1,s2:2/m":                                  false,
		"redis+sentinel://s/m?sentinel_password=geheim":                    true,
		"redis+sentinel://s/m?db=1&sentinel%5Fpassword=${A:-geheim}":       true,
		"redis+sentinel://s/m?sentinel_password=x${A}":                     true,
		"${A:-redis+sentinel://s/m?sentinel_password=geheim}":              true,
		"redis+sentinel://:${A}@s/m?sentinel_password=${B}&db=1":           false,
		"redis+sentinel://s/m?sentinel_password=&sentinel_username=geheim": false,
	} {
		if got := hasPassword(url); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}

// However a password is written, and whatever else is wrong, nothing that is printed shows it.
func TestNoPasswordIsPrinted(t *testing.T) {
	const secret = "geheim"
	for _, line := range []string{
		"url: redis://:geheim@localhost",
		"url: redis://:geheim@localhost # a comment",
		"url: \"redis://user:geheim@localhost\"",
		"url: 'redis://user:x geheim''\"@localhost'",
		"url: ${A:-redis://:geheim@localhost}",
		"url: redis://:x${A:-geheim}@localhost",
		"url: redis://:x/geheim@localhost",
		"url: redis://:x@geheim@localhost",
		"url: redis://:x://geheim@localhost",
		"url: 'redis://:\"a://geheim@localhost'",
		"url: http://:geheim@localhost",
		"url: redis://:geheim@localhost:port",
		"url: redis://:geheim@localhost/${",
		"url: !!str redis://:geheim@localhost",
		"url: &a redis://:geheim@localhost",
		"url: \"redis://:geheim\\u0040localhost\"",
		"url: \"redis:\\/\\/:geheim@localhost\"",
		"url: \"redis\\x3a//:geheim@localhost\"",
		"url: \"redis://:x\\\n      geheim@localhost\"",
		"url: >-\n      redis://:geheim@localhost",
		"url: redis://:x\n      geheim@localhost",
		"servers: [\"redis://:geheim@a\", redis://:geheim@b]",
		"servers: [redis://:geheim@a, redis://:geheim@a, redis://:geheim@a]",
		"cluster: [[redis://:geheim@a, {a: b}, \"redis://c\"]]",
		"expiration: redis://:geheim@a",
		"key: \"redis://:geheim@a{\"",
		"name: redis://:geheim@a",
		"package: redis://:geheim@a",
		"redis://:geheim@a: 1",
		"url: redis://:geheim@a: 1",
		"url: [redis://:geheim@a",
		"url: redis+sentinel://u:geheim@s1:26379,s2/mymaster",
		"url: redis+sentinel://u:geheim@s1:26379,s2",
		"url: redis+sentinel://s1:26379,u:geheim/mymaster",
		"url: redis+sentinel://s1,s2:26379,u:geheim@s3",
		"url: redis+sentinel://u:x,geheim@s1",
		"url: redis+sentinel://u:x/geheim@s1,s2/m",
		"url: redis+sentinel://u:x#geheim@s1,s2/m",
		"url: redis+sentinel://s1,s2/m?sentinel_password=geheim",
		"url: redis+sentinel://s1,s2?sentinel_username=u&sentinel_password=geheim&db=1",
		"url: redis+sentinel://u:geheim@s1/m?sentinel_password=x@geheim",
		"url: redis+sentinel://s1/m?sentinel%5Fpassword=geheim",
		"url: redis+sentinel://s1/m?sentinel_password=${A:-geheim}",
		"url: redis+sentinel://s1/m?sentinel_password=x${A}geheim",
		"url: ${A:-redis+sentinel://s1/m?sentinel_password=geheim}",
		"url: \"redis+sentinel://s1/m?sentinel_password\\u003dgeheim\"",
		"url: \"redis+sentinel:\\/\\/s1,u:geheim\\/m\"",
		"url: redis+sentinel://s1/m?sentinel_passwort=geheim&Sentinel_Password=geheim",
		"url: redis://a?sentinel_password=geheim",
		"url: redis://a?SENTINEL_AUTH=geheim",
		"url: redis+cluster://u:geheim@c1,c2:99999",
		"url: redis+cluster://c1,u:geheim,c2",
		"url: redis+cluster://c1,${U}:geheim,c2",
		"url: redis-cluster://u:geheim@c1,c2",
		"url: redis://u:geheim@c1,c2",
		"url: redis://c1,u:geheim@c2",
		"servers: [redis+cluster://u:geheim@c1,c2:1]",
		"servers: [\"redis+cluster://u:geheim@c1,c2:1\", \"redis+cluster://u:geheim@c1,c2:1\", \"redis+sentinel://u:geheim@c1,c2:1/m\"]",
		"{a: redis+sentinel://u:geheim@c1,c2:1/m}",
		"\turl: redis://:geheim@a",
	} {
		text := "version: 1\nmutexes:\n  - name: a\n    " + line + "\n    wait: x\n"
		if got := rendered(text); strings.Contains(got, secret) || got == "" {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestAPasswordIsMaskedAndTheRestShown(t *testing.T) {
	for line, want := range map[string]string{
		`a: redis://:pw@h`: `a: redis://:***@h`,
		`a: ["redis://h1:6379", "redis://u:pw@h2", redis://h]`:          `a: ["redis://h1:6379", "redis://u:***@h2", redis://h]`,
		`a: ${A:-redis://:pw@h:1}`:                                      `a: ${A:-redis://:***@h:1}`,
		`a: ["redis://:${PW}@h:1"]`:                                     `a: ["redis://:${PW}@h:1"]`,
		`a: redis://h:6379`:                                             `a: redis://h:6379`,
		`a: [redis://h:6379, "redis://[::1]:6379/2", redis://::1:6379]`: `a: [redis://h:6379, "redis://[::1]:6379/2", redis://::1:6379]`,
		`a: redis://${HOST:-h}:6379/${DB:-1}`:                           `a: redis://${HOST:-h}:6379/${DB:-1}`,
		`a: redis://${HOST}:${PORT}`:                                    `a: redis://${HOST}:${PORT}`,
		`a: "${A:-redis://h:6380}"`:                                     `a: "${A:-redis://h:6380}"`,
		`a: (see redis://h:6380).`:                                      `a: (see redis://h:6380).`,
		`a: redis://h?password=123`:                                     `a: redis://h?password=***`,
		`a: "${A}:123@h"`:                                               `a: "${A}:***@h"`,
		`a: redis://h:${PORT}1`:                                         `a: redis://h:***`,
		`a: redis://u:pw`:                                               `a: redis://u:***`,
		`a: redis://${USER}:pw7/1`:                                      `a: redis://${USER}:***/1`,
		`a: ["redis://h?db=1&password=pw&x=y"]`:                         `a: ["redis://h?db=1&password=***&x=y"]`,
		`a: redis://h?Auth=${PW}`:                                       `a: redis://h?Auth=${PW}`,
		`ulr: "${A}:pw@h"`:                                              `ulr: "${A}:***@h"`,
		`key: a:{b:int64}:c@d?e=f`:                                      `key: a:{b:int64}:c@d?e=f`,
		`a: redis+sentinel://h1:26379,h2:26379/m`:                       `a: redis+sentinel://h1:26379,h2:26379/m`,
		`a: redis+sentinel://u:pw@h1:1,h2:2/m?db=1`:                     `a: redis+sentinel://u:***@h1:1,h2:2/m?db=1`,
		`a: redis+sentinel://${A}:1,${B}:${P},[::1]:3/m`:                `a: redis+sentinel://${A}:1,${B}:${P},[::1]:3/m`,
		`a: redis+sentinel://h1:1,u:pw/m`:                               `a: redis+sentinel://h1:1,u:***/m`,
		`a: redis+sentinel://h/m?sentinel_password=pw&db=1`:             `a: redis+sentinel://h/m?sentinel_password=***&db=1`,
		`a: redis+sentinel://h/m?sentinel_password=${PW}`:               `a: redis+sentinel://h/m?sentinel_password=${PW}`,
		`a: ["redis+cluster://u:pw@h,i:7", "redis://u:pw@j"]`:           `a: ["redis+cluster://u:***@h,i:7", "redis://u:***@j"]`,
		`key: a,b:c`:                          `key: a,b:c`,
		`a: [redis://:p://q@h, redis://:r@h]`: `a: [redis://:***@h, redis://:***@h]`,
	} {
		if got := Masked(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
