package compat

import (
	"fmt"
	"testing"
)

func TestNodesAreThoseThatAreReached(t *testing.T) {
	var v variables
	for _, same := range [][2]string{
		{"redis://h", "redis://u:p@H:6379/0"}, {"redis://h/1", "rediss://h?db=1"}, {"redis://h/01", "redis://h/1"},
		{"redis://h?db=1&db=2", "redis://h/2"}, {"redis://h/1?db=2", "redis://h/2"}, {"unix:///s", "unix:///s?db=0"},
		{"redis://:${A}@h", "redis://:${B}@h"}, {"redis://h:${P}", "redis://u@h:${P}/0"}, {"${S}://h", "redis://h"},
		{"redis+sentinel://s1,s2/m", "rediss+sentinel://u:p@S2:26379,s1/m/0?ca_file=x"}, {"${S}+sentinel://s1/m?db=1", "redis+sentinel://s1/m/1"},
		{"redis+sentinel://${A},s/m", "redis+sentinel://:${P}@s,${A}/m"}, {"redis+cluster://c1,c2", "rediss+cluster://u@c2,c1/0"},
		{"redis+sentinel://${A}/m?${Q}", "redis+sentinel://${A}/m?x=1&${Q:-}"}, {"${S}+cluster://${A}", "redis+cluster://${A}"},
		{"${A}?db=2", "${A}/2"}, {"redis://h?${Q}", "redis://h/0?${Q:-db=1}"}, {"${A:-redis://h}", "${A}"},
	} {
		if a, b := v.resolve(same[0], nil), v.resolve(same[1], nil); a != b {
			t.Errorf("%s is %+v, and %s is %+v", same[0], a, same[1], b)
		}
	}
	for _, differ := range [][2]string{{"redis://h", "redis://h:6380"}, {"redis://h", "redis://h/1"}, {"${A}", "${B}"}, {"${A}", "${A}/0"},
		{"redis://${A}", "redis://${B}"}, {"redis://h:${A}", "redis://h:${B}"}, {"redis://h/${A}", "redis://h/${B}"}, {"redis://h", "unix:///h"},
		{"redis+sentinel://s1/m", "redis+sentinel://s1/n"}, {"redis+sentinel://s1/m", "redis+sentinel://s1/m/1"}, {"redis+cluster://c1", "redis://c1"},
		{"redis+sentinel://s1/m", "redis+sentinel://s1/${M}"}, {"redis+sentinel://s1/m?${Q}", "redis+sentinel://s1/m"},
		{"redis://h", "redis://h?${Q}"}, {"redis://h/1?${P}", "redis://h/1?${Q}"}} {
		if a, b := v.resolve(differ[0], nil), v.resolve(differ[1], nil); a == b {
			t.Errorf("%s and %s are both %+v", differ[0], differ[1], a)
		}
	}
}

func TestWhatSentinelsAndClustersTellIsTheSameOrNotOrUnclear(t *testing.T) {
	const same, unclear, other = "same", "unclear", "other"
	for _, c := range []struct{ before, after, want string }{
		{"redis+sentinel://s1,s2,s3/m", "redis+sentinel://s3,s4,s5/m", same},
		{"redis+sentinel://s1/m", "redis+sentinel://s2/m", unclear},
		{"redis+sentinel://s1/m", "redis+sentinel://s2/n", unclear},
		{"redis+sentinel://s1,s2/m", "redis+sentinel://s2,s3/n", other},
		{"redis+sentinel://s1/m", "redis+sentinel://s1/m/1", other},
		{"redis+sentinel://s1/m", "redis+sentinel://s2/m/1", other},
		{"redis+sentinel://s1/m", "redis+sentinel://s1/${M}", unclear},
		{"redis+sentinel://s1/m", "redis+sentinel://${S}/m", unclear},
		{"redis+sentinel://${S}/m", "redis+sentinel://${S},s2/m", same},
		{"redis+sentinel://s1/m", "redis+sentinel://s1/m/${DB}", unclear},
		{"redis+sentinel://s1/m", "redis+sentinel://s1/m?${Q}", unclear},
		{"redis://h", "redis+sentinel://s1/m", unclear},
		{"redis://h/1", "redis+sentinel://s1/m", other},
		{"redis://h/1", "redis+sentinel://s1/m/1", unclear},
		{"unix:///s", "redis+sentinel://s1/m", unclear},
		{"${URL}", "redis+sentinel://s1/m", unclear},
		{"${URL}", "redis+cluster://c1", unclear},
		{"redis+cluster://c1,c2", "redis+cluster://c2,c3", same},
		{"redis+cluster://c1", "redis+cluster://c2", unclear},
		{"redis+cluster://c1", "redis://c1", unclear},
		{"redis://h/1", "redis+cluster://h", other},
		{"redis+cluster://c1", "redis+sentinel://c1:6379/m", unclear},
		{"redis+cluster://${C}", "redis+cluster://${C},c2", same},
	} {
		for _, pair := range [][2]string{{c.before, c.after}, {c.after, c.before}} {
			var v variables
			got := same
			if change := v.groupChange(pair[:1], pair[1:], nil); change != nil && change.certain {
				got = other
			} else if change != nil {
				got = unclear
			}
			if got != c.want {
				t.Errorf("%s and %s: %s, want %s", pair[0], pair[1], got, c.want)
			}
		}
	}
}

func TestAVariableThatMayNameTheDatabaseIsUnclear(t *testing.T) {
	var v variables
	change := v.groupChange([]string{"redis://h"}, []string{"redis://h?${Q}"}, nil)
	if change == nil || change.certain || !change.database || change.instead() != "database 0, or that of ${Q} instead of 0" {
		t.Errorf("%+v", change)
	}
}

// TestOfMoreVariablesThanAreTriedOneCounts has a change that shows only in a case that is not tried.
func TestOfMoreVariablesThanAreTriedOneCounts(t *testing.T) {
	var v variables
	var before, after []string
	for i := range 9 {
		before = append(before, fmt.Sprintf("${V%d:-redis://h%d}", i, i))
		after = append(after, fmt.Sprintf("${V%d:-redis://h%d:6379}", i, i))
	}
	if change := v.groupChange(before, after[:8], nil); change == nil {
		t.Error("one is missing, and nobody notices")
	}
	after[8] = "${V8:-redis://elsewhere}"
	if change := v.groupChange(before, after, nil); change == nil || change.certain {
		t.Errorf("the last default is another: %+v", change)
	}
	if change := v.groupChange(before[:5], []string{after[0], after[1], after[2], after[3], after[4]}, nil); change != nil {
		t.Errorf("nothing has changed but how it is written: %+v", change)
	}
}
