package mutextest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestPausedRedisHangsAndCatchesUpAfterResume(t *testing.T) {
	r := Run(t)
	old := open(t, r)
	old.send("PING")
	old.wants(t, "+PONG")
	for range 3 {
		r.Pause()
		r.Pause()
		old.send("SET", "key", "old")
		old.wantsSilence(t)
		fresh := open(t, r)
		fresh.send("PING")
		fresh.wantsSilence(t)
		gone := open(t, r)
		gone.send("SET", "other", "gone")
		gone.Close()
		if keys := r.Keys(); len(keys) != 0 {
			t.Errorf("a paused Redis executed something: %q", keys)
		}
		r.Resume()
		r.Resume()
		old.wants(t, "+OK")
		fresh.wants(t, "+PONG")
		wantHolder(t, r, "key", "old")
		for deadline := time.Now().Add(5 * time.Second); !r.Expire("other"); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("what was sent by a client that left was not executed")
			}
		}
		r.Expire("key")
	}
}

func TestAnswersThatAPauseFindsWaitForResume(t *testing.T) {
	r := Run(t)
	subscriber, blocked := open(t, r), open(t, r)
	subscriber.send("SUBSCRIBE", "channel")
	subscriber.wants(t, "*3", "$9", "subscribe", "$7", "channel", ":1")
	blocked.send("BLPOP", "list", "0")
	blocked.wantsSilence(t)
	r.Pause()
	const messages = 50
	for range messages {
		r.memory.Publish("channel", "message") // holds the database until the message is on its way
	}
	if _, err := r.memory.Push("list", "element"); err != nil {
		t.Fatal(err)
	}
	if keys := r.Keys(); len(keys) > 1 {
		t.Errorf("keys: %q", keys)
	}
	subscriber.wantsSilence(t)
	blocked.wantsSilence(t)
	r.Resume()
	for range messages {
		subscriber.wants(t, "*3", "$7", "message", "$7", "channel", "$7", "message")
	}
	blocked.wants(t, "*2", "$4", "list", "$7", "element")
}

func TestAnswersOfAClosingConnectionAreDelivered(t *testing.T) {
	r := Run(t)
	l := open(t, r)
	l.send("PING")
	l.send("QUIT")
	l.wants(t, "+PONG")
	l.wants(t, "+OK")
	if got, err := l.receive(5 * time.Second); err != io.EOF {
		t.Errorf("after QUIT: %q, %v", got, err)
	}
}

func TestRestartOfAPausedRedisAnswers(t *testing.T) {
	r := Run(t)
	l := open(t, r)
	r.Pause()
	l.send("SET", "key", "value")
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	l = open(t, r)
	l.send("PING")
	l.wants(t, "+PONG")
	wantHolder(t, r, "key", "") // the request was lost with its connection
	r.Stop()
	r.Pause() // nothing to pause
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	l = open(t, r)
	l.send("PING")
	l.wants(t, "+PONG")
}

func TestCloseEndsAnyState(t *testing.T) {
	for name, state := range map[string]func(r *Redis){
		"running": func(*Redis) {},
		"paused":  (*Redis).Pause,
		"stopped": (*Redis).Stop,
		"paused, then stopped": func(r *Redis) {
			r.Pause()
			r.Stop()
		},
		"closed": (*Redis).Close,
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			r, err := Start()
			if err != nil {
				t.Fatal(err)
			}
			l := open(t, r)
			l.send("SET", "key", "value")
			l.wants(t, "+OK")
			state(r)
			l.send("PING")
			r.Close()
			r.Close()

			r.Stop()
			r.Pause()
			r.Resume()
			if err := r.Restart(); err == nil {
				t.Error("Restart after Close")
			}
			if err := r.RestartEmpty(); err == nil {
				t.Error("RestartEmpty after Close")
			}
			wantHolder(t, r, "key", "value")
			if r.Expire("missing") || len(r.Keys()) != 1 || r.URL() != "redis://"+r.Addr() {
				t.Error("look-ups after Close")
			}
			wantRefusing(t, r)
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClosedRedisGivesItsPortBack(t *testing.T) {
	seen := make(map[string]bool)
	for range 300 { // package port lets a port rest until it has given its others
		r, err := Start()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if seen[r.Addr()] {
			return
		}
		seen[r.Addr()] = true
	}
	t.Error("no port came twice")
}

func TestFaultsMayComeAllAtOnce(t *testing.T) {
	r, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var traffic, faults sync.WaitGroup
	for i := range 4 {
		key := fmt.Sprintf("key%d", i)
		traffic.Go(func() {
			for ctx.Err() == nil {
				l, err := dial(r)
				if err != nil {
					continue
				}
				for err == nil {
					l.send("SET", key, "owner", "PX", "1")
					l.send("EVAL", `redis.call("PUBLISH", "channel", "message") return redis.call("DEL", KEYS[1])`, "1", key)
					_, err = l.receive(short)
				}
				l.Close()
			}
		})
	}
	for _, fault := range []func(){
		r.Stop, r.Pause, r.Resume, r.Resume,
		func() { _ = r.Restart() },
		func() { _ = r.Restart() },
		func() { _ = r.RestartEmpty() },
		func() { r.Expire("key0"); r.Keys(); r.Holder("key1") },
	} {
		faults.Go(func() {
			for range 40 {
				fault()
				time.Sleep(time.Millisecond)
			}
		})
	}
	faults.Wait()
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	wantAnswering(t, r)
	for range 3 {
		faults.Go(r.Close)
		faults.Go(r.Pause)
		faults.Go(func() { _ = r.Restart() })
	}
	faults.Wait()
	cancel()
	traffic.Wait()
}

func TestRestartReportsATakenPort(t *testing.T) {
	t.Parallel()
	r, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var reported error
	r.report = func(err error) { reported = err }
	r.restartLimit = short
	r.Stop()
	foreign, err := net.Listen("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Restart(); err == nil || !errors.Is(reported, err) {
		t.Errorf("Restart on a taken port: %v, reported: %v", err, reported)
	}
	foreign.Close()
	if err := r.Restart(); err != nil {
		t.Errorf("Restart when the port is free again: %v", err)
	}
}
