package definition

import (
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		example,
		"",
		"\ufeffversion: 1\r\nmutexes:\r\n  - {name: A, url: \"${A:-redis://:p@h}\", key: \"a:{b:int}\", wait: forever}\r\n",
		"version: 1\ndefaults: &d {url: redis://a, expiration: 1s}\nmutexes:\n- {<<: *d, name: A}\n- {<<: [*d, *d], name: B}\n",
		"version: 1\nmutexes: &a\n- *a\n",
		"version: 1\nmutexes:\n- name: \"A\\u0000\"\n  key: 'x''{y:b.C}'\n  servers: [unix:///a, b, c]\n",
		"version: 1\nmutexes:\n- name: A\n  key: >-\n    {a:string}:{b:string}\n  cluster: [[redis://a], [redis://b]]\n",
		"a: [1, 2\n\tb: {",
		"--- \n--- a\n...\n",
		"version: 2\nttl: 1\nmutexes: [{retryCount: -1, wait: 1d, drift_factor: .nan, pool_size: 0x10}]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, findings := Parse("mutexes.yaml", text)
		if (file == nil) != findings.HasErrors() {
			t.Errorf("file %v with findings %v", file, findings)
		}
		if !slices.IsSortedFunc(findings, func(a, b Finding) int { return a.Position.compare(b.Position) }) {
			t.Errorf("findings are not sorted: %v", findings)
		}
		source := newSource(text)
		inside := func(p Position) {
			line, ok := source.line(p.Line)
			if !ok || p.Column < 1 || p.Column > utf8.RuneCountInString(line)+1 {
				t.Errorf("position %v is not in the source", p)
			}
		}
		for _, finding := range findings {
			said := finding.Message + finding.Hint
			for _, related := range finding.Related {
				said += related.Label
			}
			if finding.Message == "" || strings.ContainsFunc(said, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("no message for one line of a terminal: %q", said)
			}
			inside(finding.Position)
			for _, related := range finding.Related {
				inside(related.Position)
			}
		}
		if err := report("mutexes.yaml", string(text)).Write(io.Discard, findings); err != nil {
			t.Error(err)
		}
		if file == nil {
			return
		}
		for _, m := range file.Mutexes {
			given := 0
			for _, is := range []bool{m.URL != "", m.Servers != nil, m.Cluster != nil} {
				if is {
					given++
				}
			}
			if given != 1 || m.Name == "" || len(m.Key.Parts) == 0 || m.Expiration < 1 || m.PoolSize < 1 ||
				m.RetryJitter > m.RetryInterval || m.Wait > 0 && m.MaxRetry > 0 ||
				m.Renew && m.MaxHold != 0 && m.MaxHold <= m.Expiration {
				t.Errorf("accepted %+v", m)
			}
			inside(m.Position)
		}
	})
}
