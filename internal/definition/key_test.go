package definition

import (
	"fmt"
	"strings"
	"testing"
)

// parts writes a key's parts down: literal text quoted, parameters in braces.
func parts(key Key) string {
	var out []string
	for _, part := range key.Parts {
		if part.Parameter == nil {
			out = append(out, fmt.Sprintf("%q", part.Literal))
			continue
		}
		imported := part.Parameter.Import
		if imported != "" {
			imported += "."
		}
		out = append(out, "{"+part.Parameter.Name+" "+imported+part.Parameter.Type+"}")
	}
	return strings.Join(out, " ")
}

func TestKeyTemplates(t *testing.T) {
	for template, want := range map[string]string{
		"report:nightly":                      `"report:nightly"`,
		"account:{account_id:int64}:transfer": `"account:" {account_id int64} ":transfer"`,
		"{resource:string}":                   `{resource string}`,
		"{a:int}-{b:uint64}-{c:bool}":         `{a int} "-" {b uint64} "-" {c bool}`,
		"a{{b}}c":                             `"a{b}c"`,
		"{{{id:int}}}":                        `"{" {id int} "}"`,
		"{{id:int}}":                          `"{id:int}"`,
		"u:{id:github.com/google/uuid.UUID}":  `"u:" {id github.com/google/uuid.UUID}`,
		"{t:time.Duration}":                   `{t time.Duration}`,
		"{t:gopkg.in/foo.v1.Bar}":             `{t gopkg.in/foo.v1.Bar}`,
		"{t:example.com/a_b~c+d/v2.Ärger}":    `{t example.com/a_b~c+d/v2.Ärger}`,
		"日本:{id:int}":                         `"日本:" {id int}`,
		"$HOME ${id:int}":                     `"$HOME $" {id int}`,
		" ":                                   `" "`,
	} {
		key, problems := parseKey(template)
		if got := parts(key); got != want || len(problems) > 0 || key.Template != template {
			t.Errorf("%s: got %s and %v", template, got, problems)
		}
	}
}

func TestWrongKeyTemplates(t *testing.T) {
	for _, test := range []struct{ template, want string }{
		{"", "0: the key is empty"},
		{"a{", "1: an opening brace without a closing one"},
		{"a{id:int", "1: an opening brace without a closing one"},
		{"a{id:{b:int}", "1: an opening brace without a closing one"},
		{"a}b", "1: a closing brace without an opening one"},
		{"{}", "0: an empty parameter"},
		{"日{}", "1: an empty parameter"},
		{"{id}", "1: parameter id has no type"},
		{"{id:}", "3: parameter id has no type"},
		{"{:int}", "1: parameter name is missing"},
		{"{Id:int}", `1: parameter name "Id" is not a lower_snake or lowerCamel identifier`},
		{"{a__b:int}", `1: parameter name "a__b" is not a lower_snake or lowerCamel identifier`},
		{"{a_B:int}", `1: parameter name "a_B" is not a lower_snake or lowerCamel identifier`},
		{"{a_:int}", `1: parameter name "a_" is not a lower_snake or lowerCamel identifier`},
		{"{_:int}", `1: parameter name "_" is not a lower_snake or lowerCamel identifier`},
		{"{1a:int}", `1: parameter name "1a" is not a lower_snake or lowerCamel identifier`},
		{"{ä:int}", `1: parameter name "ä" is not a lower_snake or lowerCamel identifier`},
		{"{a b:int}", `1: parameter name "a b" is not a lower_snake or lowerCamel identifier`},
		{"{id:int32}", `4: unknown type "int32" of parameter id`},
		{"{id: int}", `4: unknown type " int" of parameter id`},
		{"{id:float64}", `4: unknown type "float64" of parameter id`},
		{"{id:a/b}", `4: unknown type "a/b" of parameter id`},
		{"{id:uuid.uuid}", `9: type "uuid" of parameter id is not an exported Go identifier`},
		{"{id:日/日.A}", `4: import path "日/日" of parameter id has the character '日' in it`},
		{"{id:a.}", `6: type "" of parameter id is not an exported Go identifier`},
		{"{id:a.B[int]}", `6: type "B[int]" of parameter id is not an exported Go identifier`},
		{"{id:.B}", `4: import path "" of parameter id is empty`},
		{"{id:./a.B}", `4: import path "./a" of parameter id is not a clean path`},
		{"{id:C.B}", `4: import path "C" of parameter id is no package: it switches on cgo`},
		{"{id:/a.B}", `4: import path "/a" of parameter id is not a clean path`},
		{"{id:a//b.B}", `4: import path "a//b" of parameter id is not a clean path`},
		{"{id:../b.B}", `4: import path "../b" of parameter id has the element ".."`},
		{"{id:a/-b.B}", `4: import path "a/-b" of parameter id has the element "-b"`},
		{"{id:*a.B}", `4: import path "*a" of parameter id has the character '*' in it`},
		{`{id:a"b.B}`, `4: import path "a\"b" of parameter id has the character '"' in it`},
		{"{a:int}:{a:int}", "8: the key has parameter a twice"},
		{"{user_id:int}:{userId:int}", "14: parameters user_id and userId are both userID in Go"},
		{"{a:int}{b:int}", "7: parameters a and b with no text between them"},
		{"{a:string}:{b:string}", "11: warning: different values of a and b can make the same key: either may contain the text between them"},
		{"{a:string}:{n:int}:{b:string}", "19: warning: different values of a and b can make the same key: either may contain the text between them"},
		{"{a:string}:{b:int64}", ""},
		{"a\x00b", "1: control character U+0000 in the key"},
		{"a\nb", "1: control character U+000A in the key"},
		{"k:${TENANT}", `2: "${TENANT}" in a key: variables work in URLs only`},
		{"k:${TENANT:-x}", `2: "${TENANT:-x}" in a key: variables work in URLs only`},
		{"k:${tenant}", "4: parameter tenant has no type"},
		{strings.Repeat("a", 4097), "0: the key has 4097 bytes; at most 4096 are allowed"},
		{"{a}{b}}", "1: parameter a has no type|4: parameter b has no type|6: a closing brace without an opening one"},
	} {
		_, problems := parseKey(test.template)
		var got []string
		for _, p := range problems {
			warning := ""
			if p.Severity == Warning {
				warning = "warning: "
			}
			got = append(got, fmt.Sprintf("%d: %s%s", p.offset, warning, p.message))
		}
		if strings.Join(got, "|") != test.want {
			t.Errorf("%q: got %q, want %q", test.template, got, test.want)
		}
	}
}

func TestKeyHints(t *testing.T) {
	for template, want := range map[string]string{
		"{id}":         "{id:string}",
		"{AccountId}":  "for example account_id",
		"{account-id}": "for example account_id",
		"{id:int32}":   "did you mean int64?",
		"{id:uuid}":    "did you mean github.com/google/uuid.UUID?",
		"{id:strng}":   "did you mean string?",
		"{id: int}":    "did you mean int?",
		"{id:float64}": "string, int, int64, uint64, bool, or an imported fmt.Stringer such as github.com/google/uuid.UUID",
		"{id:a/b}":     "an imported type is written with its import path and name: github.com/google/uuid.UUID",
		"}":            "a literal brace is written }}",
	} {
		_, problems := parseKey(template)
		if len(problems) != 1 || problems[0].hint != want {
			t.Errorf("%s: got %+v, want the hint %q", template, problems, want)
		}
	}
}

func TestKeyErrorsStandAtTheirColumn(t *testing.T) {
	for line, column := range map[string]int{
		`key: a:{x}`:              13,
		`key: "a:{x}"`:            14,
		`key: 'a:{x}'`:            14,
		`key: 'it''s:{x}'`:        18,
		`key: "\x41\t\u00e4:{x}"`: 11, // a control character comes first
		`key: "\x41\u00e4:{x}"`:   23,
		`key: "日本:{x}"`:           15,
		`key: &k a:{x}`:           10,
		`key: !!str a:{x}`:        10,
		"key: >-\n      a:{x}":    10,
		"key: a\n      {x}":       10,
	} {
		_, findings := Parse("mutexes.yaml", []byte(mutexText(line)))
		if len(findings) == 0 || findings[0].Line != 5 {
			t.Errorf("%s: %v", line, findings)
			continue
		}
		if line == `key: "\x41\t\u00e4:{x}"` {
			column = 15
		}
		if findings[0].Column != column {
			t.Errorf("%s: column %d, want %d", line, findings[0].Column, column)
		}
	}
}
