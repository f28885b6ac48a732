package definition

import (
	"strings"
	"testing"
	"time"
)

func TestSyntaxErrorsNameTheirLine(t *testing.T) {
	head := "version: 1\nmutexes:\n"
	for _, test := range []struct{ text, want string }{
		{head + "  - name: A\n    key: {id:int64}:y\n    wait: 1s\n", "4:10: invalid YAML: did not find expected key\n" +
			"hint: put text that begins with { in quotes: key: \"{id:int64}\"\n"},
		{head + "  - name: A\n    servers: [${A}, ${B}, ${C}]\n    wait: 1s\n", "4:15: invalid YAML: did not find expected ',' or ']'\n" +
			"hint: inside [ ] put ${VAR} in quotes: [\"${REDIS_A}\", \"${REDIS_B}\"]\n"},
		{head + "  - name: A\n\turl: b\n", "4:1: invalid YAML: found a tab character that violates indentation\n" +
			"hint: YAML indents with spaces, not with tabs\n"},
		{head + "  - name: A\n   \turl: b\n", "4:4: invalid YAML: found a tab character that violates indentation\n" +
			"hint: YAML indents with spaces, not with tabs\n"},
		{head + "  - name: A\n    url: *redis\n    wait: 1s\n", "4:10: invalid YAML: unknown anchor 'redis' referenced\n" +
			"hint: an anchor (&name) stands before the alias (*name) that uses it; text that begins with * needs quotes\n"},
		{head + "  - name: A\n    doc: \"open\n    url: b\n    wait: 1s\n", "4:10: invalid YAML: found unexpected end of stream\n" +
			"hint: a quote that opens here does not close\n"},
		{head + "  - name: A\n    cluster: [[a, b,\n    url: b\n    wait: 1s\n", "4:15: invalid YAML: did not find expected ',' or ']'\n" +
			"hint: what begins here has no ] at its end\n"},
		{head + "  - name: A\n    doc: a: b\n", "4:10: invalid YAML: mapping values are not allowed in this context\n" +
			"hint: put text with a colon and a space in it in quotes\n"},
		{head + "  - name: A\n     url: b\n", "4:6: invalid YAML: mapping values are not allowed in this context\n" +
			"hint: check the indentation; text with a colon and a space in it needs quotes\n"},
		{head + "  - name: A\n   url: b\n", "4:4: invalid YAML: did not find expected '-' indicator\n" +
			"hint: check the indentation: the fields of one mutex begin in one column\n"},
		{head + "  - name: A\n    doc: @all\n", "4:10: invalid YAML: found character that cannot start any token\n" +
			"hint: put text that begins with this character in quotes\n"},
		{"version: 1\n- a\n", "2:1: invalid YAML: did not find expected key\n" +
			"hint: check the indentation: the fields of one mutex begin in one column\n"},
		{example + "---\na: [\n", "27:4: invalid YAML: did not find expected node content\nhint: what begins here has no ] at its end\n"},
		{"\"", "1:1: invalid YAML: found unexpected end of stream\nhint: a quote that opens here does not close\n"},
		{"\ufeff[", "1:1: invalid YAML: did not find expected node content\nhint: what begins here has no ] at its end\n"},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%q: got\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestTextThatNoYAMLCanHoldIsReportedWhereItIs(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"version: 1\nname: ü\x00\n", "2:8: a NUL byte\nhint: save the file as UTF-8 text\n"},
		{"version: 1\r\nname: \xff\n", "2:7: the text is not UTF-8\nhint: save the file as UTF-8\n"},
		{"\xff\xfev\x00e\x00", "1:1: the text is UTF-16, not UTF-8\nhint: save the file as UTF-8\n"},
		{"name: \x1b[31mred\n", "1:7: control character U+001B\nhint: in double quotes, YAML writes it as an escape\n"},
		{"name: \u009b31m\n", "1:7: control character U+009B\nhint: in double quotes, YAML writes it as an escape\n"},
		{strings.Repeat("#", sourceLimit+1), "1:1: the file has 4194305 bytes; at most 4194304 are read\n"},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%.20q: got\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestAnInvisibleCharacterIsNotSentToTheTerminal(t *testing.T) {
	got := rendered("version: 1\nmutexes: [{name: \"\u202eA\u200b\", url: redis://a}] # \u2066\x1b\n")
	for _, r := range got {
		if r == 0x202e || r == 0x200b || r == 0x2066 || r == 0x1b {
			t.Errorf("%U in %q", r, got)
		}
	}
	if !strings.Contains(got, "\uFFFD") {
		t.Errorf("no replacement in %q", got)
	}
}

// What makes the YAML library slow or deep, or us repeat ourselves.
func TestHostileFilesEndSoon(t *testing.T) {
	many := func(text string, bytes int) string { return strings.Repeat(text, bytes/len(text)) }
	bomb := "version: 1\ndefaults: {url: redis://a}\nx: &a [1]\n"
	for name := 'b'; name < 'z'; name++ {
		before := "*" + string(name-1)
		bomb += "x" + string(name) + ": &" + string(name) + " [" + strings.Repeat(before+", ", 9) + before + "]\n"
	}
	for name, text := range map[string]string{
		"deep list":        many("[", 1<<20),
		"deep mapping":     many("{a: ", 1<<20),
		"deep block":       many("- ", 1<<20),
		"many mutexes":     "version: 1\nmutexes:\n" + many("- a\n", 1<<20),
		"one line":         "version: 1\nmutexes: [" + many("{name: ä},", 1<<20) + "]",
		"many fields":      many("a: b\n", 1<<20),
		"merged fields":    "version: 1\nmutexes: [{<<: {" + many("a: b,", 1<<20) + "}}]",
		"many documents":   many("---\na\n", 1<<20),
		"unclosed quote":   "a: \"" + many("b\n", 1<<18),
		"comments":         many("# comment\n", 1<<20),
		"long name":        "version: 1\nmutexes: [{name: " + many("A", 1<<20) + "}]",
		"long key":         mutexText("key: '" + many("{a:string}:", 1<<20) + "'"),
		"long mask":        mutexText("url: '" + many("redis://:a://@", 1<<20) + "'"),
		"bad keys":         "version: 1\nmutexes: [" + many("{name: A, key: '"+many("}", 4000)+"'},", 1<<20) + "]",
		"long url":         "version: 1\nmutexes: [{name: A, url: \"" + many("${A:-redis://:p@}", 1<<20) + "\"}]",
		"long number":      mutexText("expiration: " + many("9", 1<<20)),
		"long field":       mutexText(many("9", 1<<20) + ": 1"),
		"alias bomb":       bomb + "mutexes: *y\n",
		"cluster of alias": "version: 1\nmutexes: [{name: A, cluster: [&g [&s redis://a" + many(",*s", 9000) + "]" + many(",*g", 9000) + "]}]",
		"long alias":       "version: 1\npackage: &p " + many("a", 1<<20) + "\nmutexes: [{name: A, servers: [" + many("*p,", 1<<18) + "]}]",
		"itself":           "version: 1\nmutexes: &m [*m, {<<: *m}, &x {<<: *x, name: A, url: redis://a}]\n",
	} {
		begin := time.Now()
		file, findings := Parse("mutexes.yaml", []byte(text))
		if file != nil || !findings.HasErrors() {
			t.Errorf("%s: accepted", name)
		}
		var out strings.Builder
		if err := report("mutexes.yaml", text).Write(&out, findings); err != nil {
			t.Error(err)
		}
		if out.Len() > 1<<20 {
			t.Errorf("%s: %d bytes are said about it: %.400s", name, out.Len(), out.String())
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		} else if testing.Verbose() {
			t.Logf("%s: %v, %.150q", name, took, out.String())
		}
	}
}
