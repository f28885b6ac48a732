package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mutexgen/mutexgen/internal/checkup"
	"github.com/mutexgen/mutexgen/mutex"
)

var severityMarks = map[mutex.Severity]string{
	mutex.SeverityError: redMark, mutex.SeverityWarning: yellowMark, mutex.SeverityNote: cyanMark,
}

// nodeTable is a line for each server.
func nodeTable(report *mutex.Report, colour palette) string {
	t := table{palette: colour}
	t.add("NODE", "SERVER", "STATE", "VERSION", "ROLE", "LATENCY", "CLOCK", "DISK", "MEMORY", "UP", "MUTEXES")
	for _, n := range report.Nodes {
		servers := n.Servers
		if len(servers) == 0 {
			servers = []checkup.Server{{}}
		}
		for _, s := range servers {
			server := s.Addr
			if n.Kind == "server" {
				server = ""
			}
			worst := mutex.Severity("ok")
			for _, f := range report.Findings {
				if f.Node == n.Name && (f.Server == "" || f.Server == s.Addr || len(n.Servers) < 2) && f.Severity != mutex.SeverityNote {
					worst = f.Severity // the worst come first
					break
				}
			}
			t.add(n.Name, server, string(worst), s.Version, role(s), latency(s.Latency), clock(s.Clock), disk(s.Persistence), memory(s.Memory),
				uptime(s.Uptime), names(n.Mutexes))
			mark := severityMarks[worst]
			if worst == "ok" {
				mark = greenMark
			}
			t.markLast(2, mark)
		}
	}
	return t.String()
}

func role(s checkup.Server) string {
	switch {
	case s.Mode == "sentinel":
		return "sentinel"
	case s.Role == "slave":
		return "replica"
	case s.Role == "master" && s.Replicas > 0:
		return fmt.Sprintf("master+%d", s.Replicas)
	}
	return s.Role
}

func latency(l *checkup.Latency) string {
	if l == nil {
		return ""
	}
	return short(l.Median)
}

func clock(c *checkup.Clock) string {
	switch {
	case c == nil:
		return ""
	case max(c.Offset, -c.Offset) <= c.Uncertainty:
		return "same"
	case c.Offset > 0:
		return "+" + short(c.Offset)
	}
	return "-" + short(-c.Offset)
}

func disk(p *checkup.Persistence) string {
	switch {
	case p == nil:
		return ""
	case p.AOF:
		return strings.TrimSpace("aof " + p.Fsync)
	case p.Save != "":
		return "snapshots"
	case p.SaveKnown:
		return "nothing"
	}
	return "no aof"
}

func memory(m *checkup.Memory) string {
	switch {
	case m == nil:
		return ""
	case m.Max == 0:
		return "no limit"
	}
	return m.Policy
}

func uptime(d *time.Duration) string {
	switch {
	case d == nil:
		return ""
	case *d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(*d/(24*time.Hour)))
	case *d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(*d/time.Hour), int(*d/time.Minute)%60)
	}
	return d.String()
}

// names are those of mutexes, as far as they have room in a table.
func names(all []string) string {
	const most = 3
	if len(all) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}

// short is a time with the digits that somebody looks at.
func short(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// findingText is the findings, those that say the same of several nodes as one.
func findingText(report *mutex.Report, colour palette) string {
	var b strings.Builder
	said := make(map[int]bool)
	for at, f := range report.Findings {
		if said[at] {
			continue
		}
		var nodes []string
		for other := at; other < len(report.Findings); other++ {
			o := report.Findings[other]
			if o.Severity == f.Severity && o.Code == f.Code && o.Message == f.Message && slices.Equal(o.Mutexes, f.Mutexes) {
				said[other] = true
				where := o.Node
				if o.Server != "" {
					where += " (" + o.Server + ")"
				}
				nodes = append(nodes, where)
			}
		}
		const most = 7
		if len(nodes) > most {
			nodes = append(nodes[:most], fmt.Sprintf("and %d more", len(nodes)-most))
		}
		fmt.Fprintf(&b, "%s %s %s\n", colour.mark(severityMarks[f.Severity], string(f.Severity)+":"), colour.mark(boldMark, strings.Join(nodes, ", ")+":"), f.Message)
		fmt.Fprintf(&b, "  [%s] concerns %s\n", f.Code, names(f.Mutexes))
		if f.Hint != "" {
			fmt.Fprintf(&b, "  %s %s\n", colour.mark(cyanMark, "hint:"), f.Hint)
		}
	}
	return b.String()
}

// summary is the last line.
func summary(report *mutex.Report, colour palette) string {
	counts := make(map[mutex.Severity]int)
	for _, f := range report.Findings {
		counts[f.Severity]++
	}
	number := func(severity mutex.Severity) string {
		if counts[severity] == 1 {
			return "1 " + string(severity)
		}
		return fmt.Sprintf("%d %ss", counts[severity], severity)
	}
	switch {
	case counts[mutex.SeverityError] > 0 && counts[mutex.SeverityWarning] > 0:
		return colour.mark(redMark, "unhealthy") + ": " + number(mutex.SeverityError) + ", " + number(mutex.SeverityWarning)
	case counts[mutex.SeverityError] > 0:
		return colour.mark(redMark, "unhealthy") + ": " + number(mutex.SeverityError)
	case counts[mutex.SeverityWarning] > 0:
		return colour.mark(yellowMark, "healthy") + ", with " + number(mutex.SeverityWarning)
	}
	return colour.mark(greenMark, "healthy")
}
