package rival

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// connect makes a go-redis client for each node, with its default options. They close with the test.
func connect(t testing.TB, urls []string) []*redis.Client {
	t.Helper()
	var clients []*redis.Client
	for _, url := range urls {
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		t.Cleanup(func() { client.Close() })
		clients = append(clients, client)
	}
	return clients
}
