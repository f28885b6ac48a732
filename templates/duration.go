package templates

import (
	"strconv"
	"strings"
	"time"

	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

var units = []struct {
	unit time.Duration
	name string
}{
	{time.Hour, "Hour"},
	{time.Minute, "Minute"},
	{time.Second, "Second"},
	{time.Millisecond, "Millisecond"},
	{time.Microsecond, "Microsecond"},
}

// durationCode is d as a person would write it: 10 * time.Minute, 90 * time.Second, time.Hour.
func durationCode(d time.Duration) *jen.Statement {
	if d == 0 {
		return jen.Lit(0)
	}
	for _, u := range units {
		if d == u.unit {
			return jen.Qual("time", u.name)
		}
		if d%u.unit == 0 {
			return number(int64(d/u.unit)).Op("*").Qual("time", u.name)
		}
	}
	return number(int64(d)).Op("*").Qual("time", "Nanosecond")
}

// number is n as an untyped constant, also on a machine whose int is too short for it.
func number(n int64) *jen.Statement { return jen.Id(strconv.FormatInt(n, 10)) }

// durationOrForeverCode is d where it may be without end.
func durationOrForeverCode(d time.Duration) *jen.Statement {
	if d == definition.Forever {
		return jen.Qual(mutexPath, "Forever")
	}
	return durationCode(d)
}

// durationText is d within a sentence: 10m, 1h30m, 400ms.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
