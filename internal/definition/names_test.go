package definition

import (
	"strings"
	"testing"
)

func TestNamesAreExportedIdentifiers(t *testing.T) {
	for name, want := range map[string]string{
		"A": "", "NightlyReport": "", "HTTPServer": "", "A_1": "", "Ärger": "", "Func": "", "Lock": "", "Definition": "",
		"nightlyReport":    `name "nightlyReport" is not exported in Go|for example NightlyReport`,
		"nightly-report":   `name "nightly-report" is not a Go identifier|for example NightlyReport`,
		"nightly report":   `name "nightly report" is not a Go identifier|for example NightlyReport`,
		"func":             `name "func" is a Go keyword|for example Func`,
		"_a":               `name "_a" is not exported in Go|for example A`,
		"_":                `name "_" is not exported in Go|an exported Go identifier has letters, digits and underscores, and begins with an upper-case letter`,
		"日本":               `name "日本" is not exported in Go|Go exports only what begins with an upper-case letter: for example X日本`,
		"ärger":            `name "ärger" is not exported in Go|for example Ärger`,
		"'2Fast'":          `name "2Fast" is not a Go identifier|for example X2Fast`,
		"''":               `the name is empty|for example name: NightlyReport`,
		"'A\n\n  B'":       `name "A\nB" is not a Go identifier|for example AB`,
		"'A struct{}; //'": `name "A struct{}; //" is not a Go identifier|for example AStruct`,
		"Mutexes":          `name Mutexes collides with the type Mutexes of the generated file|choose another name`,
		"Open":             `name Open collides with the function Open of the generated file|choose another name`,
		"Close":            `name Close collides with the method Mutexes.Close of the generated file|choose another name`,
		"All":              `name All collides with the method Mutexes.All of the generated file|choose another name`,
		"Held":             `name Held collides with the method Mutexes.Held of the generated file|choose another name`,
		"open":             `name "open" is not exported in Go|an exported Go identifier has letters, digits and underscores, and begins with an upper-case letter`,
		"7":                `name must be an exported Go identifier; this is a number|for example X7`,
		"true":             `name must be an exported Go identifier; this is a boolean|for example True`,
	} {
		got := headlines("version: 1\nmutexes:\n- name: " + name + "\n  url: redis://a\n")
		got = strings.TrimPrefix(got, "3:9: ")
		got = strings.TrimSuffix(strings.Replace(got, "\nhint: ", "|", 1), "\n")
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestNamesThatCollide(t *testing.T) {
	for _, test := range []struct{ names, want string }{
		{"A A", "4:10: a second mutex with the name \"A\"\n3:10: the first one\n"},
		{"A B A A", "5:10: a second mutex with the name \"A\"\n3:10: the first one\n" +
			"6:10: a second mutex with the name \"A\"\n3:10: the first one\n"},
		{"Foo FooLock", "4:10: name FooLock collides with the type of the locks of Foo\n3:10: Foo\nhint: choose another name\n"},
		{"FooLock Foo", "3:10: name FooLock collides with the type of the locks of Foo\n4:10: Foo\nhint: choose another name\n"},
		{"Lock LockLocks FooLock", ""},
		{"HTTPServer HttpServer", "4:10: warning: MUTEX_HTTP_SERVER_URL overrides the url of both HTTPServer and HttpServer\n3:10: HTTPServer\n" +
			"hint: names that differ in more than case and underscores have variables of their own\n"},
	} {
		text := "version: 1\nmutexes:\n"
		for i, name := range strings.Fields(test.names) {
			text += "- {name: " + name + ", url: redis://a, key: k" + strings.Repeat("x", i) + "}\n"
		}
		if got := headlines(text); got != test.want {
			t.Errorf("%s: got\n%swant\n%s", test.names, got, test.want)
		}
	}
	if got := headlines("version: 1\nmutexes:\n- {name: FOO, url: redis://a}\n- {name: Foo, servers: [redis://b]}\n"); got != "" {
		t.Errorf("only a url is overridden: %s", got)
	}
}

func TestScreamingSnake(t *testing.T) {
	for name, want := range map[string]string{
		"NightlyReport": "NIGHTLY_REPORT", "HTTPServer": "HTTP_SERVER", "Sku2Stock": "SKU2_STOCK", "A": "A", "FOO": "FOO",
		"MyHTTP": "MY_HTTP", "Foo_Bar": "FOO_BAR", "ÄrgerÜber": "ÄRGER_ÜBER", "ABc": "A_BC", "A1B": "A1_B",
	} {
		if got := screamingSnake(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
