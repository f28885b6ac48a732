package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// aboveNotes are the findings that are no notes, as severity and code.
func (d diagnosis) aboveNotes() []string {
	var found []string
	for _, file := range d.Files {
		for _, f := range file.Findings {
			if f.Severity != "note" {
				found = append(found, string(f.Severity)+" "+f.Code)
			}
		}
	}
	return found
}

// TestDoctorMissesNothingOfTheRuleThatACLPrints gives a user exactly that rule, and then takes each part of it away.
func TestDoctorMissesNothingOfTheRuleThatACLPrints(t *testing.T) {
	server := soundServer(t)
	s := newSandbox(t, `version: 1
defaults:
  url: "${REDIS}"
  expiration: 1s
mutexes:
  - {name: Report, key: report}
  - {name: Account, key: "account:{id:int64}", fencing: true, restart_guard: on}
`)
	s.variables["REDIS"] = "redis://locks:hunter2@" + server.Addr() + "/3"
	if code := s.run("acl", "-user", "locks"); code != 0 {
		t.Fatal(&s.stderr)
	}
	line := s.rules()[0]
	line = strings.ReplaceAll(strings.TrimPrefix(line, "ACL SETUSER locks "), "'", "")
	rule := append(strings.Fields(line), "+select|3")
	set := func(rule []string) {
		cli(t, server, append([]string{"ACL", "SETUSER", "locks", "reset", ">hunter2"}, rule...)...)
	}
	server.CLI("SET", "x", "y") // so that what follows is no new server
	set(append(slices.Clone(rule), "+@all", "~*"))
	cli(t, server, "EVAL", "redis.call('select', 3) return redis.call('set', 'mutexgen:birth', 1000)", "0")
	waitUntil(t, "the server is out of quarantine", func() bool { return uptimeOf(server) >= 8 })
	set(rule)
	if result, code := s.diagnose(); code != 0 || len(result.aboveNotes()) > 0 {
		t.Fatalf("with the whole rule: exit code %d\n%s", code, &s.stdout)
	}
	if !strings.Contains(s.stdout.String(), `"unread"`) || !strings.Contains(s.stdout.String(), "+config|get") {
		t.Errorf("it does not say what it could not read:\n%s", &s.stdout)
	}
	for at, part := range rule {
		if !strings.HasPrefix(part, "+") && !strings.HasPrefix(part, "~") && !strings.HasPrefix(part, "&") {
			continue
		}
		set(slices.Delete(slices.Clone(rule), at, at+1))
		result, _ := s.diagnose()
		found := result.aboveNotes()
		want := "error acl"
		switch {
		case strings.HasPrefix(part, "&"), slices.Contains([]string{"+mget", "+publish", "+pubsub|numsub", "+subscribe", "+unsubscribe", "+ping", "+info|server"}, part):
			want = "warning acl"
		}
		if !slices.Equal(found, []string{want}) {
			t.Errorf("without %s: %q, not %s", part, found, want)
		}
		name, _, _ := strings.Cut(strings.TrimLeft(part, "+~&"), "*")
		name = strings.TrimSuffix(name, "|3")
		if len(result.Files[0].Findings) > 0 && !strings.Contains(result.Files[0].Findings[0].Message, name) {
			t.Errorf("without %s: it does not name it: %+v", part, result.Files[0].Findings[0])
		}
		if strings.Contains(s.stdout.String(), "hunter2") {
			t.Errorf("the password is shown:\n%s", &s.stdout)
		}
	}
	set([]string{"off"})
	if result, _ := s.diagnose(); !slices.Equal(result.aboveNotes(), []string{"error wrong-password", "error wrong-password"}) && !slices.Equal(result.aboveNotes(), []string{"error wrong-password"}) {
		t.Errorf("a user that is off: %q", result.aboveNotes())
	}
}

func TestDoctorLooksAtSeveralFiles(t *testing.T) {
	good, bad := soundServer(t), redistest.Start(t)
	bad.Kill()
	s := newSandbox(t, "")
	s.write("a.yaml", "version: 1\nmutexes:\n  - name: One\n    url: redis://nowhere.invalid\n    key: one\n")
	s.write("sub/b.yaml", "version: 1\nmutexes:\n  - name: One\n    key: one\n    servers: [\"${B}\"]\n  - name: Two\n    url: ${B}\n    key: two\n")
	s.variables = map[string]string{"MUTEX_ONE_URL": good.URL(), "B": bad.URL()}
	result, code := s.diagnose("a.yaml", "sub/b.yaml")
	if code != 1 || result.Healthy || len(result.Files) != 2 || result.Files[1].File != "sub/b.yaml" || !result.Files[0].Healthy() || result.Files[1].Healthy() {
		t.Errorf("exit code %d\n%s", code, &s.stdout)
	}
	if code := s.run("doctor", "a.yaml", "sub/b.yaml"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"a.yaml:\nNODE", "\nhealthy\n\nsub/b.yaml:\n", "error: " + bad.Addr() + ": ", "[unreachable] concerns One, Two\n", "hint: ", "unhealthy: 1 error\n"} {
		if !strings.Contains(s.stdout.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &s.stdout)
		}
	}
	if code := s.run("doctor", "-format", "github", "sub/b.yaml"); code != 1 || !strings.Contains(s.stdout.String(), "::error file=sub/b.yaml,line=5,") {
		t.Errorf("exit code %d\n%s", code, &s.stdout)
	}
	if code := s.run("doctor", "-format", "github", "a.yaml"); code != 0 || s.stdout.Len() > 0 {
		t.Errorf("exit code %d\n%s", code, &s.stdout)
	}
}

func TestAHealthyFleetPrintsAShortTable(t *testing.T) {
	s := newSandbox(t, "version: 1\nmutexes:\n  - name: One\n    key: one\n    servers: [\"${A}\", \"${B}\", \"${C}\"]\n")
	s.variables = map[string]string{"A": soundServer(t).URL(), "B": soundServer(t).URL(), "C": soundServer(t).URL()}
	if code := s.run("doctor"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(s.stdout.String(), "\n")
	if len(lines) != 7 || lines[4] != "" || lines[5] != "healthy" || s.stderr.Len() > 0 || strings.Contains(s.stdout.String(), "\x1b") {
		t.Errorf("it prints\n%s%s", &s.stdout, &s.stderr)
	}
	for at, column := range map[string]int{"STATE": 1, "VERSION": 2} {
		place := strings.Index(lines[0], at)
		for _, line := range lines[1:4] {
			if place < 0 || line[place-1] != ' ' || line[place] == ' ' {
				t.Errorf("column %d is not aligned:\n%s", column, &s.stdout)
			}
		}
	}
}

func TestTablesAreAlignedWithAndWithoutColours(t *testing.T) {
	plain, colours := table{}, table{palette: true}
	for _, one := range []*table{&plain, &colours} {
		one.add("A", "EMPTY", "B")
		one.add("größer", "", "x")
		one.add("y", "", "z")
		one.markLast(0, redMark)
	}
	if got := plain.String(); got != "A       B\ngrößer  x\ny       z\n" {
		t.Errorf("%q", got)
	}
	unmarked := colours.String()
	for _, mark := range []string{boldMark, redMark, plainMark} {
		unmarked = strings.ReplaceAll(unmarked, mark, "")
	}
	if unmarked != plain.String() || !strings.Contains(colours.String(), redMark+"y"+plainMark) {
		t.Errorf("%q", colours.String())
	}
	var none table
	none.add("A", "B")
	if none.String() != "\n" {
		t.Errorf("%q", none.String())
	}
}

func TestDoctorReportsThatItCannotWrite(t *testing.T) {
	s := newSandbox(t, "version: 1\nmutexes:\n  - name: One\n    key: one\n    url: "+soundServer(t).URL()+"\n")
	for _, args := range [][]string{{"doctor"}, {"doctor", "-format", "json"}, {"doctor", "-format", "github"}, {"status"}, {"status", "-format", "json"}, {"status", "-watch", "1s"}} {
		s.stderr.Reset()
		code := environment{dir: s.dir, lookup: func(string) (string, bool) { return "", false }, stdout: fullDisk{}, stderr: &s.stderr}.run(args)
		if len(args) == 3 && args[2] == "github" {
			continue // which had nothing to write
		}
		if code != 2 || !strings.Contains(s.stderr.String(), errFullDisk.Error()) {
			t.Errorf("mutexgen %q: exit code %d, %s", args, code, &s.stderr)
		}
	}
}

func TestDiagnosesAreJSONThatCanBeReadBack(t *testing.T) {
	s := newSandbox(t, "version: 1\nmutexes:\n  - name: One\n    key: one\n    url: "+soundServer(t).URL()+"\n")
	result, _ := s.diagnose()
	again, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var indented, compact any
	if json.Unmarshal(again, &compact) != nil || json.Unmarshal(s.stdout.Bytes(), &indented) != nil {
		t.Fatal("it is no JSON")
	}
	one, _ := json.Marshal(compact)
	other, _ := json.Marshal(indented)
	if string(one) != string(other) {
		t.Errorf("%s\nis not\n%s", one, other)
	}
}
