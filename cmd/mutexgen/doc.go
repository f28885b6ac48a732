// Mutexgen writes typed Go for the mutexes that a mutexes.yaml defines.
//
// Usage:
//
//	mutexgen [generate] [-config mutexes.yaml] [-out mutexes_gen.go] [-package name]
//
// A mutexes.yaml names the mutexes of an application, the Redis servers they live on, and their keys:
//
//	version: 1
//	mutexes:
//	  - name: NightlyReport
//	    doc: makes sure that one replica at a time builds the report.
//	    url: ${REDIS_URL:-redis://localhost:6379}
//	    key: report:nightly
//	    expiration: 10m
//
// From it mutexgen writes a Go file with one type per mutex and a function Open. Nobody needs to edit that file; commit it
// beside the code that uses it. To keep the two in step, put this line into a Go file of the package, and run go generate
// whenever mutexes.yaml has changed:
//
//	//go:generate go tool mutexgen
//
// The flags, whose paths are relative to the current folder:
//
//	-config file    the definitions (default mutexes.yaml)
//	-out file       the Go file to write (default mutexes_gen.go)
//	-package name   the Go package of that file
//
// Without -package the package is the one that mutexes.yaml asks for with its field package; else $GOPACKAGE, which go
// generate sets, if the file is for the current folder; else it is named after the folder of the file.
//
// The Go file is written only if it would change, and never over a file that mutexgen did not write. If mutexes.yaml is
// wrong, all that is wrong with it is listed on the standard error as file:line:col, and nothing is written. Warnings are
// listed there too, but do not stop anything. Neither the network nor the environment's ${VAR}s are read: those in URLs are
// looked up when the application opens its mutexes.
//
// The exit code is 0 if the Go file is up to date now, and 2 if the definitions, the flags or the folder do not allow it.
package main
