package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mutexgen/mutexgen/internal/checkup"
	"github.com/mutexgen/mutexgen/mutex"
)

// printStatus writes the answer; with refresh in place of the one before, on a terminal.
func (i *invocation) printStatus(a answer, refresh bool) error {
	if i.format == "json" {
		return writeJSON(i, a)
	}
	colour := palette(i.colours(i.stdout))
	var b strings.Builder
	if refresh && bool(colour) {
		b.WriteString("\x1b[H\x1b[2J")
	}
	if len(a.Mutexes) > 0 {
		b.WriteString(statusTable(a.Mutexes, colour))
	}
	if a.one || len(a.Mutexes) > 0 && !agree(a.Mutexes) {
		b.WriteString("\n" + voteTable(a.Mutexes, colour, a.one))
	}
	for _, u := range a.Keyed {
		switch {
		case u.Error != "":
			fmt.Fprintf(&b, "%s: not all keys could be listed: %s\n", u.Mutex, u.Error)
		case u.More:
			fmt.Fprintf(&b, "%s: there are more keys; -scan lists as many as it says\n", u.Mutex)
		default:
			fmt.Fprintf(&b, "%s: %s, or -scan 100 for the keys that are locked\n", u.Mutex, u.Ask)
		}
	}
	if b.Len() == 0 {
		b.WriteString("no key is locked\n")
	}
	_, err := fmt.Fprint(i.stdout, b.String())
	return err
}

// agree tells whether there is nothing to say of single nodes.
func agree(all []mutex.Status) bool {
	for _, s := range all {
		for _, v := range s.Votes {
			if v.State != string(s.State) {
				return false
			}
		}
	}
	return true
}

func statusTable(all []mutex.Status, colour palette) string {
	t := table{palette: colour}
	t.add("MUTEX", "KEY", "STATE", "HOLDER", "FOR", "VOTES", "TOKEN", "WAITING")
	for _, s := range all {
		votes := 0
		value := ""
		for _, v := range s.Votes {
			if v.State == string(s.State) {
				votes++
				value = v.Value
			}
		}
		who, left, count := "", "", ""
		if s.State == checkup.Held {
			who, left = holder(s.Holder, value), remaining(s.Remaining)
		}
		if s.State != checkup.Unknown {
			count = fmt.Sprintf("%d of %d", votes, len(s.Votes))
		}
		token, waiting := "", ""
		if s.Token > 0 {
			token = strconv.FormatInt(s.Token, 10)
		}
		if s.Waiters > 0 {
			waiting = strconv.Itoa(s.Waiters)
		}
		t.add(s.Mutex, shown(s.Key), string(s.State), who, left, count, token, waiting)
		t.markLast(2, map[checkup.State]string{checkup.Held: yellowMark, checkup.Free: greenMark, checkup.Unknown: redMark}[s.State])
	}
	return t.String()
}

// voteTable is what each node says: of all mutexes, or of those of which they don't say the same.
func voteTable(all []mutex.Status, colour palette, every bool) string {
	t := table{palette: colour}
	t.add("MUTEX", "KEY", "NODE", "VOTE", "HOLDER", "FOR", "TOKEN", "ERROR")
	for _, s := range all {
		if !every && agree([]mutex.Status{s}) {
			continue
		}
		for _, v := range s.Votes {
			who, left, token := "", "", ""
			if v.State == "held" || v.State == "other" {
				who, left = holder(v.Holder, v.Value), remaining(v.Remaining)
			}
			if v.Token > 0 {
				token = strconv.FormatInt(v.Token, 10)
			}
			name, key := s.Mutex, shown(s.Key)
			if every {
				name, key = "", ""
			}
			t.add(name, key, v.Node, v.State, who, left, token, v.Error)
			if v.State == "unreachable" || v.State == "wrong-type" {
				t.markLast(3, redMark)
			}
		}
	}
	return t.String()
}

// holder says who holds a lock.
func holder(h *checkup.Holder, value string) string {
	if h != nil {
		return fmt.Sprintf("%s, process %d", h.Host, h.Process)
	}
	const most = 24
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return "another library (" + value + ")"
}

func remaining(d time.Duration) string {
	if d < 0 {
		return "ever"
	}
	return short(d)
}

// shown is a key as a table shows it.
func shown(key string) string {
	quoted := strconv.Quote(key)
	quoted = quoted[1 : len(quoted)-1]
	const most = 60
	if runes := []rune(quoted); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return strings.ReplaceAll(quoted, `\"`, `"`)
}
