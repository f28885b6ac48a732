package fleet

import (
	"strings"
	"time"
)

// Fault is something that befalls a node, for a while or in a moment.
type Fault struct {
	// Name is what tables call it.
	Name string
	// Loses says that the node may forget what it has answered.
	Loses bool
	// Restarts says that the server is another process afterwards.
	Restarts bool
	// Needs is the persistence that the node must have; any if empty.
	Needs Persistence
	// Network says that it befalls the way to the server, and may do so while another fault befalls the server itself.
	Network bool
	// Least and Most are how long it lasts; zero if it is over in a moment.
	Least, Most time.Duration
	// Begin and End make it come and go. Other faults of the server, or of the network, may befall the node only when it has
	// gone.
	Begin, End func(*Node)
}

func nothing(*Node) {}

// How long most faults last.
const (
	moment = 0
	short  = 50 * time.Millisecond
	long   = 800 * time.Millisecond
)

// Faults are all that can befall a node. Outages last longer than the expiration given.
func Faults(expiration time.Duration) []*Fault {
	return []*Fault{
		{Name: "kill -9, comes back empty", Loses: true, Restarts: true, Least: moment, Most: long,
			Begin: func(n *Node) { n.Server.Kill(); n.forgetDisk() }, End: restart},
		{Name: "kill -9, AOF everysec, its last second lost", Needs: Everysec, Loses: true, Restarts: true, Least: moment, Most: long,
			Begin: (*Node).cutPower, End: restart},
		{Name: "kill -9, AOF always", Needs: Always, Restarts: true, Least: moment, Most: long,
			Begin: func(n *Node) { n.Server.Kill() }, End: restart},
		{Name: "FLUSHALL", Loses: true,
			Begin: func(n *Node) { n.Server.Flush() }, End: nothing},
		{Name: "SIGSTOP", Least: short, Most: 2 * long,
			Begin: func(n *Node) { n.Server.Pause() }, End: func(n *Node) { n.Server.Resume() }},
		{Name: "answers dropped", Network: true, Least: short, Most: long,
			Begin: func(n *Node) { n.proxy.DropAnswers(true) }, End: func(n *Node) { n.proxy.DropAnswers(false) }},
		{Name: "one-way loss: requests dropped", Network: true, Least: short, Most: long,
			Begin: func(n *Node) { n.proxy.DropRequests(true) }, End: func(n *Node) { n.proxy.DropRequests(false) }},
		{Name: "nothing moves, everything arrives late", Network: true, Least: short, Most: 2 * long,
			Begin: func(n *Node) { n.proxy.Hang(true) }, End: func(n *Node) { n.proxy.Hang(false) }},
		{Name: "connections reset", Network: true, Begin: func(n *Node) { n.proxy.CloseAll() }, End: nothing},
		{Name: "connections half-open", Network: true, Begin: func(n *Node) { n.front.abandon() }, End: nothing},
		{Name: "latency of 5 ms each way", Network: true, Least: long, Most: 2 * long, Begin: latency(5 * time.Millisecond), End: latency(0)},
		{Name: "latency of 100 ms each way", Network: true, Least: short, Most: long, Begin: latency(100 * time.Millisecond), End: latency(0)},
		{Name: "outage longer than the expiration", Network: true, Least: expiration + expiration/10, Most: 2 * expiration,
			Begin: (*Node).CutOff, End: (*Node).Rejoin},
		{Name: "CLIENT KILL", Begin: clientKill, End: nothing},
		{Name: "SCRIPT FLUSH", Begin: func(n *Node) { n.must("SCRIPT", "FLUSH") }, End: nothing},
		{Name: "maxmemory reached", Least: short, Most: 2 * long, Begin: maxmemory("1"), End: maxmemory("0")},
	}
}

func restart(n *Node) { n.Server.Restart() }

func latency(d time.Duration) func(*Node) {
	return func(n *Node) { n.proxy.Delay(d) }
}

func maxmemory(bytes string) func(*Node) {
	return func(n *Node) { n.must("CONFIG", "SET", "maxmemory", bytes) }
}

// CutOff takes the node off the network: connections are reset, and new ones refused.
func (n *Node) CutOff() {
	n.proxy.Refuse(true)
	n.proxy.CloseAll()
}

// Rejoin ends CutOff.
func (n *Node) Rejoin() { n.proxy.Refuse(false) }

func clientKill(n *Node) {
	n.Server.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	n.Server.CLI("CLIENT", "KILL", "TYPE", "pubsub")
}

// must runs a command that is to answer OK.
func (n *Node) must(command ...string) {
	n.t.Helper()
	if answer := n.Server.CLI(command...); answer != "OK" {
		n.t.Fatalf("%v: %s: %s", n, strings.Join(command, " "), answer)
	}
}
