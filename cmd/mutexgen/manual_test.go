package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheManualIsThePackageComment compares -h with what go doc shows, and each subcommand's -h with its section of it.
func TestTheManualIsThePackageComment(t *testing.T) {
	shown, err := exec.Command("go", "doc", "-all", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	s := newSandbox(t, "")
	whole := s.help("-h")
	if !strings.HasPrefix(words(string(shown)), words(whole)) {
		t.Errorf("go doc shows\n%s\n-h prints\n%s", shown, whole)
	}
	for _, args := range [][]string{{"--help"}, {"-help"}, {"help"}} {
		if s.help(args...) != whole {
			t.Errorf("mutexgen %q prints something else than -h", args)
		}
	}
	for _, c := range subcommands() {
		text := s.help(c.name, "-h")
		heading, body, _ := strings.Cut(text, "\n")
		if heading != "mutexgen "+c.name || !strings.Contains(whole, "\n# "+heading+"\n"+body) {
			t.Errorf("mutexgen %s -h is no section of the manual:\n%s", c.name, text)
		}
		if s.help("help", c.name) != text || s.help(c.name, "--help") != text {
			t.Errorf("mutexgen help %s prints something else than -h", c.name)
		}
		if usage := usage(c.name); !strings.HasPrefix(usage, "usage: mutexgen ") || !strings.Contains(usage, c.name) {
			t.Errorf("the usage of %s is\n%s", c.name, usage)
		}
		if !strings.Contains(whole, "\n\tmutexgen "+c.name+" ") && !strings.Contains(whole, "\n\tmutexgen ["+c.name+"] ") {
			t.Errorf("the list at the beginning lacks %s", c.name)
		}
	}
}

// help runs the command and expects that it prints a manual.
func (s *sandbox) help(args ...string) string {
	s.t.Helper()
	if code := s.run(args...); code != 0 || s.stderr.Len() > 0 || s.stdout.Len() == 0 {
		s.t.Fatalf("mutexgen %q: exit code %d, %s", args, code, &s.stderr)
	}
	return s.stdout.String()
}

// TestTheManualNamesEveryFlag asks each subcommand which flags it has, by one that none has.
func TestTheManualNamesEveryFlag(t *testing.T) {
	inManual := regexp.MustCompile(`(?m)^\t-([a-z]+) `)
	inUsage := regexp.MustCompile(`[\[ ]-([a-z]+) `)
	for _, c := range subcommands() {
		s := newSandbox(t, one)
		text := section("mutexgen " + c.name)
		var documented []string
		for _, match := range inManual.FindAllStringSubmatch(text, -1) {
			documented = append(documented, match[1])
		}
		slices.Sort(documented)
		var used []string
		for _, match := range inUsage.FindAllStringSubmatch(usage(c.name), -1) {
			used = append(used, match[1])
		}
		slices.Sort(used)
		if used = slices.Compact(used); !slices.Equal(documented, used) {
			t.Errorf("mutexgen %s -h lists the flags %q, its usage %q", c.name, documented, used)
		}
		for _, name := range documented {
			s.run(c.name, "-"+name)
			if said := s.stderr.String(); !strings.Contains(said, "flag needs an argument: -"+name) {
				t.Errorf("mutexgen %s has no flag -%s: %s", c.name, name, said)
			}
		}
		for _, name := range []string{"config", "out", "package", "format", "user", "against"} {
			s.run(c.name, "-"+name)
			if has := strings.Contains(s.stderr.String(), "needs an argument"); has != slices.Contains(documented, name) {
				t.Errorf("mutexgen %s: the flag -%s exists: %v, in the manual: %v", c.name, name, has, !has)
			}
		}
	}
}
