package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// news are the channels on which sentinels tell of what may mean another master: that they now name another; that the
// one who carries a failover out has seen the replica become a master, which it says of itself only when all other
// replicas follow; and that somebody gave the name to another server.
var news = []string{"+switch-master", "+promoted-slave", "+monitor"}

// start listens to the sentinels that the node was given, once. s.mu is held.
func (s *sentinels) start() {
	if len(s.watched) == 0 {
		for _, address := range s.config.Addrs {
			s.watch(address)
		}
	}
}

// watch listens to one more. s.mu is held.
func (s *sentinels) watch(address string) {
	if s.closed || len(s.watched) >= maxSentinels ||
		slices.ContainsFunc(s.watched, func(one *sentinel) bool { return one.address == address }) {
		return
	}
	one := &sentinel{address: address, doubted: make(chan struct{}, 1)}
	s.watched = append(s.watched, one)
	s.watchers.Go(func() { s.keep(one) })
}

// keep listens to a sentinel for as long as the node lives.
func (s *sentinels) keep(one *sentinel) {
	for s.life.Err() == nil {
		s.attend(one)
		select {
		case <-time.After(s.pause):
		case <-s.life.Done():
		}
	}
}

// attend listens to a sentinel until the connection breaks. It asks when that is there, so that no news is missed, when
// there are news, and when somebody doubts what it said.
func (s *sentinels) attend(one *sentinel) {
	client := redis.NewSentinelClient(s.optionsFor(one))
	defer client.Close()
	sub := &wireSubscription{pubsub: client.Subscribe(s.life), timeout: handshakeTimeout}
	if err := sub.listen(news); err != nil {
		sub.close()
		s.hear(one, nomination{}, nil, err)
		return
	}
	broken, arrived := make(chan error, 1), make(chan bool, 1) // whether there are news
	go func() {
		defer close(broken)
		broken <- receiveNews(sub, arrived)
	}()
	defer func() {
		sub.close()
		for range broken { // until closed
		}
	}()
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	answers := s.ask(one)
	waiting := false // for a sign of life
	for {
		select {
		case isNews := <-arrived:
			waiting = false
			if isNews {
				answers = s.ask(one)
			}
		case <-one.doubted:
			answers = s.ask(one)
		case <-check.C:
			if waiting {
				s.hear(one, nomination{}, nil, errSilent)
				return
			}
			if err := sub.ping(); err != nil {
				s.hear(one, nomination{}, nil, err)
				return
			}
			waiting = true
			if !answers {
				answers = s.ask(one)
			}
		case err := <-broken:
			s.hear(one, nomination{}, nil, err)
			return
		case <-s.life.Done():
			return
		}
	}
}

var errSilent = errors.New("no sign of life")

// receiveNews tells of each arrival whether it is one of news, until the connection breaks. News is never lost over an
// arrival that is none.
func receiveNews(sub subscription, arrived chan bool) error {
	for {
		e, err := sub.receive()
		if err != nil {
			return err
		}
		isNews := e.channel != "" && !e.isNew
		select {
		case earlier := <-arrived:
			isNews = isNews || earlier
		default:
		}
		arrived <- isNews // never blocks: nobody else sends
	}
}

// ask asks a sentinel for the master, on a connection of its own: the other is for messages. It tells whether it answered.
func (s *sentinels) ask(one *sentinel) (answered bool) {
	client := redis.NewSentinelClient(s.optionsFor(one))
	defer client.Close()
	said, others, err := s.question(client)
	s.hear(one, said, others, err)
	return err == nil
}

func (s *sentinels) question(client *redis.SentinelClient) (said nomination, others []string, err error) {
	defer func() {
		if r := recover(); r != nil { // see wire.catch
			err = fmt.Errorf("the answer is none of a sentinel: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(s.life, handshakeTimeout)
	defer cancel()
	// The epoch before the address: a failover between the two must not lend its epoch to the old master. A sentinel that
	// will not tell it has none.
	if master, err := client.Master(ctx, s.config.Master).Result(); err == nil {
		said.epoch, _ = strconv.ParseUint(master["config-epoch"], 10, 64)
	} else if !isReply(err) {
		return nomination{}, nil, err
	}
	address, err := client.GetMasterAddrByName(ctx, s.config.Master).Result()
	if err != nil {
		return nomination{}, nil, withoutArguments(err)
	}
	if len(address) != 2 || address[0] == "" || address[1] == "" {
		return nomination{}, nil, errors.New("the answer is none of a sentinel")
	}
	known, err := client.Sentinels(ctx, s.config.Master).Result()
	if err == nil { // else it will not tell; we can do without
		for _, other := range known {
			if other["ip"] != "" && other["port"] != "" {
				others = append(others, net.JoinHostPort(other["ip"], other["port"]))
			}
		}
	}
	said.address = net.JoinHostPort(address[0], address[1])
	return said, others, nil
}

// optionsFor is a copy for each client: go-redis changes its own.
func (s *sentinels) optionsFor(one *sentinel) *redis.Options {
	options := s.options
	options.Addr = one.address
	return &options
}
