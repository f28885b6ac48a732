// Mymutex is a small application that shows its generated mutexes at work:
//
//	go run ./examples/mymutex
//
// It needs no Redis server: it starts three nodes inside itself. To see the same on servers of your own, name them in
// REDIS_A, REDIS_B and REDIS_C, as mutexes.yaml has it, or a single one in REDIS_URL.
//
// With -contend it does nothing but take one mutex, again and again, and looks out for a second holder. Started several
// times at once, on the same servers and with the same -witness, it is a test of the mutex:
//
//	mymutex -contend 500 -witness /tmp/witness
//
// It exits with 0 if all went well, with 1 if not, and with 2 if it was called wrongly.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/mutexgen/mutexgen/examples/mymutex/locks"
)

func main() {
	contend := flag.Uint("contend", 0, "take the mutex InvoiceNumber that many `times` and look out for a second holder")
	witness := flag.String("witness", filepath.Join(os.TempDir(), "mymutex.witness"),
		"the `file` that exists while -contend holds the mutex")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "mymutex: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}

	// An interrupt ends ctx, and with it everything that waits for a lock; what is held is released.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *contend, *witness)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mymutex:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, contend uint, witness string) error {
	servers, err := chooseServers(os.Getenv)
	if err != nil {
		return err
	}
	defer servers.close()

	locks, err := locks.Open(servers.options...)
	if err != nil {
		return err
	}
	defer locks.Close()

	a := &app{locks: locks, nodes: servers.embedded}
	if contend > 0 {
		return a.contend(ctx, contend, witness)
	}
	fmt.Println(servers.description)
	return a.show(ctx)
}
