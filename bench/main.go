// Bench measures this library and others side by side, on redis-servers that it starts itself.
//
//	go run . [-quick] [-run regexp] [-docs folder]
//
// Contestants take turns in rounds, each with a short slice of time in each round, and are compared within the rounds; the
// tables show medians. What it prints is Markdown, what it does meanwhile it tells on standard error. The whole takes
// nearly ten minutes, and wants a machine with nothing else to do.
//
//	-quick   measures less, in two or three minutes: for a first look, not for conclusions
//	-run     runs only the scenarios whose name matches
//	-docs    also puts the tables into performance.md in that folder, between the markers <!-- bench:NAME --> and
//	         <!-- /bench:NAME -->, or where there is no such file into performance-tables.md, and the charts beside it;
//	         with -run, only the tables and charts of those scenarios
//	-list    lists the scenarios and what they measure
//
// The exit code is 0 if everything was measured, whatever came of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
	"github.com/mutexgen/mutexgen/bench/report"
	"github.com/mutexgen/mutexgen/bench/scenario"
	"github.com/mutexgen/mutexgen/bench/spinner"
)

func main() {
	spinner.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1 // something could not be measured
	exitInvalid = 2 // wrong usage
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "measure less, in two or three minutes")
	pattern := flags.String("run", "", "run only the scenarios whose name matches this regular expression")
	docs := flags.String("docs", "", "also write tables and charts into this folder")
	list := flags.Bool("list", false, "list the scenarios")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitInvalid
	}
	wanted, err := matching(*pattern)
	switch {
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err == nil && *quick && *docs != "":
		err = errors.New("what -quick measures is not for -docs")
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitInvalid
	}
	if *list {
		for _, s := range wanted {
			fmt.Fprintf(stdout, "%-16s %s\n", s.Name, s.About)
		}
		return exitOK
	}
	size := scenario.Full()
	if *quick {
		size = scenario.Quick()
	}
	measured, err := measure(ctx, wanted, size, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	if *docs == "" {
		return exitOK
	}
	missing, err := measured.WriteDocs(*docs)
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	if len(missing) > 0 {
		fmt.Fprintf(stderr, "bench: %s has no place for: %s\n", report.PageFile, strings.Join(missing, ", "))
	}
	return exitOK
}

// matching are the scenarios whose name matches the pattern.
func matching(pattern string) ([]scenario.Scenario, error) {
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	var wanted []scenario.Scenario
	for _, s := range scenario.All {
		if expression.MatchString(s.Name) {
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("no scenario matches %q; -list lists them", pattern)
	}
	return wanted, nil
}

// measure runs the scenarios and prints each table as soon as it is there.
func measure(ctx context.Context, wanted []scenario.Scenario, size scenario.Size, stdout, stderr io.Writer) (report.Report, error) {
	contestant.Silence()
	start, others := time.Now(), report.WatchOthers()
	var measured report.Report
	fleet, err := redisserver.NewFleet()
	if err != nil {
		return measured, err
	}
	defer fleet.Close()
	version, err := redisVersion(ctx, fleet)
	if err != nil {
		return measured, err
	}
	machine := report.Machine(version)
	show := func(tables ...*report.Table) {
		for _, t := range tables {
			fmt.Fprintf(stdout, "## %s\n\n%s\n", t.Title, t.Markdown())
		}
	}
	show(machine)
	r := &scenario.Run{Context: ctx, Fleet: fleet, Size: size, Progress: func(format string, arguments ...any) {
		fmt.Fprintf(stderr, "%4.0fs "+format+"\n", append([]any{time.Since(start).Seconds()}, arguments...)...)
	}}
	var bars []report.Bar
	for _, s := range wanted {
		result, err := r.Measure(s)
		if err != nil {
			return measured, err
		}
		show(result.Tables...)
		measured.Tables = append(measured.Tables, result.Tables...)
		measured.Charts = append(measured.Charts, result.Charts...)
		bars = append(bars, result.Bars...)
	}
	all := report.Bars(bars)
	show(all)
	fleet.Close() // whose processor time is known now
	share := others.Share()
	fmt.Fprintf(stdout, "Other processes on this machine used %s of its processor time meanwhile.\n", share)
	machine.Add("other processes meanwhile", share+" of the processor time")
	if len(wanted) == len(scenario.All) { // otherwise the documentation keeps those of the whole run
		measured.Tables = append(append([]*report.Table{machine}, measured.Tables...), all)
	}
	return measured, nil
}

func redisVersion(ctx context.Context, fleet *redisserver.Fleet) (string, error) {
	servers, err := fleet.Start(ctx, 1)
	if err != nil {
		return "", err
	}
	defer servers.Close()
	return servers.Version(ctx)
}
