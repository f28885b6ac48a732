package chaos

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/mutexgen/mutexgen/internal/chaos/worker"
)

var (
	duration = flag.Duration("duration", 0, "how long TestChaos, TestLoss or TestSoak goes on; 0: a few seconds, as in `make test`")
	seed     = flag.Uint64("seed", rand.Uint64N(1e9), "what the faults are drawn from; a random one if not given")
	keep     = flag.String("keep", "", "an existing folder where what the workers wrote down is to stay")
)

func TestMain(m *testing.M) {
	worker.RunIfAsked()
	os.Exit(m.Run())
}
