package compat

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// quoted renders a text of the file in a message: in quotes, not too long, and without what may be a password in a URL.
func quoted(text string) string {
	const limit = 60
	if begin, end := strings.Index(text, "://"), strings.LastIndexByte(text, '@'); begin >= 0 && end > begin {
		text = text[:begin] + "://***" + text[end:]
	}
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "…"
	}
	return strconv.Quote(text)
}

// span is a duration as one would write it: 10m, not 10m0s.
func span(d time.Duration) string {
	if d == definition.Forever {
		return "forever"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// list names some things, but not too many.
func list(names []string) string { return joined(names, "and") }

func joined(names []string, with string) string {
	const most = 5
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n <= most:
		return strings.Join(names[:n-1], ", ") + " " + with + " " + names[n-1]
	default:
		return fmt.Sprintf("%s %s %d more", strings.Join(names[:most-1], ", "), with, n-most+1)
	}
}

func union(all, more []string) []string {
	for _, one := range more {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}
