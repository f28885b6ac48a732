package mutex

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

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
	named := make(map[string]string) // address to field
	for i, urls := range p.groups {
		if len(urls)%2 == 0 || len(urls) > engine.MaxGroup {
			wrong("%d nodes in a group: a quorum needs an odd number of at most %d", len(urls), engine.MaxGroup)
		}
		for _, raw := range urls {
			field := fields[0]
			fields = fields[1:]
			options, err := f.resolve(raw)
			if err != nil {
				wrong("%s: %w", field, err)
				continue
			}
			address := options.Network + " " + options.Addr
			if other, repeated := named[address]; repeated {
				wrong("%s: the same server as %s; a quorum is made of independent servers", field, other)
				continue
			}
			named[address] = field
			groups[i] = append(groups[i], f.node(options, d))
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
	f.groups[d.Name] = groups
	return errs
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
func (f *fleet) resolve(raw string) (*redis.Options, error) {
	text, err := expand(raw, f.config.lookup)
	if err != nil {
		return nil, err
	}
	options, err := parse(text)
	if err != nil {
		return nil, err
	}
	if options.Network == "tcp" {
		options.Addr = strings.ToLower(options.Addr)
	}
	return options, nil
}

// node is the node that these options reach; it suits the most demanding of the mutexes on it.
func (f *fleet) node(options *redis.Options, d *Definition) identity {
	id := identify(options)
	node, known := f.nodes[id]
	if !known {
		node = &engine.NodeOptions{Redis: options}
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
