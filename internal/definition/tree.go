package definition

import (
	"strings"

	"gopkg.in/yaml.v3"
)

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
		const unit = 64 // bytes of text that count as one value
		if p.visits += 1 + len(v.Value)/unit; p.visits > visitLimit {
			if !p.exhausted {
				p.errorf(v.at, "write out what the aliases stand for", "aliases stand for too much: over %d values", visitLimit)
			}
			p.exhausted = true
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

const (
	// fieldLimit bounds a mapping: none of ours has as many, and looking for duplicates must not take long.
	fieldLimit = 200
	// mergeLimit bounds how deeply merge keys are nested.
	mergeLimit = 10
)

// fields reads a mapping: each name once, in the order of the file; what merge keys bring comes last.
func (p *parser) fields(v value, what string) ([]entry, bool) { return p.merged(v, what, 0) }

func (p *parser) merged(v value, what string, depth int) ([]entry, bool) {
	if v.Kind != yaml.MappingNode || v.ShortTag() != "!!map" {
		hint := ""
		switch {
		case what == "the file":
			hint = "it begins with version: 1"
		case what == "a mutex" && kindOf(v) == "text" && exportedName(v.Value) != "":
			hint = "write - name: " + exportedName(v.Value)
		}
		p.wrongKind(v, what, "a mapping of fields", hint)
		return nil, false
	}
	if depth > mergeLimit {
		p.unmerged = true
		p.errorf(v.at, "write out what they stand for", "merge keys are nested too deeply: over %d of them", mergeLimit)
		return nil, false
	}
	var entries []entry
	var merges []value
	for i := 0; i+1 < len(v.Content); i += 2 {
		name, ok := p.value(v.Content[i], v)
		if !ok {
			return nil, false
		}
		content, ok := p.value(v.Content[i+1], v)
		switch {
		case !ok:
			return nil, false
		case name.Kind == yaml.ScalarNode && name.ShortTag() == "!!merge":
			merges = append(merges, content)
			continue
		case name.Kind != yaml.ScalarNode:
			p.errorf(name.at, "", "%s where the name of a field should be", kindOf(name))
			continue
		}
		if first := find(entries, name.Value); first != nil {
			if !v.aliased { // else it is reported where it stands
				p.report(Finding{Position: name.at, Message: "field " + quoted(name.Value) + " stands here twice",
					Related: []Related{{Position: first.at, Label: "the first one"}}})
			}
			continue
		}
		if entries = append(entries, entry{name.Value, name.at, content, false}); len(entries) > fieldLimit {
			p.errorf(name.at, "", "more than %d fields in one mapping", fieldLimit)
			return nil, false
		}
	}
	for _, merge := range merges {
		if merge.Kind != yaml.SequenceNode {
			entries = p.merge(entries, merge, depth)
			continue
		}
		for _, node := range merge.Content {
			from, ok := p.value(node, merge)
			if !ok {
				return nil, false
			}
			entries = p.merge(entries, from, depth)
		}
	}
	return entries, true
}

// merge adds the fields that `<<` brings: what stands in the mapping itself goes before them, and the first of several
// merged mappings before the others.
func (p *parser) merge(entries []entry, from value, depth int) []entry {
	if from.Kind != yaml.MappingNode {
		p.unmerged = true
		p.errorf(from.at, "for example <<: *common", "<< merges a mapping; this is %s", kindOf(from))
		return entries
	}
	brought, _ := p.merged(from, "what << merges", depth+1)
	for _, e := range brought {
		if find(entries, e.name) == nil {
			e.merged = true
			entries = append(entries, e)
		}
	}
	return entries
}

func find(entries []entry, name string) *entry {
	for i := range entries {
		if entries[i].name == name {
			return &entries[i]
		}
	}
	return nil
}

// items reads a list.
func (p *parser) items(v value, what, of, hint string) ([]value, bool) {
	if v.Kind != yaml.SequenceNode || v.ShortTag() != "!!seq" {
		p.wrongKind(v, what, of, hint)
		return nil, false
	}
	var items []value // whose number, by way of aliases, is not that of the list before it is looked at
	for _, node := range v.Content {
		item, ok := p.value(node, v)
		if !ok {
			return items, false
		}
		items = append(items, item)
	}
	return items, true
}

const noMutexesHint = "list at least one, with a name"

func (p *parser) wrongKind(v value, what, want, hint string) {
	if isNull(v) {
		hint := "give it a value, or remove the line"
		switch what {
		case "version":
			hint = "write version: 1"
		case "mutexes":
			hint = noMutexesHint
		case "name":
			hint = "for example name: NightlyReport"
		}
		p.errorf(v.at, hint, "%s has no value", what)
		return
	}
	if hint == "" && strings.HasPrefix(kindOf(v), "a value with") {
		hint = "remove the tag; text that begins with ! needs quotes"
	}
	p.errorf(v.at, hint, "%s must be %s; this is %s", what, want, kindOf(v))
}

func isNull(v value) bool { return v.Kind == yaml.ScalarNode && v.ShortTag() == "!!null" }

func kindOf(v value) string {
	switch v.ShortTag() {
	case "!!map":
		return "a mapping"
	case "!!seq":
		return "a list"
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
