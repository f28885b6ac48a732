package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// contend takes the mutex InvoiceNumber so many times. While it holds it, the witness file exists: if it is there
// already, somebody else holds the mutex too.
func (a *app) contend(ctx context.Context, times uint, witness string) error {
	if a.nodes != nil {
		return errors.New("-contend needs servers that several processes can reach: name them in REDIS_A, REDIS_B and " +
			"REDIS_C, or one in REDIS_URL")
	}
	for range times {
		err := a.locks.InvoiceNumber.Synchronize(ctx, func(context.Context) error { return touch(witness) })
		if err != nil {
			return err
		}
	}
	fmt.Printf("held %s %d times, never beside somebody else\n", a.locks.InvoiceNumber.Key(), times)
	return nil
}

// touch creates the witness and removes it again.
func touch(witness string) error {
	file, err := os.OpenFile(witness, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("two holders: %s exists (or is left from a process that was killed: then remove it)", witness)
	}
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(witness))
}
