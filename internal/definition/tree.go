package definition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// documents reads all YAML documents. The library panics on some inputs; that is an error like any other here.
func documents(in io.Reader) (all []*yaml.Node, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = errors.New("yaml: this text cannot be read")
		}
	}()
	for decoder := yaml.NewDecoder(in); ; {
		document := new(yaml.Node)
		if err := decoder.Decode(document); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, document)
	}
}

// syntaxFinding places an error of the YAML library. The line that it names is that of an enclosing construct, or one
// too few, or missing, so we look for it: the first line that turns the text from readable to unreadable.
func (s *source) syntaxFinding(text []byte, failure error) Finding {
	message := strings.TrimPrefix(failure.Error(), "yaml: ")
	named := 1
	if _, err := fmt.Sscanf(message, "line %d:", &named); err == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	number := named
	const limit = 256 << 10 // beyond, reading the text again and again takes too long
	if len(text) <= limit {
		number = s.brokenLine(text)
	}
	number = max(1, min(number, len(s.lines)))
	line := s.lines[number-1]
	finding := Finding{Position: Position{number, indentation(line) + 1}, Message: "invalid YAML: " + message}
	switch {
	case strings.HasPrefix(message, "unknown anchor '"):
		alias := "*" + strings.SplitN(message, "'", 3)[1]
		if before, _, ok := strings.Cut(line, alias); ok {
			finding.Column = utf8.RuneCountInString(before) + 1
		}
		finding.Hint = "an anchor (&name) stands before the alias (*name) that uses it; text that begins with * needs quotes"
	case strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t"):
		finding.Column = strings.IndexByte(line, '\t') + 1
		finding.Hint = "YAML indents with spaces, not with tabs"
	case strings.Contains(message, "cannot start any token"):
		if at := strings.IndexAny(line, "@`%"); at >= 0 {
			finding.Column = utf8.RuneCountInString(line[:at]) + 1
		}
		finding.Hint = "put text that begins with this character in quotes"
	case strings.Contains(line, "[") && strings.Contains(line, "${"):
		finding.Hint = `inside [ ] put ${VAR} in quotes: ["${REDIS_A}", "${REDIS_B}"]`
	case strings.Contains(line, ": {"):
		finding.Column = utf8.RuneCountInString(line[:strings.Index(line, ": {")]) + 3
		finding.Hint = `put text that begins with { in quotes: key: "{id:int64}"`
	case strings.Contains(message, "mapping values are not allowed"):
		finding.Hint = "check the indentation; text with a colon and a space in it needs quotes"
	case strings.Contains(message, "unexpected end of stream"):
		finding.Hint = "a quote that opens here does not close"
	case strings.Contains(message, "expected key"):
		finding.Hint = "check the indentation: the fields of one mutex begin in one column"
	}
	finding.Position = s.clamp(finding.Position)
	return finding
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// brokenLine is the number of the line that makes the text unreadable: all text before it can be read. It looks
// backwards from where the library stopped reading, in growing steps, then halves the last of them.
func (s *source) brokenLine(text []byte) int {
	reader := &hesitant{rest: text}
	if _, err := documents(reader); err == nil {
		return len(s.lines)
	}
	ends := lineEnds(text)
	readable := func(lines int) bool {
		_, err := documents(bytes.NewReader(text[:ends[lines]]))
		return err == nil
	}
	broken, _ := slices.BinarySearch(ends, len(text)-len(reader.rest))
	broken = max(1, min(broken, len(ends)-1))
	good := 0
	for step := 1; broken-step > 0; step *= 2 {
		if readable(broken - step) {
			good = broken - step
			break
		}
		broken -= step
	}
	for broken-good > 1 {
		if middle := (good + broken) / 2; readable(middle) {
			good = middle
		} else {
			broken = middle
		}
	}
	return broken
}

// lineEnds holds at i the offset behind line i, with its break; line 0 is empty.
func lineEnds(text []byte) []int {
	ends := []int{0}
	for at := 0; ; {
		end, width := lineBreak(string(text[at:]))
		at += end + width
		ends = append(ends, at)
		if width == 0 {
			return ends
		}
	}
}

// hesitant hands out one byte at a time, so that what has not been read is what the library had no need for.
type hesitant struct{ rest []byte }

func (h *hesitant) Read(into []byte) (int, error) {
	if len(h.rest) == 0 {
		return 0, io.EOF
	}
	if len(into) == 0 {
		return 0, nil
	}
	into[0] = h.rest[0]
	h.rest = h.rest[1:]
	return 1, nil
}

// value is a node, and the place to blame for it: its own, or, if an alias led to it, that of the alias.
type value struct {
	*yaml.Node
	at      Position
	aliased bool
}

// visitLimit bounds how many nodes are visited by way of aliases: a small file can name very many.
const visitLimit = 200_000

// value follows an alias. It is not ok when aliases have led to too much already.
func (p *parser) value(node *yaml.Node, parent value) (value, bool) {
	v := value{Node: node, at: Position{node.Line, node.Column}}
	if parent.aliased {
		v.at, v.aliased = parent.at, true
	}
	if node.Kind == yaml.AliasNode {
		v.Node, v.aliased = node.Alias, true
	}
	if v.aliased {
		if p.visits++; p.visits > visitLimit {
			if p.visits == visitLimit+1 {
				p.errorf(v.at, "write out what the aliases stand for", "aliases stand for too much: over %d values", visitLimit)
			}
			return v, false
		}
	}
	return v, true
}

// entry is a field in a mapping.
type entry struct {
	name  string
	at    Position // of the field's name
	value value
	// merged tells a field that came by way of a merge key.
	merged bool
}

// fields reads a mapping: each name once, in the order of the file; what merge keys bring comes last.
func (p *parser) fields(v value, what string) ([]entry, bool) {
	if v.Kind != yaml.MappingNode {
		p.wrongKind(v, what, "a mapping of fields")
		return nil, false
	}
	var entries []entry
	var merges []value
	for i := 0; i+1 < len(v.Content); i += 2 {
		name, ok := p.value(v.Content[i], v)
		if !ok {
			return entries, false
		}
		content, ok := p.value(v.Content[i+1], v)
		switch {
		case !ok:
			return entries, false
		case name.Kind == yaml.ScalarNode && name.ShortTag() == "!!merge":
			merges = append(merges, content)
			continue
		case name.Kind != yaml.ScalarNode:
			p.errorf(name.at, "", "%s where the name of a field should be", kindOf(name))
			continue
		}
		if first := slices.IndexFunc(entries, func(e entry) bool { return e.name == name.Value }); first >= 0 {
			p.report(Finding{Position: name.at, Message: "field " + quoted(name.Value) + " stands here twice",
				Related: []Related{{entries[first].at, "the first one"}}})
			continue
		}
		entries = append(entries, entry{name: name.Value, at: name.at, value: content})
		const most = 1000 // no mapping of ours has as many, and looking for duplicates must not take long
		if len(entries) > most {
			p.errorf(name.at, "", "more than %d fields in one mapping", most)
			return entries, false
		}
	}
	for _, merge := range merges {
		entries = p.merge(entries, merge, 0)
	}
	return entries, true
}

// merge adds the fields that `<<` brings: what stands in the mapping itself goes before them, and the first of several
// merged mappings before the others.
func (p *parser) merge(entries []entry, from value, depth int) []entry {
	const deepest = 10
	if depth > deepest {
		p.errorf(from.at, "", "merge keys are nested too deeply")
		return entries
	}
	switch {
	case from.Kind == yaml.SequenceNode && depth == 0:
		for _, node := range from.Content {
			v, ok := p.value(node, from)
			if !ok {
				break
			}
			entries = p.merge(entries, v, depth+1)
		}
		return entries
	case from.Kind != yaml.MappingNode:
		p.errorf(from.at, "for example <<: *common", "<< merges a mapping; this is %s", kindOf(from))
		return entries
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		name, ok := p.value(from.Content[i], from)
		if !ok {
			break
		}
		content, ok := p.value(from.Content[i+1], from)
		if !ok {
			break
		}
		switch {
		case name.Kind != yaml.ScalarNode:
			p.errorf(name.at, "", "%s where the name of a field should be", kindOf(name))
		case name.ShortTag() == "!!merge":
			entries = p.merge(entries, content, depth+1)
		case !slices.ContainsFunc(entries, func(e entry) bool { return e.name == name.Value }):
			at := name.at
			if from.aliased {
				at = from.at
			}
			entries = append(entries, entry{name.Value, at, content, true})
		}
	}
	return entries
}

// items reads a list.
func (p *parser) items(v value, what, of string) ([]value, bool) {
	if v.Kind != yaml.SequenceNode {
		p.wrongKind(v, what, of)
		return nil, false
	}
	items := make([]value, 0, len(v.Content))
	for _, node := range v.Content {
		item, ok := p.value(node, v)
		if !ok {
			return items, false
		}
		items = append(items, item)
	}
	return items, true
}

func (p *parser) wrongKind(v value, what, want string) {
	if isNull(v) {
		p.errorf(v.at, "give it a value, or remove the line", "%s has no value", what)
		return
	}
	p.errorf(v.at, "", "%s must be %s; this is %s", what, want, kindOf(v))
}

func isNull(v value) bool { return v.Kind == yaml.ScalarNode && v.ShortTag() == "!!null" }

func kindOf(v value) string {
	switch v.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch v.ShortTag() {
	case "!!str", "!!timestamp":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "empty"
	}
	return "a value with the tag " + quoted(v.Tag)
}
