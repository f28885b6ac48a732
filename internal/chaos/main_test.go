package chaos

import (
	"flag"
	"fmt"
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

// tell shows what was measured: to whoever asked for a long run so that it can be copied, else in the test's log.
func tell(t *testing.T, format string, args ...any) {
	t.Helper()
	if *duration > 0 {
		fmt.Printf("\n"+format+"\n", args...)
		return
	}
	t.Logf(format, args...)
}
