package chaos

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
	"github.com/mutexgen/mutexgen/internal/chaos/storm"
	"github.com/mutexgen/mutexgen/internal/chaos/worker"
)

var (
	duration = flag.Duration("duration", 0, "how long TestChaos, TestLoss or TestSoak goes on; 0: a few seconds, as in `make test`")
	seed     = flag.Uint64("seed", rand.Uint64N(1e9), "what the faults are drawn from; a random one if not given")
)

func TestMain(m *testing.M) {
	worker.RunIfAsked()
	flag.Parse()
	os.Exit(m.Run())
}

func TestChaos(t *testing.T) {
	o := storm.Run(t, storm.Settings{
		Name: "guarded", Nodes: []fleet.Persistence{fleet.Nothing, fleet.Everysec, fleet.Always, fleet.Nothing, fleet.Everysec},
		Mutexes: []string{"Guarded", "GuardedOnly"}, Processes: 4, Workers: 4, Keys: 2, Lossy: true,
		Length: 10 * time.Second, Gap: 400 * time.Millisecond, ProcessGap: 2 * time.Second,
	}, *seed)
	t.Logf("%+v", o)
	for _, v := range o.Violations {
		t.Error(v)
	}
}
