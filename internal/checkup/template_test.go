package checkup

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestTemplatesAreReadAsTheGeneratorReadsThem(t *testing.T) {
	for _, key := range []string{
		"n", "report:nightly", "account:{account_id:int64}:transfer", "{resource:string}", "a{{b}}c", "{{{id:int}}}", "{{x}}:{a:bool}-{b:uint64}",
		"{id:github.com/google/uuid.UUID}", "{a:string}/{b:string}", "ü{a:int}ö", "'\"`$", "}}{{", "{a:int}}}",
	} {
		file, findings := definition.Parse("m.yaml", fmt.Appendf(nil, "version: 1\nmutexes:\n- name: A\n  url: redis://h\n  key: %q\n", key))
		if file == nil || findings.HasErrors() {
			t.Fatalf("%s: %v", key, findings)
		}
		parsed := parseTemplate(key)
		parts := file.Mutexes[0].Key.Parts
		if len(parts) != len(parsed) {
			t.Fatalf("%s: %d parts, not %d", key, len(parsed), len(parts))
		}
		for i, part := range parts {
			kind := ""
			if part.Parameter != nil {
				kind = part.Parameter.Type
				if part.Parameter.Import != "" {
					kind = part.Parameter.Import + "." + kind
				}
			}
			if parsed[i] != (piece{part.Literal, kind}) {
				t.Errorf("%s: part %d is %+v, not %+v", key, i, parsed[i], part)
			}
		}
		if sample := parsed.sample(); !parsed.expression().MatchString(sample) {
			t.Errorf("%s: its sample %q is none of its keys", key, sample)
		}
	}
}

func TestTemplatesFindTheirKeys(t *testing.T) {
	for template, keys := range map[string]map[string]bool{
		"account:{id:int64}": {"account:7": true, "account:-7": true, "account:": false, "account:x": false, "account:7:more": false, "xaccount:7": false},
		"{on:bool}":          {"true": true, "false": true, "1": false},
		"a.{s:string}":       {"a.x\ny": true, "abx": false, "a.": false},
		"n":                  {"n": true, "nn": false, "\nn": false},
	} {
		for key, want := range keys {
			if got := parseTemplate(template).expression().MatchString(key); got != want {
				t.Errorf("%s has the key %q: %v", template, key, got)
			}
		}
	}
	if glob := parseTemplate(`a*b?[c]\{id:int}^-`).glob(); glob != `a\*b\?\[c\]\\*\^\-` {
		t.Errorf("%s", glob)
	}
}

func TestNonsenseTemplatesHaveASample(t *testing.T) {
	for _, template := range []string{"", "{", "}", "{{", "{}", "{:}", "{a", "a}", "\xff{a:\xff}", strings.Repeat("{", 1000), "{a:int}{b:int}"} {
		parsed := parseTemplate(template)
		parsed.sample()
		parsed.glob()
		if parsed.expression() == nil {
			t.Errorf("%q: no expression", template)
		}
	}
}

func TestWhatCameOverTheNetworkIsCleanAndShort(t *testing.T) {
	for text, want := range map[string]string{
		"7.0.15":           "7.0.15",
		"\x1b[2Jboo\r\n":   `\x1b[2Jboo\r\n`,
		"\u202egnp.exe":    `\u202egnp.exe`,
		"a\x00b\xff":       `a\x00b\xff`,
		"größer als 1 MiB": "größer als 1 MiB",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := clean(strings.Repeat("x", 1<<24)); len([]rune(got)) != textLimit+1 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}
