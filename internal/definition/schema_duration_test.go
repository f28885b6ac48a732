package definition

import (
	"regexp"
	"strconv"
	"testing"
)

func TestPatternsOfBoundsMatchTheNumbersBeyondThem(t *testing.T) {
	for _, n := range []int64{1, 2, 9, 10, 11, 24, 99, 100, 101, 305, 999, 1000, 1001, 1090} {
		lower, higher := regexp.MustCompile("^"+below(n)+"$"), regexp.MustCompile("^"+above(n)+"$")
		for k := range int64(1200) {
			if text := strconv.FormatInt(k, 10); lower.MatchString(text) != (k < n) || higher.MatchString(text) != (k > n) {
				t.Errorf("%d against %d: %t by %v, %t by %v", k, n, lower.MatchString(text), lower, higher.MatchString(text), higher)
			}
		}
	}
}
