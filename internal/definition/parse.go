package definition

import (
	"fmt"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// parser gathers findings while it walks the tree of one file.
type parser struct {
	name     string
	source   *source
	findings Findings
	reported map[topic]bool
	counts   [2]int // by severity
	visits   int    // by way of aliases
	// refused are the values that are found wrong.
	refused map[refusal]bool
	// unmerged says that a merge key of the mapping at hand has brought nothing, so that what lacks may be no mistake.
	unmerged bool
	// exhausted says that there were too many.
	exhausted bool
	// identities remembers which node a URL names.
	identities map[string]Node
}

// Parse reads the definitions in source; name is the file's path, as the user named it. The File is nil exactly if one of
// the findings, which are sorted by position, is an Error.
func Parse(name string, source []byte) (*File, Findings) {
	p := &parser{name: "the file", source: newSource(source), refused: map[refusal]bool{}}
	if name != "" {
		p.name = filepath.Base(name)
	}
	file := p.file(source)
	for i := range p.findings {
		finding := &p.findings[i]
		finding.File, finding.Position = name, p.source.clamp(finding.Position)
		for j := range finding.Related {
			related := &finding.Related[j]
			related.File, related.Position = name, p.source.clamp(related.Position)
		}
	}
	p.findings.Sort()
	if p.findings.HasErrors() {
		return nil, p.findings
	}
	return file, p.findings
}

// findingLimit bounds how many errors are reported of one file, and how many warnings.
const findingLimit = 1000

// report takes each finding once: what is wrong in the defaults is found for every mutex that relies on them.
func (p *parser) report(finding Finding) {
	about := topic{finding.Severity, finding.Position, finding.Message}
	count := &p.counts[finding.Severity]
	if p.reported[about] || *count > findingLimit {
		return
	}
	if *count == findingLimit {
		finding = Finding{Severity: finding.Severity, Position: Position{len(p.source.lines), 1},
			Message: "there is more to say; this is where it gets too much"}
	}
	if p.reported == nil {
		p.reported = map[topic]bool{}
	}
	p.reported[about] = true
	*count++
	p.findings = append(p.findings, finding)
}

// refusal is a value that is wrong for a field.
type refusal struct {
	node  *yaml.Node
	field *Field
}

// topic is what makes a finding the same as another.
type topic struct {
	Severity
	Position
	message string
}

func (p *parser) errorf(at Position, hint, format string, args ...any) {
	p.report(Finding{Severity: Error, Position: at, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (p *parser) warnf(at Position, hint, format string, args ...any) {
	p.report(Finding{Severity: Warning, Position: at, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (p *parser) file(text []byte) *File {
	if finding, ok := p.source.unreadable(text); ok {
		p.report(finding)
		return nil
	}
	all, err := documents(strings.NewReader(string(text)))
	if err != nil {
		p.report(p.source.syntaxFinding(text, err))
		return nil
	}
	if len(all) == 0 || len(all[0].Content) == 0 || len(all) == 1 && isNull(value{Node: all[0].Content[0]}) {
		p.errorf(Position{1, 1}, "it begins with version: 1", "%s is empty", p.name)
		return nil
	}
	if len(all) > 1 {
		p.errorf(Position{all[1].Line, all[1].Column}, "one file holds one document: remove the --- that parts them",
			"a second YAML document")
		if isNull(value{Node: all[0].Content[0]}) {
			return nil
		}
	}
	root, _ := p.value(all[0].Content[0], value{})
	entries, ok := p.fields(root, "the file")
	if !ok {
		return nil
	}
	known := p.known(entries, InFile)
	file := &File{}
	if version, ok := known["version"]; ok {
		p.version(version.value)
	} else {
		p.errorf(root.at, "begin the file with version: 1", "version is missing")
	}
	if e, ok := known["package"]; ok {
		file.Package = p.packageName(e.value)
	}
	defaults := settings{}
	if e, ok := known["defaults"]; ok && !isNull(e.value) {
		if entries, ok := p.fields(e.value, "defaults"); ok {
			defaults = p.settings(p.known(entries, InDefaults))
		}
	}
	e, ok := known["mutexes"]
	if !ok {
		p.errorf(root.at, "list them under mutexes:, each with a name", "mutexes is missing")
		return nil
	}
	items, ok := p.items(e.value, "mutexes", "a list of mutexes", "each begins with - name:")
	if !ok {
		return nil
	}
	if len(items) == 0 {
		p.errorf(e.value.at, noMutexesHint, "mutexes is empty")
		return nil
	}
	const most = 10_000
	if len(items) > most {
		p.errorf(items[most].at, "", "mutexes has %d mutexes; at most %d are read", len(items), most)
		return nil
	}
	drafts := p.mutexes(items, defaults)
	for _, d := range drafts {
		d.places = make(map[string]Position, len(d.in))
		for field, s := range d.in {
			d.places[field] = s.entry.value.at
		}
		file.Mutexes = append(file.Mutexes, d.Mutex)
	}
	return file
}

// known looks the entries up in the table of fields; for what is not in it, it says what may be meant.
func (p *parser) known(entries []entry, place Place) map[string]entry {
	known := make(map[string]entry, len(entries))
	for _, e := range entries {
		if fieldOf(e.name, place) != nil {
			known[e.name] = e
			continue
		}
		p.errorf(e.at, unknownHint(e.name, place), "unknown field %s%s", quoted(e.name), placeName(place))
	}
	return known
}

func placeName(place Place) string {
	switch place {
	case InDefaults:
		return " in defaults"
	case InMutex:
		return " in a mutex"
	}
	return ""
}

func unknownHint(name string, place Place) string {
	if here, foreign := resembling(name, place); foreign {
		return "here it is called " + here
	} else if here != "" {
		return "did you mean " + here + "?"
	}
	for _, other := range []Place{InMutex, InFile} {
		there, _ := resembling(name, other)
		if other == place || there == "" {
			continue
		}
		switch fieldOf(there, other).In {
		case inBoth:
			return there + " belongs in a mutex, or in defaults"
		case InMutex:
			return there + " belongs in a mutex"
		}
		return there + " belongs at the top of the file"
	}
	return ""
}

// resembling is the field of the place that the name nearly is, or is in another library.
func resembling(name string, place Place) (resembled string, foreign bool) {
	var names []string
	for _, f := range fields {
		if f.In&place == 0 {
			continue
		}
		for _, other := range f.Foreign {
			if plainWord(other) == plainWord(name) {
				return f.Name, true
			}
		}
		names = append(names, f.Name)
	}
	return Nearest(name, names), false
}

func (p *parser) version(v value) {
	const hint = "this mutexgen reads version: 1"
	switch {
	case v.Kind != yaml.ScalarNode || isNull(v):
		p.wrongKind(v, "version", "the number 1", hint)
	case kindOf(v) != "a number":
		p.errorf(v.at, "write it without quotes: version: 1", "version must be the number 1; this is %s", kindOf(v))
	case v.Value != "1":
		p.errorf(v.at, hint, "unknown version %s", quoted(v.Value))
	}
}
