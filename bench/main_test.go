package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/bench/scenario"
	"github.com/mutexgen/mutexgen/bench/spinner"
)

func TestMain(m *testing.M) {
	spinner.Main()
	os.Exit(m.Run())
}

func TestWrongUsageMeasuresNothing(t *testing.T) {
	for _, args := range [][]string{
		{"-unknown"},
		{"something"},
		{"-run", "no such scenario"},
		{"-run", "("},
		{"-quick", "-docs", t.TempDir()},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != exitInvalid || out.Len() > 0 || errs.Len() == 0 {
			t.Errorf("%q: code %d, output %q, errors %q", args, code, &out, &errs)
		}
	}
}

func TestScenariosAreListed(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"-list"}, &out, &out); code != exitOK {
		t.Fatal(code)
	}
	for _, s := range scenario.All {
		if !strings.Contains(out.String(), s.Name) || !strings.Contains(out.String(), s.About) {
			t.Errorf("%s is missing in\n%s", s.Name, &out)
		}
	}
	out.Reset()
	run(t.Context(), []string{"-list", "-run", "^pair$"}, &out, &out)
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("the scenarios that match ^pair$:\n%s", &out)
	}
}

func needRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip(err)
	}
}

func TestAReportBeginsWithTheMachineAndEndsWithTheBars(t *testing.T) {
	needRedis(t)
	all, err := matching("^deadline$")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	measured, err := measure(t.Context(), all, scenario.Smoke(), &out, &errs)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range measured.Tables {
		names = append(names, table.Name)
	}
	if got := strings.Join(names, " "); got != "deadline" {
		t.Errorf("the tables for the documentation are %s: those of a part must not replace those of the whole", got)
	}
	for _, text := range []string{"## Machine and versions", "redis-server", "mutexgen", "## All bars", "Other processes"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, &out)
		}
	}
	if !strings.Contains(errs.String(), "deadline") {
		t.Errorf("what it does is not told: %q", &errs)
	}
}

func TestAnInterruptedRunEndsSoonAndLeavesNoServer(t *testing.T) {
	needRedis(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	start := time.Now()
	if code := run(ctx, []string{"-run", "throughput"}, &out, &errs); code != exitFailed {
		t.Errorf("code %d", code)
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
