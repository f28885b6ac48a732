package chaos

import (
	"strconv"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
)

// loss is a way in which many locks are lost at once.
type loss struct {
	name string
	// strike loses them, and returns when they were: no moment later.
	strike func(nodes []*fleet.Node, keys []string) time.Time
	heal   func(nodes []*fleet.Node)
	// rival says that others ask for the locks all the time; a lock is lost when one of them has it. Without loss
	// none is lost: the time measured is that until a majority has the key again.
	rival, harmless bool
	// refused says that the nodes refuse the next renewal. Otherwise they are mute, and a lock is lost when its validity
	// ends, not before: its key still stands on them, and nobody else can get it.
	refused bool
}

var losses = []loss{
	{name: "deleted on a majority and at once taken by another", strike: takeOver, heal: flush, refused: true},
	{name: "deleted on a majority, taken by whoever asks", strike: remove, heal: nothing, refused: true, rival: true},
	{name: "deleted on a majority, taken by nobody: set again", strike: remove, heal: nothing, refused: true, harmless: true},
	{name: "a majority hung by SIGSTOP", strike: hang, heal: resume},
	{name: "a majority cut off", strike: cutOff, heal: rejoin},
}

func takeOver(nodes []*fleet.Node, keys []string) (lost time.Time) {
	return strike(nodes, "for _, key in ipairs(KEYS) do redis.call('del', key); redis.call('set', key, 'another', 'px', 60000) end", keys)
}

func remove(nodes []*fleet.Node, keys []string) (lost time.Time) {
	return strike(nodes, "redis.call('del', unpack(KEYS))", keys)
}

// strike runs a script on a majority of the nodes.
func strike(nodes []*fleet.Node, script string, keys []string) (lost time.Time) {
	for _, n := range majority(nodes) {
		lost = time.Now() // on this node not yet, on those before it already
		n.Server.CLI(withKeys(script, keys)...)
	}
	return lost
}

func withKeys(script string, keys []string) []string {
	return append([]string{"EVAL", script, strconv.Itoa(len(keys))}, keys...)
}

func majority(nodes []*fleet.Node) []*fleet.Node { return nodes[:len(nodes)/2+1] }

func nothing([]*fleet.Node) {}

func flush(nodes []*fleet.Node) {
	for _, n := range nodes {
		n.Server.Flush()
	}
}

func hang(nodes []*fleet.Node, _ []string) time.Time {
	for _, n := range majority(nodes) {
		n.Server.Pause()
	}
	return time.Now()
}

func resume(nodes []*fleet.Node) {
	for _, n := range majority(nodes) {
		n.Server.Resume()
	}
}

func cutOff(nodes []*fleet.Node, _ []string) time.Time {
	for _, n := range majority(nodes) {
		n.CutOff()
	}
	return time.Now()
}

func rejoin(nodes []*fleet.Node) {
	for _, n := range majority(nodes) {
		n.Rejoin()
	}
}
