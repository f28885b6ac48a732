package definition

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	unitsHint   = "the units are ms, s, m and h"
	noLimitHint = "for no limit, leave max_hold out"
	noEndHint   = "to forget no token, write forever"
)

func duration(f *Field, text, tag string) (content any, hint string, err error) {
	mayBeForever := f.Kind == Wait || f.Kind == Lifetime
	if mayBeForever && tag == "!!str" && text == "forever" {
		return Forever, "", nil
	}
	isNumber := (tag == "!!int" || tag == "!!float") && !strings.ContainsAny(text, "nN") // .inf and .nan are none
	if isNumber || strings.Trim(text, "+-.0123456789") == "" && text != "" && text != "0" {
		if f.Kind == Wait && strings.HasPrefix(text, "-") {
			return nil, "to wait until the context ends, write forever", tooLow(f, text)
		}
		if text == "0" && f.Least == "0s" {
			return time.Duration(0), "", nil
		}
		if f.Name == "max_hold" && (text == "0" || strings.HasPrefix(text, "-")) {
			return nil, noLimitHint, tooLow(f, text)
		}
		if f.Kind == Lifetime && (text == "0" || strings.HasPrefix(text, "-")) {
			return nil, noEndHint, tooLow(f, text)
		}
		unit := "s"
		if strings.HasSuffix(f.Default, "ms") || f.Name == "node_timeout" {
			unit = "ms"
		}
		return nil, fmt.Sprintf("%s%s? %s", clip(text), unit, unitsHint), fmt.Errorf("has no unit: %s", clip(text))
	}
	d, err := time.ParseDuration(text)
	least, _ := time.ParseDuration(f.Least)
	most := Forever - 1
	if f.Most != "" {
		most, _ = time.ParseDuration(f.Most)
	}
	switch {
	case err != nil && strings.Trim(text, "+-.0123456789nuµμmsh") == "" && digitsAndUnits(text):
		if strings.HasPrefix(text, "-") {
			return nil, "", tooLow(f, text)
		}
		return nil, "", fmt.Errorf("is longer than any duration can be: %s", clip(text))
	case err != nil:
		hint := "write it as 10m, 200ms or 1h30m; " + unitsHint
		switch lower := strings.ToLower(text); {
		case f.Kind == Wait && slices.Contains([]string{"none", "never", "no", "false", "off"}, lower):
			hint = "not to wait, write 0"
		case mayBeForever && (Nearest(text, []string{"forever"}) != "" || strings.HasPrefix(strings.Trim(lower, ".+"), "inf")):
			hint = "did you mean forever?"
		case f.Name == "max_hold" && Nearest(text, []string{"forever", "none", "never", "unlimited", "infinite", ".inf"}) != "":
			hint = noLimitHint
		case strings.HasSuffix(lower, "d") && strings.Trim(lower[:len(lower)-1], "0123456789") == "" && len(lower) > 1:
			hint = "write days in hours: 24h; " + unitsHint
		}
		return nil, hint, fmt.Errorf("must be %s; %s is not", kindNames[f.Kind], quoted(text))
	case d < 0 && f.Kind == Wait:
		return nil, "to wait until the context ends, write forever", tooLow(f, text)
	case d <= 0 && f.Kind == Lifetime:
		return nil, noEndHint, tooLow(f, text)
	case d <= 0 && f.Name == "max_hold":
		return nil, noLimitHint, tooLow(f, text)
	case d < least:
		return nil, "", tooLow(f, text)
	case d > most:
		return nil, "", tooHigh(f, text)
	case f.OneOf == oneExpiration && d%time.Millisecond != 0:
		return nil, "Redis counts an expiration in milliseconds", fmt.Errorf("must be whole milliseconds; this is %s", clip(text))
	}
	return d, "", nil
}

// digitsAndUnits says whether a text that time.ParseDuration refuses is only too large for it.
func digitsAndUnits(text string) bool {
	rest := strings.TrimLeft(text, "+-")
	for rest != "" {
		after := strings.TrimLeft(rest, "0123456789")
		if after == rest {
			return false
		}
		if fraction, ok := strings.CutPrefix(after, "."); ok {
			after = strings.TrimLeft(fraction, "0123456789")
		}
		number := after
		for _, unit := range []string{"ns", "us", "µs", "μs", "ms", "s", "m", "h"} {
			if trimmed, ok := strings.CutPrefix(after, unit); ok {
				after = trimmed
				break
			}
		}
		if after == number {
			return false
		}
		rest = after
	}
	return text != ""
}
