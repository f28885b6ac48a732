package definition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// units are those of time.ParseDuration, in the spellings that it takes.
var units = []struct {
	pattern string
	length  time.Duration
}{
	{"ns", time.Nanosecond}, {"(us|µs|μs)", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute},
	{"h", time.Hour},
}

// durationSchema allows durations. Bounds are looked after in those of one unit only; a pattern can't add.
func durationSchema(f *Field) object {
	const anyUnit = `(ns|us|µs|μs|ms|s|m|h)`
	sign, fromZero := `\+?`, f.Least == "0s"
	if fromZero {
		sign = `[+-]?` // -0s is as good as 0s
	}
	pattern := `^` + sign + `(([0-9]+(\.[0-9]*)?|\.[0-9]+)` + anyUnit + `)+$`
	what := "a duration such as 10m, 200ms or 1h30m; the units are ms, s, m and h"
	if f.Kind == Wait || f.Kind == Lifetime {
		pattern = `^forever$|` + pattern
		what = "forever, or " + what
	}
	if fromZero {
		pattern = `^0$|` + pattern
		what = "0, or " + what
	}
	all := text(0, pattern, what)
	if fromZero {
		all = object{{"anyOf", list{all, object{{"const", 0}}}}}
	}
	least, _ := time.ParseDuration(f.Least)
	rules := list{refused(object{{"type", "string"}, {"pattern", tooShort(least)}}, "at least "+f.Least)}
	if f.Most != "" {
		most, _ := time.ParseDuration(f.Most)
		rules = append(rules, refused(object{{"type", "string"}, {"pattern", tooLong(most)}}, "at most "+f.Most))
	}
	return slices.Concat(all, object{{"allOf", rules}})
}

// tooShort matches durations of one unit that are below a bound.
func tooShort(least time.Duration) string {
	if least == 0 {
		return `^-[0-9]*[1-9][0-9]*(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h)`
	}
	var all []string
	for _, unit := range units {
		whole := "0+"
		if least%unit.length == 0 && least >= unit.length {
			whole = "0*" + below(int64(least/unit.length)) + `(\.[0-9]*)?`
		}
		all = append(all, whole+unit.pattern)
	}
	return `^\+?(` + strings.Join(all, "|") + `)$`
}

// tooLong matches durations that are above a bound by what they say in its own unit, or in a longer one.
func tooLong(most time.Duration) string {
	var all []string
	for _, unit := range slices.Backward(units) {
		all = append(all, "0*"+above(int64(most/unit.length))+`(\.[0-9]*)?`+unit.pattern)
		if most%unit.length == 0 {
			break
		}
	}
	return `^\+?(` + strings.Join(all, "|") + `)`
}

// below matches the decimal digits, without leading zeros, of whole numbers below n: those that are shorter, and those that
// are as long and differ from n first in a lower digit.
func below(n int64) string {
	digits := strconv.FormatInt(n, 10)
	all := []string{fmt.Sprintf("[0-9]{1,%d}", len(digits)-1)}
	if len(digits) == 1 {
		all = nil
	}
	for i, digit := range digits {
		least := '0'
		if i == 0 {
			least = '1'
			if len(digits) == 1 {
				least = '0'
			}
		}
		if digit > least {
			all = append(all, fmt.Sprintf("%s[%c-%c][0-9]{%d}", digits[:i], least, digit-1, len(digits)-i-1))
		}
	}
	return "(" + strings.Join(all, "|") + ")"
}

// above matches those of whole numbers above n, likewise.
func above(n int64) string {
	digits := strconv.FormatInt(n, 10)
	all := []string{fmt.Sprintf("[1-9][0-9]{%d,}", len(digits))}
	for i, digit := range digits {
		if digit < '9' {
			all = append(all, fmt.Sprintf("%s[%c-9][0-9]{%d}", digits[:i], digit+1, len(digits)-i-1))
		}
	}
	return "(" + strings.Join(all, "|") + ")"
}
