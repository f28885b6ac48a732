package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/mutex"
)

// doctor is the subcommand that looks whether the mutexes' nodes are fit for locks.
func (e environment) doctor(args []string) int {
	i := e.invoke("doctor")
	timeout := i.flags.Duration("timeout", 5*time.Second, "")
	files, exit, ok := i.parse(args, math.MaxInt)
	switch {
	case !ok:
		return exit
	case *timeout <= 0:
		return i.misused(errors.New("-timeout must be above zero"), "for example -timeout 5s")
	case slices.Contains(files, ""):
		return i.misused(errors.New("the name of a file is empty"), "")
	case len(files) == 0:
		files = []string{"mutexes.yaml"}
	}
	var sets []*mutex.Set
	defer func() {
		for _, set := range sets {
			set.Close()
		}
	}()
	for _, name := range files {
		_, set := i.opened(name)
		if set != nil {
			sets = append(sets, set)
		}
	}
	if len(sets) < len(files) {
		return i.end(exitInvalid)
	}
	ctx, cancel := i.untilInterrupted()
	defer cancel()
	result := diagnosis{Healthy: true}
	for at, name := range files {
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		report := sets[at].Check(ctx)
		cancel()
		result.Files = append(result.Files, diagnosed{name, report})
		result.Healthy = result.Healthy && report.Healthy()
	}
	if i.format == "github" {
		i.to = i.stdout
		i.findings = append(i.findings, i.annotations(result)...)
	} else if err := i.print(result); err != nil {
		return i.end(i.fail(fmt.Errorf("write what was found: %w", err)))
	}
	if !result.Healthy {
		return i.end(exitFound)
	}
	return i.end(exitOK)
}

// diagnosis is what there is to say of all files.
type diagnosis struct {
	Healthy bool        `json:"healthy"`
	Files   []diagnosed `json:"files"`
}

type diagnosed struct {
	File string `json:"file"`
	*mutex.Report
}

// print writes the diagnosis for people or for programs.
func (i *invocation) print(result diagnosis) error {
	if i.format == "json" {
		return writeJSON(i, result)
	}
	var b strings.Builder
	colour := palette(i.colours(i.stdout))
	for at, one := range result.Files {
		if len(result.Files) > 1 {
			if at > 0 {
				b.WriteString("\n")
			}
			b.WriteString(colour.mark(boldMark, fmt.Sprintf("%s:", one.File)) + "\n")
		}
		b.WriteString(nodeTable(one.Report, colour) + "\n" + findingText(one.Report, colour) + summary(one.Report, colour) + "\n")
	}
	_, err := fmt.Fprint(i.stdout, b.String())
	return err
}

func writeJSON(i *invocation, value any) error {
	encoder := json.NewEncoder(i.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// annotations are the findings at the definitions that they concern. Notes have no place beside somebody's lines.
func (i *invocation) annotations(result diagnosis) definition.Findings {
	var all definition.Findings
	for _, one := range result.Files {
		file := i.load(one.File)
		for _, f := range one.Findings {
			finding := definition.Finding{Severity: definition.Error, File: one.File, Code: f.Code, Message: f.Node + ": " + f.Message, Hint: f.Hint}
			switch f.Severity {
			case mutex.SeverityNote:
				continue
			case mutex.SeverityWarning:
				finding.Severity = definition.Warning
			}
			for at := range file.Mutexes {
				if m := &file.Mutexes[at]; slices.Contains(f.Mutexes, m.Name) {
					finding.Position = m.At("url", "servers", "cluster")
					break
				}
			}
			all = append(all, finding)
		}
	}
	return all
}
