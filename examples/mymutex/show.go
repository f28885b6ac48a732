package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/examples/mymutex/locks"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

// app is the application: it holds its mutexes as it would hold a database.
type app struct {
	locks *locks.Mutexes
	// nodes are the embedded Redis nodes; nil if the mutexes live on servers of the user's own.
	nodes *mutextest.Quorum
}

// show plays the scenes one after the other. What they print is the same each time, whoever comes first where several
// contend.
func (a *app) show(ctx context.Context) error {
	// On servers of the user's own somebody else may hold one of the locks.
	ctx, cancel := context.WithTimeoutCause(ctx, 9*time.Second, errors.New("this takes too long"))
	defer cancel()

	for _, scene := range []func(context.Context) error{
		a.reportIsBuiltOnce,
		a.accountsDoNotWaitForEachOther,
		a.secondHolderIsRefused,
		a.lockIsRenewed,
		a.lockExpires,
		a.staleWorkerIsRefused,
		a.nodeStops,
	} {
		fmt.Println()
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

// text is the text of an error without the answers of the nodes: they name ports, which differ each time.
func text(err error) string {
	var failed *mutex.Error
	if !errors.As(err, &failed) {
		return fmt.Sprint(err)
	}
	short := *failed
	short.Votes = nil
	return short.Error()
}
