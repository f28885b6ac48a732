package compat

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// everyFile are the definitions of all scenarios.
func everyFile(t *testing.T) (sources []string) {
	t.Helper()
	names, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(names) < 100 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		sources = append(sources, readFile(t, name))
	}
	return sources
}

func TestNothingBreaksWithoutAChange(t *testing.T) {
	for _, source := range everyFile(t) {
		if findings := Compare(version(t, "old.yaml", source), version(t, "new.yaml", source)); len(findings) > 0 {
			t.Errorf("%s\nhas %+v", source, findings)
		}
	}
}

func TestOrderAndCommentsDoNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, source := range everyFile(t) {
		head, rest, _ := strings.Cut(source, "mutexes:\n")
		mutexes := strings.Split(strings.TrimPrefix(rest, "  - "), "\n  - ")
		for i, m := range mutexes {
			fields := strings.Split(strings.TrimSuffix(m, "\n"), "\n    ")
			random.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
			mutexes[i] = strings.Join(fields, "\n    ")
		}
		random.Shuffle(len(mutexes), func(i, j int) { mutexes[i], mutexes[j] = mutexes[j], mutexes[i] })
		other := "# a comment\n" + head + "\nmutexes:\n  - " + strings.Join(mutexes, " # another\n  - ") + "\n"
		if findings := Compare(version(t, "old.yaml", source), version(t, "new.yaml", other)); len(findings) > 0 {
			t.Errorf("%s\nis not the same as\n%s\n%+v", source, other, findings)
		}
	}
}

var kebab = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

// TestEveryFindingIsWhole compares definitions that have nothing to do with each other.
func TestEveryFindingIsWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	all := everyFile(t)
	for range 2000 {
		before, after := all[random.IntN(len(all))], all[random.IntN(len(all))]
		if random.IntN(2) == 0 {
			before, after = randomPair(random)
			if _, findings := definition.Parse("", []byte(before)); findings.HasErrors() {
				continue
			}
			if _, findings := definition.Parse("", []byte(after)); findings.HasErrors() {
				continue
			}
		}
		lines := strings.Count(after, "\n")
		for _, finding := range Compare(version(t, "old.yaml", before), version(t, "new.yaml", after)) {
			text := finding.Message + finding.Hint
			for _, related := range finding.Related {
				text += related.Label
				if related.File == "" || related.Line == 0 {
					t.Errorf("a place that is nowhere: %+v", finding)
				}
			}
			switch {
			case finding.File != "new.yaml" || finding.Line > lines || finding.Line == 0 && finding.Code != "dropped":
				t.Errorf("it is nowhere: %+v", finding)
			case !kebab.MatchString(finding.Code), finding.Hint == "", finding.Related[0].File != "old.yaml":
				t.Errorf("it is not whole: %+v", finding)
			case strings.ContainsAny(text, "\n\r\t"), strings.Contains(text, "  "), strings.Contains(text, "%!"), numbered.MatchString(text),
				strings.Contains(text, "secret"), strings.Contains(text, "geheim"):
				t.Errorf("it says too much: %+v", finding)
			}
		}
	}
}

// TestFindingsHoldNoPassword tries URLs that hide a password where a careless reader would not look.
func TestFindingsHoldNoPassword(t *testing.T) {
	urls := []string{"redis://u:geheim@h", "redis://:geheim@${HOST}", "${BASE}:geheim@h", "${URL:-redis://:geheim@h/1}", "redis://:ge${X}heim@h",
		"${U:-redis://:geheim@a}/1", "redis://geheim:${P}@h", "unix://u:geheim@/s", "redis://:geheim%2F@h?db=2", "${S:-redis}://:geheim@h",
		"redis://u:${P:-geheim}@h", "${A:-redis://:geheim}@h", "redis://h?password=geheim", "${URL}?password=geheim", "unix:///s?password=geheim",
		"redis+sentinel://u:geheim@s1,s2:1/m", "redis+sentinel://s1/m?sentinel_password=geheim", "${URL:-redis+sentinel://s1/m?sentinel_password=geheim}",
		"redis+cluster://:geheim@c1:1,c2:2", "redis+sentinel://${S}/m?sentinel_password=ge${X}heim", "${S}+sentinel://u:geheim@s1/m",
		"${BASE}:geheim@s1,s2/m", "redis+sentinel://u:${P:-geheim}@s1/m/2"}
	tried := 0
	for _, before := range urls {
		for _, after := range urls {
			for _, key := range []string{"a", "redis://u:geheim@a", "redis://:geheim/@{x:string}"} {
				old := fmt.Sprintf("version: 1\nmutexes: [{name: A, key: %q, url: %q}, {name: B, key: b, servers: [%q]}]", key, before, before)
				now := fmt.Sprintf("version: 1\nmutexes: [{name: A, key: a2, url: %q}, {name: B, key: b, cluster: [[%q], [redis://other]]}]", after, after)
				if refused(old) || refused(now) {
					continue
				}
				tried++
				for _, finding := range Compare(version(t, "old.yaml", old), version(t, "new.yaml", now)) {
					if text := fmt.Sprintf("%+v", finding); strings.Contains(text, "geheim") {
						t.Errorf("from %s to %s: %s", before, after, text)
					}
				}
			}
		}
	}
	if tried < 900 {
		t.Errorf("only %d were tried: the others are refused", tried)
	}
}

func TestThousandsOfMutexesAreComparedInLittleTime(t *testing.T) {
	const n = 5000
	source := func(url, prefix string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "version: 1\ndefaults: {cluster: [[%s], [redis://z]]}\nmutexes:\n", url)
		for i := range n {
			key := fmt.Sprintf("%s:%d", prefix, i)
			if i%2 == 0 {
				key += ":{id:int64}"
			}
			fmt.Fprintf(&b, "  - {name: %s%d, key: %q}\n", strings.ToUpper(prefix), i, key)
		}
		return b.String()
	}
	moved, other := version(t, "new.yaml", source("redis://b", "a")), version(t, "new.yaml", source("redis://a", "b"))
	old := version(t, "old.yaml", source("redis://a", "a"))
	start := time.Now()
	findings := Compare(old, moved)
	if len(findings) == 0 || len(findings) > 10 {
		t.Errorf("one change of the defaults is %d findings", len(findings))
	}
	if findings := Compare(old, other); len(findings) != n {
		t.Errorf("%d mutexes are said to be dropped", len(findings))
	}
	if took := time.Since(start); took > 20*time.Second { // on a machine with much else to do
		t.Errorf("it took %v", took)
	}
}

func TestADefinitionWithoutMutexesIsNoReasonToPanic(t *testing.T) {
	empty := Version{"empty.yaml", &definition.File{}}
	bare := Version{"bare.yaml", &definition.File{Mutexes: []definition.Mutex{{}, {Name: "A"}, {Name: "A", Servers: []string{"${", "://"}}}}}
	for _, before := range []Version{empty, bare} {
		for _, after := range []Version{empty, bare} {
			if findings := Compare(before, after); slices.ContainsFunc(findings, func(f definition.Finding) bool { return f.Message == "" }) {
				t.Errorf("%+v", findings)
			}
		}
	}
}
