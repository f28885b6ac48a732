package engine

import (
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// newClient returns a go-redis client for the node, apart from the engine's own connections: for those who look at a server
// rather than lock on it. It has the application's dialer, credentials and TLS. Who asks for it closes it. Timeout is the
// budget for each command, and for each connection. It is not for a node whose server sentinels name.
func (n *Node) newClient(timeout time.Duration) redis.UniversalClient {
	own := *n.options.Redis
	own.MaxRetries, own.DialerRetries = -1, 1
	own.DialTimeout, own.ReadTimeout, own.WriteTimeout, own.PoolTimeout = timeout, timeout, timeout, timeout
	own.PoolSize = 1
	own.DisableIdentity = true
	own.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	own.Dialer = quietly(plainDialer(&own))
	if len(n.options.Cluster) > 0 {
		return redis.NewClusterClient(clusterOptions(&own, n.options.Cluster))
	}
	return redis.NewClient(&own)
}

// clusterOptions are the options of a client of a Redis Cluster.
func clusterOptions(o *redis.Options, addrs []string) *redis.ClusterOptions {
	return &redis.ClusterOptions{
		Addrs: addrs, ClientName: o.ClientName, Dialer: o.Dialer, OnConnect: o.OnConnect, Protocol: o.Protocol,
		Username: o.Username, Password: o.Password, CredentialsProvider: o.CredentialsProvider,
		CredentialsProviderContext: o.CredentialsProviderContext, StreamingCredentialsProvider: o.StreamingCredentialsProvider,
		MaxRetries: o.MaxRetries, DialTimeout: o.DialTimeout, DialerRetries: o.DialerRetries,
		ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, ContextTimeoutEnabled: o.ContextTimeoutEnabled,
		PipelinePoolSize: o.PipelinePoolSize, PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout,
		ConnMaxIdleTime: o.ConnMaxIdleTime, TLSConfig: o.TLSConfig, DisableIdentity: o.DisableIdentity,
		MaintNotificationsConfig: o.MaintNotificationsConfig,
	}
}
