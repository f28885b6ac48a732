package definition

import (
	"fmt"
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
		"redis://a?skip_verify=true":                             "0: skip_verify is for rediss://",
		"redis://a?dail_timeout=5s":                              "0: the URL has an unknown parameter: \"dail_timeout\"",
		"redis://a?dial_timeout=5":                               "",
		"redis://a?dial_timeout=soon":                            "0: the value of dial_timeout in the URL must be a duration",
		"redis://a?pool_size=two":                                "0: the value of pool_size in the URL must be a whole number",
		"redis://a?pool_fifo=yes":                                "0: the value of pool_fifo in the URL must be true or false",
		"redis://a?a=%zz":                                        "0: the parameters of the URL are malformed",
		"redis://a?db=-1":                                        "0: the database in the URL is negative",
		"unix:///a?x":                                            "0: the URL has an unknown parameter: \"x\"",
		"redis://a/0@b":                                          "0: an @ behind the address in the URL",
		"redis://::1:6379":                                       "0: an IPv6 address without brackets in the URL",
		"redis://a?client_name=x;y":                              "0: the parameters of the URL are malformed",
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
		"redis+sentinel://localhost/mymaster":                    "0: Redis Sentinel is not in this version yet",
		"redis+cluster://localhost":                              "0: Redis Cluster is not in this version yet",
		"unix://":                                                "0: the URL has no path of a socket",
		"redis://localhost:0":                                    "0: the port in the URL is not within 1 and 65535",
		"redis://localhost:65536":                                "0: the port in the URL is not within 1 and 65535",
		"redis://localhost:port":                                 "0: malformed URL",
		"redis://[::1":                                           "0: malformed URL",
		"redis://localhost/a":                                    "0: the database in the URL is not a number",
		"redis://localhost/-1":                                   "0: the database in the URL is not a number",
		"redis://localhost/1#a":                                  "0: a # in the URL",
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
		"redis://:geheim@localhost":               true,
		"redis://user:geheim@localhost":           true,
		"${A:-redis://:geheim@localhost}":         true,
		"redis://:${A:-geheim}@localhost":         true,
		"redis://:x${A}@localhost":                true,
		"redis://:ge/heim@localhost":              true,
		"redis://:ge#heim@localhost":              true,
		"redis://:ge@heim@localhost":              true,
		"redis://:@geheim@localhost":              true,
		"${SCHEME}://:geheim@localhost":           true,
		"${BASE}:geheim@localhost":                true,
		"unix://user:geheim@/redis.sock":          true,
		"redis://:geheim@${HOST":                  true,
		"redis://:${A}@localhost":                 false,
		"redis://user:${A:-}@localhost":           false,
		"redis://user@localhost":                  false,
		"redis://localhost:6379/0?client_name=@a": false,
		"redis://[::1]:6379":                      false,
		"unix:///a:b@c":                           false,
		"redis://localhost:${PORT}/@":             false,
		"":                                        false,
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
		`a: [redis://:p://q@h, redis://:r@h]`:                           `a: [redis://:***@h, redis://:***@h]`,
	} {
		if got := masked(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
