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
		{"${A}?db=2", "${A}/2"}, {"redis://h?${Q}", "redis://h/0?${Q:-db=1}"}, {"${A:-redis://h}", "${A}"},
	} {
		if a, b := v.resolve(same[0], nil), v.resolve(same[1], nil); a != b {
			t.Errorf("%s is %+v, and %s is %+v", same[0], a, same[1], b)
		}
	}
	for _, differ := range [][2]string{{"redis://h", "redis://h:6380"}, {"redis://h", "redis://h/1"}, {"${A}", "${B}"}, {"${A}", "${A}/0"},
		{"redis://${A}", "redis://${B}"}, {"redis://h:${A}", "redis://h:${B}"}, {"redis://h/${A}", "redis://h/${B}"}, {"redis://h", "unix:///h"},
		{"redis://h", "redis://h?${Q}"}, {"redis://h/1?${P}", "redis://h/1?${Q}"}} {
		if a, b := v.resolve(differ[0], nil), v.resolve(differ[1], nil); a == b {
			t.Errorf("%s and %s are both %+v", differ[0], differ[1], a)
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
