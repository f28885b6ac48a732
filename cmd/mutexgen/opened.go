package main

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/mutex"
)

// runtimeDefinition is a definition as generated code hands it to the library.
func runtimeDefinition(m *definition.Mutex) mutex.Definition {
	d := mutex.Definition{
		Name: m.Name, Doc: m.Doc, URL: m.URL, Servers: m.Servers, Cluster: m.Cluster, Key: m.Key.Template,
		Expiration: m.Expiration, Wait: m.Wait, MaxRetry: m.MaxRetry, RetryInterval: m.RetryInterval, RetryJitter: m.RetryJitter,
		DriftFactor: m.DriftFactor, NodeTimeout: m.NodeTimeout, PoolSize: m.PoolSize, ReconnectionInterval: m.ReconnectionInterval,
		Renew: m.Renew, MaxHold: m.MaxHold, Fencing: m.Fencing, RestartGuard: m.RestartGuard,
		Replicas: m.Replicas,
	}
	if m.Fencing {
		d.FencingMemory = m.FencingMemory
	}
	return d
}

// opened is the mutexes of a file, opened as an application would that runs in this environment. If it is nil, the findings
// say why.
func (i *invocation) opened(config string) (*definition.File, *mutex.Set) {
	file := i.load(config)
	if file == nil {
		return nil, nil
	}
	var definitions []mutex.Definition
	for at := range file.Mutexes {
		definitions = append(definitions, runtimeDefinition(&file.Mutexes[at]))
	}
	set, err := mutex.OpenSet(definitions, mutex.WithEnv(i.lookup))
	if err != nil {
		all := []error{err}
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			all = several.Unwrap()
		}
		for _, one := range all {
			i.fail(&hinted{errors.New(config + ": " + one.Error()), "variables in URLs are looked up in the environment that mutexgen runs in"})
		}
		return nil, nil
	}
	return file, set
}

// untilInterrupted is a context that ends with the process's interrupt, or with the environment's own.
func (e environment) untilInterrupted() (context.Context, context.CancelFunc) {
	if e.ctx != nil {
		return context.WithCancel(e.ctx)
	}
	return signal.NotifyContext(context.Background(), os.Interrupt)
}

// silent keeps go-redis from writing to the standard error.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
