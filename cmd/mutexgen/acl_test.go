package main

import (
	"errors"
	"strings"
	"testing"
)

const onFourServers = `version: 1
mutexes:
  - name: Report
    url: redis://reports:${PASSWORD}@a:6379/2
    key: report:nightly
  - name: Account
    servers: ["redis://a", "redis://b", "redis://c"]
    key: account:{id:int64}
`

// rules are the commands among what was printed.
func (s *sandbox) rules() []string {
	var rules []string
	for line := range strings.Lines(s.stdout.String()) {
		if strings.HasPrefix(line, "ACL SETUSER ") {
			rules = append(rules, strings.TrimSuffix(line, "\n"))
		} else if line != "\n" && !strings.HasPrefix(line, "# ") {
			s.t.Errorf("printed a line that is neither rule nor comment: %q", line)
		}
	}
	return rules
}

func TestACLPrintsARuleForEachServer(t *testing.T) {
	s := newSandbox(t, onFourServers)
	const commands = " -@all +set +get +del +pttl +pexpire +eval +evalsha +mget +publish '+pubsub|numsub' +subscribe +unsubscribe +ping"
	const account = " on resetkeys '~account:*' resetchannels '&mutexgen:key:account:*' '&mutexgen:engine:*'" + commands
	const report = " on resetkeys '~report:nightly' resetchannels '&mutexgen:key:report:nightly' '&mutexgen:engine:*'" + commands + " '+select|2'"
	const both = " on resetkeys '~report:nightly' '~account:*' resetchannels '&mutexgen:key:report:nightly' '&mutexgen:key:account:*' '&mutexgen:engine:*'" +
		commands + " '+select|2'"
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"acl"}, []string{"ACL SETUSER reports" + report, "ACL SETUSER mutexgen" + account}},
		{[]string{"acl", "-user", "locks"}, []string{"ACL SETUSER locks" + both, "ACL SETUSER locks" + account}},
		{[]string{"acl", "-user", "it's", "-format", "github"}, []string{`ACL SETUSER "it's"` + both, `ACL SETUSER "it's"` + account}},
	} {
		s.find(0, append(test.args, "-config", "mutexes.yaml"), "a:6379", "b:6379, c:6379", "for Account\n")
		if got := strings.Join(s.rules(), "\n"); got != strings.Join(test.want, "\n") {
			t.Errorf("mutexgen %q:\n%s\nwant\n%s", test.args, got, strings.Join(test.want, "\n"))
		}
	}
}

func TestACLSaysWhatIsWrongWithTheDefinitions(t *testing.T) {
	s := newSandbox(t, strings.Replace(onFourServers, "${PASSWORD}", "hunter2", 1))
	if code := s.run("acl"); code != 0 || len(s.rules()) != 2 || !strings.Contains(s.stderr.String(), "mutexes.yaml:4:10: warning: a password") {
		t.Errorf("a warning: exit code %d\n%s%s", code, &s.stdout, &s.stderr)
	}
	if strings.Contains(s.stdout.String()+s.stderr.String(), "hunter2") {
		t.Errorf("the password is shown:\n%s%s", &s.stdout, &s.stderr)
	}
	s.write("mutexes.yaml", strings.Replace(onFourServers, "key:", "kei:", 1))
	for format, want := range map[string]string{"text": "did you mean key?", "json": `"severity": "error"`, "github": "::error file=mutexes.yaml,line=5"} {
		s.refuse([]string{"acl", "-format", format}, want)
		if s.stdout.Len() > 0 {
			t.Errorf("it prints rules of definitions that are wrong: %s", &s.stdout)
		}
	}
	s.remove("mutexes.yaml")
	s.refuse([]string{"acl"}, "there is no file mutexes.yaml", "hint: ")
	s.refuse([]string{"acl", "-config", ""}, "-config needs the path of a file")
	s.refuse([]string{"acl", "other.yaml"}, `unexpected argument "other.yaml"`)
}

func TestACLRefusesNamesThatRedisWouldNotTake(t *testing.T) {
	s := newSandbox(t, onFourServers)
	for name, want := range map[string]string{"": "is empty", "a b": `a space in the name of the user: "a b"`, "a\nb": `"a\nb"`, "a\x00b": `"a\x00b"`,
		"\u202e": "invisible", "\xff": "not UTF-8"} {
		s.refuse([]string{"acl", "-user", name}, "mutexgen acl: -user: ", want, "hint: ", "usage:")
		if s.stdout.Len() > 0 {
			t.Errorf("%q: it prints rules: %s", name, &s.stdout)
		}
	}
}

func TestACLReportsThatItCannotWrite(t *testing.T) {
	s := newSandbox(t, onFourServers)
	code := environment{dir: s.dir, lookup: func(string) (string, bool) { return "", false }, stdout: fullDisk{}, stderr: &s.stderr}.run([]string{"acl"})
	if code != 2 || !strings.Contains(s.stderr.String(), errFullDisk.Error()) {
		t.Errorf("exit code %d, %s", code, &s.stderr)
	}
}

type fullDisk struct{}

var errFullDisk = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFullDisk }
