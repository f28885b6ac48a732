package acl

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

func TestTextOfTheRules(t *testing.T) {
	file := parse(t, `
mutexes:
- {name: Report, url: "${REDIS_URL:-redis://u:p@localhost:6379/1}", key: "report:nightly"}
- {name: Transfer, servers: ["redis://locks:${PW}@a", "redis://locks:${PW}@b", "redis://locks:${PW}@c"], key: "account:{id:int64}"}
`)
	const want = `# Each ACL line says what one user needs on the servers above it, for Redis 6.2 or later, and takes away whatever else
# that user was allowed. Enter it at the prompt of redis-cli; or in a shell, behind redis-cli and the server's address.
# Passwords stay as they are. A new user has none, and cannot log in without: ACL SETUSER mutexgen '>a long password'.
# The application's URLs name both: redis://user:password@host:port
# The server forgets all this when it ends, unless ACL SAVE or CONFIG REWRITE has it kept.

# ${REDIS_URL:-redis://localhost:6379/1}
# for Report
# if a variable names another database, N: with '+select|N' at the end
ACL SETUSER mutexgen on resetkeys '~report:nightly' resetchannels '&mutexgen:key:report:nightly' '&mutexgen:engine:*' ` +
		`-@all +set +get +del +pttl +pexpire +eval +evalsha +mget +publish '+pubsub|numsub' +subscribe +unsubscribe +ping '+select|1'

# a:6379, b:6379, c:6379
# for Transfer
ACL SETUSER locks on resetkeys '~account:*' resetchannels '&mutexgen:key:account:*' '&mutexgen:engine:*' ` +
		`-@all +set +get +del +pttl +pexpire +eval +evalsha +mget +publish '+pubsub|numsub' +subscribe +unsubscribe +ping
`
	var got strings.Builder
	if err := Write(&got, Rules(file, "")); err != nil || got.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got.String(), want)
	}
	for range 20 {
		var again strings.Builder
		if Write(&again, Rules(file, "")); again.String() != want {
			t.Fatal("another time it is another text")
		}
	}
}

func TestTextSaysForWhichServersARuleIs(t *testing.T) {
	file := parse(t, `
mutexes:
- {name: Orders, url: "redis+sentinel://locks:${PW}@s1,s2,s3/orders", key: orders}
- {name: Stock, url: "redis+cluster://locks:${PW}@c1,c2", key: "stock:{id:int64}", replicas: 1}
`)
	const want = `
# orders@s1:26379,s2:26379,s3:26379
# for Orders
# on the master and on each of its replicas: any of them may be the next master
ACL SETUSER locks on resetkeys '~orders' resetchannels '&mutexgen:key:orders' '&mutexgen:engine:*' ` +
		`-@all +set +get +del +pttl +pexpire +eval +evalsha +mget +publish '+pubsub|numsub' +subscribe +unsubscribe +ping

# s1:26379, s2:26379, s3:26379
# for Orders
# only if these sentinels ask for a user: the URLs name it as sentinel_username and sentinel_password
# SENTINEL FLUSHCONFIG has it kept
ACL SETUSER mutexgen on resetkeys resetchannels '&+switch-master' '&+promoted-slave' '&+monitor' ` +
		`-@all '+sentinel|master' '+sentinel|get-master-addr-by-name' '+sentinel|sentinels' +subscribe +ping

# redis+cluster://c1:6379,c2:6379
# for Stock
# on each node of the Redis Cluster
ACL SETUSER locks on resetkeys '~stock:*' resetchannels '&mutexgen:key:stock:*' '&mutexgen:engine:*' ` +
		`-@all +set +get +del +pttl +pexpire +eval +evalsha +publish +subscribe +unsubscribe +ping +wait '+cluster|slots' +asking
`
	var got strings.Builder
	if err := Write(&got, Rules(file, "")); err != nil || !strings.HasSuffix(got.String(), want) {
		t.Errorf("%v\n%s\nwant\n%s", err, got.String(), want)
	}
	if strings.Count(got.String(), "the last counts") != 1 { // orders may be on a node of the cluster
		t.Errorf("of lines for one user nothing is said:\n%s", got.String())
	}
}

func TestTextWarnsWhereALineMayUndoAnother(t *testing.T) {
	const warning = "the last counts"
	for yaml, want := range map[string]bool{
		`[{name: A, url: "${A}", key: a}, {name: B, url: "${B}", key: b}]`:                                             true,
		`[{name: A, url: "${A}", key: a}, {name: B, url: redis://h, key: b}]`:                                          true,
		`[{name: A, url: redis://i, key: a}, {name: B, url: redis://h, key: b}]`:                                       false,
		`[{name: A, url: "${A}", key: a}]`:                                                                             false,
		`[{name: A, servers: ["${A}", "${B}", "${C}"], key: a}]`:                                                       false,
		`[{name: A, url: "redis://one@${A}", key: a}, {name: B, url: "redis://two@${A}", key: b}]`:                     false,
		`[{name: A, url: "${A}", key: a}, {name: B, url: "${A:-redis://h}", key: b}]`:                                  false,
		`[{name: A, url: "redis://one@h", key: a}, {name: B, url: "${A}", key: b}, {name: C, url: redis://h, key: c}]`: true,
		`[{name: A, url: "redis+sentinel://s/m", key: a}]`:                                                             false,
		`[{name: A, url: "redis+sentinel://s/m", key: a}, {name: B, url: redis://h, key: b}]`:                          true,
		`[{name: A, url: "redis+sentinel://s/m", key: a}, {name: B, url: "redis+sentinel://t/m", key: a}]`:             true,
		`[{name: A, url: "redis+cluster://c", key: a}, {name: B, url: "redis+cluster://d", key: b}]`:                   true,
		`[{name: A, url: "redis+cluster://one@c", key: a}, {name: B, url: "redis+cluster://two@c", key: b}]`:           false,
	} {
		var b strings.Builder
		if err := Write(&b, Rules(parse(t, "mutexes: "+yaml), "")); err != nil || strings.Contains(b.String(), warning) != want {
			t.Errorf("%s: %v\n%s", yaml, err, b.String())
		}
	}
}

func TestTextOfNoRules(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, nil); err != nil || !strings.HasPrefix(b.String(), "# ") || strings.Contains(b.String(), "ACL") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestFailureToWriteIsReported(t *testing.T) {
	if err := Write(full{}, nil); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

// What stands in comments is text of the definitions: it must not end a comment, nor seem to be another.
func TestCommentsStayComments(t *testing.T) {
	rules := []Rule{{User: "u", Servers: []string{"h\nACL SETUSER evil on nopass ~* +@all", "a\u202eb\x1b[2J\u2028c"}, Mutexes: slices.Repeat([]string{"LongName"}, 100)}}
	var b strings.Builder
	if err := Write(&b, rules); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(b.String()) {
		if line == "\n" || strings.HasPrefix(line, "# ") {
			continue
		}
		commands++
		if line != rules[0].Command()+"\n" {
			t.Errorf("line %q", line)
		}
	}
	if commands != 1 || strings.ContainsAny(b.String(), "\x1b\u202e\u2028") {
		t.Errorf("%d commands in %s", commands, b.String())
	}
}

// hostile are texts in which characters stand that a shell, or redis-cli, does not take as they are.
var hostile = []string{
	"", "plain", "a b", "it's", `say "hi"`, `both ' and "`, "$HOME ${HOME} $(date) `date`", `back\slash`, `end\`, `\`, `\\`, `\'`, `'\`, `"\`,
	`\n\r\t\a\b\x41`, `'\n\x41`, `it's \"$x`, "~*&!#;|<>()[]{}?", "it!", "it's!", `'!\`, "ünï 日本 \u202e", "-x", "--help", "=", "%s", "a#b", "#c", "~", "~root",
	"'", "''", "'''", `"`, `""`, `'"'"'`, "$'x'", "a\\\nb",
}

func TestAShellReadsWhatIsMeant(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err) // without it there is no make, either
	}
	for _, name := range []string{sh, "bash"} {
		shell, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		var line strings.Builder
		for _, text := range hostile {
			line.WriteString(" " + quote(text))
		}
		out, err := exec.Command(shell, "-c", `printf '%s\0'`+line.String()).Output()
		if want := strings.Join(hostile, "\x00") + "\x00"; err != nil || string(out) != want {
			t.Errorf("%s: %v\n%q; want\n%q", name, err, out, want)
		}
	}
}

func TestThePromptOfRedisReadsTheSame(t *testing.T) {
	server := redistest.Start(t) // skips or fails where there is no Redis; redis-cli comes with it
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(server.Addr(), ":")
	for _, text := range hostile {
		if strings.Contains(text, "\n") || strings.Contains(text, "'") && strings.Contains(text, "!") {
			continue // the one is not in keys, the other for a shell alone
		}
		prompt := exec.Command(cli, "-p", port)
		prompt.Stdin = bytes.NewReader([]byte("SET key " + quote(text) + "\n"))
		if out, err := prompt.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "OK" || server.Get("key") != text {
			t.Errorf("%s is %q to redis-cli, %q (%v); want %q", quote(text), server.Get("key"), out, err, text)
		}
	}
}

func TestNamesOfUsers(t *testing.T) {
	for _, good := range []string{"locks", "mutexgen", "a-b_c.d", "user@example.org", "日本", "it's", "default"} {
		if err := CheckUser(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", " ", "a b", "a\tb", "a\nb", "a\x00b", "\x7f", "a\u00a0b", "a\u2028b", "a\u202eb", "\xff"} {
		if err := CheckUser(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
