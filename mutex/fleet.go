package mutex

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// fleet gathers the nodes of all definitions, each once, before any of them is used.
type fleet struct {
	config *config
	nodes  map[identity]*engine.NodeOptions
	// order is the order in which nodes were named first, so that they are opened in the same order each time.
	order []identity
	// groups are the nodes of each definition, by name.
	groups map[string][][]identity
	// secure says that some URL asks for TLS.
	secure bool
}

func newFleet(c *config) *fleet {
	return &fleet{config: c, nodes: make(map[identity]*engine.NodeOptions), groups: make(map[string][][]identity)}
}

// add takes in the nodes of a definition, or reports everything that is wrong with them.
func (f *fleet) add(d *Definition) []error {
	p := f.config.place(d)
	fields := p.fields
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{d.Name}, args...)...))
	}
	groups := make([][]identity, len(p.groups))
	named := make(map[string]string) // server to field
	for i, urls := range p.groups {
		if len(urls)%2 == 0 || len(urls) > engine.MaxGroup {
			wrong("%d nodes in a group: a quorum needs an odd number of at most %d", len(urls), engine.MaxGroup)
		}
		for _, raw := range urls {
			field := fields[0]
			fields = fields[1:]
			address, err := f.resolve(raw)
			if err == nil {
				err = address.checkKind(d)
			}
			if err != nil {
				wrong("%s: %w", field, err)
				continue
			}
			if other := repeated(named, address); other != "" {
				wrong("%s: the same server as %s; a quorum is made of independent servers", field, other)
				continue
			}
			for _, server := range address.servers() {
				named[server] = field
			}
			groups[i] = append(groups[i], f.node(address, d))
		}
	}
	if len(p.groups) == 0 {
		wrong("no nodes")
	}
	if err := settings(d).Check(); err != nil {
		wrong("%w", err)
	}
	if err := checkHold(d); err != nil {
		wrong("%w", err)
	}
	if d.Replicas < 0 || d.Replicas > maxReplicas {
		wrong("%d replicas are not within 0 and %d", d.Replicas, maxReplicas)
	}
	f.groups[d.Name] = groups
	return errs
}

// maxReplicas is more than anybody has.
const maxReplicas = 1000

// repeated is the field that names one of a node's servers already; empty if none does.
func repeated(named map[string]string, a *address) string {
	for _, server := range a.servers() {
		if field := named[server]; field != "" {
			return field
		}
	}
	return ""
}

// settings are what the engine is told of a definition.
func settings(d *Definition) engine.Settings {
	return engine.Settings{
		Name: d.Name, Expiration: d.Expiration, Wait: d.Wait, MaxRetry: d.MaxRetry,
		RetryInterval: d.RetryInterval, RetryJitter: d.RetryJitter, DriftFactor: d.DriftFactor, NodeTimeout: d.NodeTimeout,
		Renew: d.Renew, MaxHold: d.MaxHold,
		Fencing: d.Fencing, FencingMemory: d.FencingMemory, RestartGuard: d.RestartGuard,
	}
}

// checkHold tells why renewal cannot end when the definition says. Where the definition doesn't renew, the limit may be one
// of mutexes.yaml's defaults, meant for others.
func checkHold(d *Definition) error {
	switch {
	case d.MaxHold < 0 || d.MaxHold > engine.MaxExpiration:
		return fmt.Errorf("max hold %v is not within 0, which is no limit, and %v", d.MaxHold, engine.MaxExpiration)
	case d.Renew && d.MaxHold > 0 && d.MaxHold <= d.Expiration:
		return fmt.Errorf("max hold %v is not longer than the expiration of %v, for which a lock lasts anyway", d.MaxHold, d.Expiration)
	}
	return nil
}

// resolve is what a URL of a definition or an option says in this environment.
func (f *fleet) resolve(raw string) (*address, error) {
	text, err := expand(raw, f.config.lookup)
	if err != nil {
		return nil, err
	}
	address, err := parse(text)
	if err != nil {
		return nil, err
	}
	f.secure = f.secure || address.options.TLSConfig != nil
	return address, address.secure(f.config.tls)
}

// node is the node at this address; it suits the most demanding of the mutexes on it.
func (f *fleet) node(address *address, d *Definition) identity {
	id := address.identity(d.Replicas)
	node, known := f.nodes[id]
	if !known {
		node = &engine.NodeOptions{Redis: address.options, Sentinel: address.sentinel, Cluster: address.cluster, Replicas: d.Replicas}
		f.nodes[id] = node
		f.order = append(f.order, id)
	}
	timeout := cmp.Or(d.NodeTimeout, engine.DefaultNodeTimeout(d.Expiration))
	node.Timeout = max(node.Timeout, timeout)
	node.PoolSize = max(node.PoolSize, d.PoolSize, 1)
	interval := cmp.Or(d.ReconnectionInterval, time.Second)
	if node.ReconnectionInterval == 0 || interval < node.ReconnectionInterval {
		node.ReconnectionInterval = interval
	}
	return id
}

// launch hands the nodes to the set's engine and makes the mutexes on them.
func (f *fleet) launch(set *Set, definitions []Definition) error {
	nodes := make(map[identity]*engine.Node, len(f.nodes))
	for _, id := range f.order {
		options := f.nodes[id]
		for _, adjust := range f.config.adjust {
			adjust(options.Redis.Addr, options.Redis)
		}
		nodes[id] = set.engine.AddNode(*options)
	}
	var errs []error
	for _, d := range definitions {
		var groups [][]*engine.Node
		for _, ids := range f.groups[d.Name] {
			var group []*engine.Node
			for _, id := range ids {
				group = append(group, nodes[id])
			}
			groups = append(groups, group)
		}
		m, err := set.engine.NewMutex(settings(&d), groups)
		errs = append(errs, err)
		set.opened = append(set.opened, &Opened{definition: d, engine: m})
	}
	return errors.Join(errs...)
}
