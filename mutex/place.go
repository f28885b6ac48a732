package mutex

import (
	"fmt"
	"strings"
	"unicode"
)

// place is where a mutex lives: groups of URLs, and for each URL, in the same order, the field it stands in.
type place struct {
	groups [][]string
	fields []string
}

func servers(field string, urls []string) place {
	p := place{groups: [][]string{urls}}
	for i := range urls {
		p.fields = append(p.fields, fmt.Sprintf("%s[%d]", field, i))
	}
	return p
}

func cluster(field string, groups [][]string) place {
	p := place{groups: groups}
	for i, group := range groups {
		for j := range group {
			p.fields = append(p.fields, fmt.Sprintf("%s[%d][%d]", field, i, j))
		}
	}
	return p
}

// place is where the definition's mutex lives in this Open: an option for it comes first, then one for all mutexes, then
// for a mutex with a url its environment variable, then the definition.
func (c *config) place(d *Definition) place {
	if p, ok := c.places[d.Name]; ok {
		return p
	}
	if p, ok := c.places[AllMutexes]; ok {
		return p
	}
	switch {
	case len(d.Cluster) > 0:
		return cluster("cluster", d.Cluster)
	case len(d.Servers) > 0:
		return servers("servers", d.Servers)
	}
	variable := "MUTEX_" + screamingSnake(d.Name) + "_URL"
	if url, ok := c.lookup(variable); ok && url != "" {
		return place{groups: [][]string{{url}}, fields: []string{variable}}
	}
	return place{groups: [][]string{{d.URL}}, fields: []string{"url"}}
}

// screamingSnake is NIGHTLY_REPORT for NightlyReport and HTTP_SERVER for HTTPServer.
func screamingSnake(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			before := runes[i-1]
			wordEnds := unicode.IsLower(before) || unicode.IsDigit(before)
			wordBegins := unicode.IsUpper(before) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if wordEnds || wordBegins {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
