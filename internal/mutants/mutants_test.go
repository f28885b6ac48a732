package mutants

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// catcher is what is to catch a mutant.
type catcher struct {
	test string
	// schedules is how many of them the simulation runs at most.
	schedules int
	// complaint is a regular expression for what is said about it: a mutant must be caught for what it is, not for something
	// that breaks on the way.
	complaint string
}

func (c catcher) arguments() []string {
	arguments := []string{"-test.run", "^" + c.test + "$", "-test.timeout", "5m"}
	if c.schedules > 0 {
		arguments = append(arguments, "-schedules", strconv.Itoa(c.schedules))
	}
	return arguments
}

// change is one place in the engine's source that a mutant changes.
type change struct{ file, before, after string }

// mutant is a deliberate bug.
type mutant struct {
	name    string
	changes []change
	by      catcher
}

func TestEveryMutantIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("each mutant is compiled")
	}
	for i := range mutants {
		m := &mutants[i]
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			binary, err := m.build(ctx, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			v := run(ctx, t, binary, m.by)
			switch {
			case !v.failed:
				t.Errorf("survived %s in %v", m.by.arguments(), v.took)
			case !regexp.MustCompile(m.by.complaint).MatchString(v.output):
				t.Errorf("%s failed, but of something else than %q:\n%s", m.by.test, m.by.complaint, last(v.output))
			default:
				t.Logf("caught in %v: %s", v.took.Round(10*time.Millisecond), firstComplaint(v.output))
			}
		})
	}
}

// Whoever finds fault with the engine as it is would catch every mutant.
func TestTheEngineItselfIsNotCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("the engine is compiled")
	}
	binary, err := (&mutant{}).build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[catcher]bool)
	for _, m := range mutants {
		by := m.by
		by.complaint = ""
		if seen[by] {
			continue
		}
		seen[by] = true
		if v := run(t.Context(), t, binary, by); v.failed || !strings.Contains(v.output, "PASS") {
			t.Errorf("%s:\n%s", by.arguments(), last(v.output))
		}
	}
}

// last is the end of a long output.
func last(output string) string {
	const most = 2000
	if len(output) > most {
		return "…" + output[len(output)-most:]
	}
	return output
}

// firstComplaint is the first line of an output in which a test complains.
func firstComplaint(output string) string {
	for line := range strings.Lines(output) {
		if strings.Contains(line, "_test.go:") {
			return strings.TrimSpace(line)
		}
	}
	return "?"
}
