package definition

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

const (
	// groupLimit is how many nodes a group may have: the engine keeps a bit for each in one word.
	groupLimit = 63
	// tieLimit is the number of groups at which two points of the ring are equal: from there on the choice hangs on how
	// the ring orders equal points.
	tieLimit = 12
)

const groupHint = `for example [["redis://a1", "redis://a2", "redis://a3"], ["redis://b1", "redis://b2", "redis://b3"]]`

// placed remembers where each server stands, to find those that are repeated.
type placed map[string]Position

func (p *parser) servers(v value) (any, bool) {
	servers, ok := p.group(v, "servers", "one node alone goes into url", placed{})
	return servers, ok
}

func (p *parser) cluster(v value) (any, bool) {
	groups, ok := p.items(v, "cluster", "a list of groups, each a list of URLs", groupHint)
	if !ok {
		return nil, false
	}
	if len(groups) == 0 {
		p.errorf(v.at, groupHint, "cluster has no groups")
		return nil, false
	}
	if !slices.ContainsFunc(groups, func(group value) bool { return group.Kind != yaml.ScalarNode }) {
		p.errorf(v.at, "the servers of a single group go into servers", "cluster must be a list of groups, each a list of URLs; "+
			"this is a list without groups")
		return nil, false
	}
	if len(groups) >= tieLimit {
		p.warnf(v.at, "with fewer than 12 groups every implementation of the ring agrees",
			"cluster has %d groups: with twelve or more, points of the ring tie", len(groups))
	}
	seen := placed{}
	all := make([][]string, 0, len(groups))
	for _, group := range groups {
		servers, fine := p.group(group, "a group of the cluster", groupHint, seen)
		ok = ok && fine
		all = append(all, servers)
	}
	return all, ok
}

// group reads a list of servers.
func (p *parser) group(v value, what, hint string, seen placed) ([]string, bool) {
	items, ok := p.items(v, what, "a list of URLs", hint)
	if !ok {
		return nil, false
	}
	switch {
	case len(items) == 0:
		p.errorf(v.at, "list an odd number of URLs", "%s has no nodes", what)
		return nil, false
	case len(items)%2 == 0:
		p.errorf(v.at, fmt.Sprintf("%d nodes survive no more failures than %d do", len(items), len(items)-1),
			"%s has %d nodes; the number must be odd", what, len(items))
		ok = false
	case len(items) > groupLimit:
		p.errorf(v.at, "", "%s has %d nodes; at most %d are possible", what, len(items), groupLimit)
		ok = false
	}
	servers := make([]string, 0, len(items))
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || kindOf(item) != "text" {
			hint := ""
			if item.Kind == yaml.SequenceNode && what == "servers" {
				hint = "groups of servers go into cluster"
			}
			p.wrongKind(item, "a node", "a URL", hint)
			ok = false
			continue
		}
		servers = append(servers, item.Value)
		ok = p.url(item) && p.repeated(item, seen) && ok
	}
	return servers, ok
}

// repeated reports a server that is listed already, and takes down one that isn't.
func (p *parser) repeated(item value, seen placed) (ok bool) {
	places := p.identity(item.Value).Places()
	for _, place := range places {
		if first, repeated := seen[place]; repeated {
			p.report(Finding{Position: item.at, Message: "a server that is listed already",
				Hint:    independentHint(p.identity(item.Value)),
				Related: []Related{{Position: first, Label: "the first one"}}})
			return false
		}
	}
	for _, place := range places {
		seen[place] = item.at
	}
	return true
}

func independentHint(n Node) string {
	switch {
	case n.Master != "":
		return "the nodes must be independent: list masters of different names, with servers of their own"
	case len(n.Hosts) > 0:
		return "the nodes must be independent: the servers of one Redis Cluster are one node, which goes into url"
	}
	return "the nodes must be independent: databases of one server fail together"
}
