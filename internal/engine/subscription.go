package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// subscription is a connection on which messages arrive. Its methods may be called while another goroutine receives.
type subscription interface {
	// listen and ignore ask for messages of the channels, and for no more of them. That it heard the former, the server says
	// by an event.
	listen(channels []string) error
	ignore(channels []string) error
	ping() error
	// receive waits for the next event, until the connection breaks or is closed.
	receive() (event, error)
	close()
}

// event is what arrives on a subscription: a message, or, without one, the server's word that it sends those of channel
// from now on, or, without a channel, its answer to a ping.
type event struct {
	channel string
	message string
	isNew   bool // the server's word about channel
}

// wireSubscription is a subscription on go-redis.
type wireSubscription struct {
	pubsub  *redis.PubSub
	timeout time.Duration
}

func (w *wire) subscribe(timeout time.Duration) subscription {
	return &wireSubscription{pubsub: w.listeners.Subscribe(context.Background()), timeout: timeout}
}

func (s *wireSubscription) within(f func(ctx context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil { // see wire.catch
			err = fmt.Errorf("the server's answer is none of a Redis: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	return f(ctx)
}

func (s *wireSubscription) listen(channels []string) error {
	return s.within(func(ctx context.Context) error { return s.pubsub.Subscribe(ctx, channels...) })
}

func (s *wireSubscription) ignore(channels []string) error {
	return s.within(func(ctx context.Context) error { return s.pubsub.Unsubscribe(ctx, channels...) })
}

func (s *wireSubscription) ping() error {
	return s.within(func(ctx context.Context) error { return s.pubsub.Ping(ctx) })
}

var errNoMessage = errors.New("the server sent no message")

func (s *wireSubscription) receive() (e event, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the server's answer is none of a Redis: %v", r)
		}
	}()
	received, err := s.pubsub.ReceiveTimeout(context.Background(), 0)
	if isReply(err) { // the server refuses something, which is a sign of life; to make the connection again would not help
		return event{}, nil
	}
	if err != nil {
		return event{}, err
	}
	switch r := received.(type) {
	case *redis.Message:
		return event{channel: r.Channel, message: r.Payload}, nil
	case *redis.Subscription:
		if r.Kind != "subscribe" {
			return event{}, nil // nobody waits to hear that nothing will be heard
		}
		return event{channel: r.Channel, isNew: true}, nil
	case *redis.Pong:
		return event{}, nil
	default:
		return event{}, errNoMessage
	}
}

func (s *wireSubscription) close() { s.pubsub.Close() }
