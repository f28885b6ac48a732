package acl

import (
	"strings"
	"testing"
)

// glob is a pattern written with * and nothing else that is special.
func glob(text string) pattern {
	var pieces []string
	for piece := range strings.SplitSeq(text, "*") {
		pieces = append(pieces, string(literally(piece)))
	}
	return pattern(strings.Join(pieces, string(anything)))
}

func TestPatternsThatCoverOthers(t *testing.T) {
	for _, test := range []struct {
		p, q string
		want bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"*", "", true},
		{"*", "*", true},
		{"*", "a*b", true},
		{"**", "*", true},
		{"*", "**", true},
		{"a", "*", false},
		{"a*", "a", true},
		{"a*", "a*", true},
		{"a*", "*a", false},
		{"a*", "a:b", true},
		{"a*c", "abc", true},
		{"a*c", "a*c", true},
		{"a*c", "a*", false},
		{"a*c", "a*bc", true},
		{"a*c", "acb", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "a*c", false},
		{"a*b", "a*b*b", true},
		{"ab*b", "ab", false},
		{"*a*a*", "aXa", true},
		{"*a*a*", "a", false},
		{"*:fence", "{a}:fence", true},
		{"a b*", "a bc", true},
		{"a!b", "a b", false},
	} {
		if got := glob(test.p).covers(glob(test.q)); got != test.want {
			t.Errorf("%q covers %q: %v", test.p, test.q, got)
		}
	}
}

// The engine decides by the finished key (counterKey in its safeguard.go): {k}:fence, or k:fence if k has a tag.
func TestCountersOfKeys(t *testing.T) {
	for template, want := range map[string]string{
		"n":                                    "{n}:fence",
		"{{n}}":                                "{n}:fence",
		"a{{b}}c":                              "a{b}c:fence",
		"a{{}}c":                               "{a{}c}:fence",
		"a{{}}{{c}}":                           "{a{}{c}}:fence",
		"a}}{{c}}":                             "a}{c}:fence",
		"a{{b":                                 "{a{b}:fence",
		"{{{id:int64}}}:x":                     "{*}:x:fence",
		"{{{id:int64}":                         "{{*}:fence",
		"x:{id:int64}:{{y}}":                   "x:*:{y}:fence",
		"x:{id:int64}:y":                       "{x:*:y}:fence",
		"{{tenant}}:{id:string}":               "{tenant}:*:fence",
		"{{}}:{id:string}":                     "{{}:*}:fence",
		"{{t:{id:string}}}:x":                  "{t:*}:x:fence",
		"{{t:{id:string}:x":                    "{{t:*:x}:fence {t:*:x:fence",
		"{{{id:string}}}:x":                    "{{*}:x}:fence {*}:x:fence",
		"x:{id:string}:y":                      "{x:*:y}:fence x:*:y:fence",
		"x:{id:github.com/google/uuid.UUID}:y": "{x:*:y}:fence x:*:y:fence",
		"x:{ok:bool}":                          "{x:*}:fence",
	} {
		file := parse(t, "mutexes:\n- {name: A, url: redis://h, fencing: true, restart_guard: off, key: '"+template+"'}")
		var got []string
		for _, p := range counterPatterns(file.Mutexes[0].Key) {
			got = append(got, p.String())
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %s; want %s", template, text, want)
		}
	}
}

// TestCoverIsWhatAMatcherFinds compares all short patterns with a matcher that tries everything: p covers q if it matches q
// with a text that no pattern knows in the place of each star.
func TestCoverIsWhatAMatcherFinds(t *testing.T) {
	var matches func(p, text string) bool
	matches = func(p, text string) bool {
		switch {
		case p == "":
			return text == ""
		case p[0] == '*':
			return matches(p[1:], text) || text != "" && matches(p, text[1:])
		default:
			return text != "" && p[0] == text[0] && matches(p[1:], text[1:])
		}
	}
	all := []string{""}
	for i := 0; len(all[i]) < 4; i++ {
		for _, c := range []string{"a", "b", "*"} {
			all = append(all, all[i]+c)
		}
	}
	for _, p := range all {
		for _, q := range all {
			if got, want := glob(p).covers(glob(q)), matches(p, strings.ReplaceAll(q, "*", "xy")); got != want {
				t.Errorf("%q covers %q: %v", p, q, got)
			}
		}
	}
}
