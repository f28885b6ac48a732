// Mutexgen writes typed Go for the mutexes that a mutexes.yaml defines.
//
// Usage:
//
//	mutexgen [generate]  writes the Go file
//	mutexgen check       says whether what was generated is up to date
//	mutexgen diff        shows what generating would change
//	mutexgen init        begins: a first mutexes.yaml, and what go generate needs
//	mutexgen schema      prints a JSON Schema of mutexes.yaml, for editors
//	mutexgen compat      says what a rolling deploy of changed definitions would break
//	mutexgen acl         prints the Redis ACL rules under which the mutexes work
//	mutexgen doctor      looks whether the servers are fit for the mutexes
//	mutexgen status      tells who holds which mutex
//
// Each has a manual of its own: mutexgen check -h. The flag -version prints the version. What every field of mutexes.yaml
// means stands in docs/configuration.md.
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
// No subcommand but doctor and status touches the network, or reads the environment's ${VAR}s: those in URLs are looked up when
// the application opens its mutexes.
//
// # Findings and exit codes
//
// All that is wrong with a mutexes.yaml is listed at once, as file:line:col with the line itself and what may be meant.
// Warnings are listed too, but stop nothing. Every subcommand takes
//
//	-format text    for people, the default; in colours on a terminal, unless NO_COLOR is set
//	-format json    one object: {"findings": [{"severity", "file", "line", "column", "code", "message", "hint", "related"}]}
//	-format github  annotations that GitHub shows beside the lines of a pull request
//
// for them. They go to the standard output where they are what was asked for, from check and compat, else to the standard
// error. The exit code is
//
//	0  all is well; there may be warnings
//	1  something is out of date (check), would change (diff), breaks (compat), is unhealthy (doctor), or unknown (status)
//	2  the definitions, the flags or the folder do not allow it
//
// # mutexgen generate
//
// Writes a Go file with one type per mutex and a function Open.
//
//	mutexgen [generate] [-config mutexes.yaml] [-out mutexes_gen.go] [-package name] [-format text]
//
// Nobody needs to edit that file; commit it beside the code that uses it. To keep the two in step, put this line into a Go
// file of the package, and run go generate whenever mutexes.yaml has changed:
//
//	//go:generate go tool mutexgen
//
// The flags, whose paths are relative to the current folder:
//
//	-config file    the definitions (default mutexes.yaml)
//	-out file       the Go file to write (default mutexes_gen.go)
//	-package name   the Go package of that file
//	-format name    how findings are written: text, json or github
//
// Without -package the package is the one that mutexes.yaml asks for with its field package; else $GOPACKAGE, which go
// generate sets, if the file is for the current folder; else that of the Go files beside it; else it is named after the
// folder of the file.
//
// The Go file is written only if it would change, all at once, and never over a file that mutexgen did not write. If the
// definitions are wrong, nothing is written.
//
// # mutexgen check
//
// Says whether the definitions are valid, and what was generated from them is there, up to date, and still wanted. It
// writes nothing, which makes it a check for CI:
//
//	mutexgen check [-format text] [folder ...]
//	mutexgen check -config mutexes.yaml [-out mutexes_gen.go] [-package name] [-format text]
//
// It looks into the folders, and with /... at the end of one into those below as well, as the go command does; without any,
// into the current one and all below. There it checks
//
//	every go:generate line that runs mutexgen, with the flags that stand there
//	every mutexes.yaml that none of those lines names, as if mutexgen were run beside it
//	every generated file: one that none of these generates is orphaned
//
// Line endings of Windows are no difference. If a Makefile or another program runs mutexgen, check each file with the flags
// that stand there:
//
//	-config file    the definitions
//	-out file       the Go file
//	-package name   the Go package of that file
//	-format name    how findings are written: text, json or github
//
// It exits with 1 if something has to be generated again or deleted, and with 2 if definitions are invalid.
//
// # mutexgen diff
//
// Shows what generating would change, as a unified diff that patch -p1 and git apply read.
//
//	mutexgen diff [-format text] [folder ...]
//	mutexgen diff -config mutexes.yaml [-out mutexes_gen.go] [-package name] [-format text]
//
// It looks at the same files as mutexgen check, with the same flags:
//
//	-config file    the definitions
//	-out file       the Go file
//	-package name   the Go package of that file
//	-format name    how findings are written: text, json or github
//
// It exits with 1 if there is a difference.
//
// # mutexgen init
//
// Begins in a folder of an application's module, the current one if none is named:
//
//	mutexgen init [-package name] [-format text] [folder]
//
// It writes a mutexes.yaml that explains itself, a mutexes.schema.json by which editors complete and check it, a gen.go with
// the lines for go generate, and the first mutexes_gen.go, and says what to do next. It never overwrites a file: if one of
// them is there, nothing is written.
//
//	-package name   the Go package; else that of the folder's Go files, else the one that the folder's name suggests
//	-format name    how findings are written: text, json or github
//
// # mutexgen schema
//
// Prints a JSON Schema (draft-07) of mutexes.yaml, or writes it into a file, by which editors complete and check it.
//
//	mutexgen schema [-out file] [-format text]
//
// Editors with the YAML language server (VS Code, neovim and others) find that file by a comment at the top of mutexes.yaml:
//
//	# yaml-language-server: $schema=mutexes.schema.json
//
// The schema tells apart what it can: fields, kinds of values, bounds. What is wrong with several mutexes together, or with
// what a key or a URL says, mutexgen alone knows. To have it follow a new version of mutexgen, put this line beside the other:
//
//	//go:generate go tool mutexgen schema -out mutexes.schema.json
//
// The flags:
//
//	-out file       the file to write, unless it is up to date; never one that is no such schema
//	-format name    how findings are written: text, json or github
//
// # mutexgen compat
//
// Says what a rolling deploy from older definitions to these would break, while instances of both versions run side by side.
//
//	mutexgen compat -against <git ref or file> [-config mutexes.yaml] [-format text]
//
// The flags:
//
//	-against name   a git ref, at which the same file is read; ref:path where it was elsewhere then; or a file
//	-config file    the definitions (default mutexes.yaml)
//	-format name    how findings are written: text, json or github
//
// It breaks a mutex that an old and a new instance may hold at once. They may if its key, its database, its set of servers or
// the order or number of its groups has changed. One server in place of another is enough: two majorities need not have a server
// in common then. Where that depends on what variables hold, or on texts that the application makes, it counts as a break,
// until somebody who knows has looked. So does fencing that is switched off.
//
// What old instances and new ones can no longer rely on, or not yet, is a warning: a shorter expiration, a mutex that was
// dropped or renamed, tokens that only one version has. Each finding shows what was before, and says what to do: mostly, to
// stop all old instances before the first new one starts, or to deploy in two steps, the first of which takes both locks.
//
// Mutexes are told by their names. Variables are taken to have the same values for both versions; MUTEX_<NAME>_URL and the
// options of Open are not known. A roll-back is a deploy the other way: compare the older definitions, with -config, against
// these.
//
// A path behind a ref is seen from the root of the repository, or, with ./ before it, from the folder of the definitions. What
// is the name of a file and of a ref is refused: ./main is the file, refs/heads/main the ref. A workflow that runs
//
//	mutexgen compat -against origin/main -format github
//
// needs actions/checkout with fetch-depth: 0. It exits with 1 if something breaks, and with 2 if one of the definitions is
// invalid, or the older ones cannot be had.
//
// # mutexgen acl
//
// Prints, for each server, the smallest rule of Redis's ACL SETUSER under which the mutexes work, and nothing else does.
//
//	mutexgen acl [-config mutexes.yaml] [-user name] [-format text]
//
// Servers that need the same share a rule. What it prints can be pasted: a line such as
//
//	ACL SETUSER locks on resetkeys '~report:nightly' resetchannels … -@all +set +get …
//
// goes to the prompt of redis-cli or, in a shell, behind redis-cli and the server's address; all else is comments. It takes
// from the user whatever the mutexes don't need, so that it can be repeated when they have changed, and leaves passwords
// alone. It needs Redis 6.2 or later.
//
//	-config file    the definitions (default mutexes.yaml)
//	-user name      the user; else the one that a server's URL names, or mutexgen if that names none
//	-format name    how findings are written: text, json or github
//
// A key's parameter may be any text, so account:{id:int64} becomes account:*. In place of a space, which Redis does not take
// in a rule, stands [^!-~], any character that is not visible ASCII. All servers of a cluster get the same rule. Of a server
// that a variable names, the database is the one by default; the rule says what to add for another.
//
// Redis 7 logs that it dislikes a permission for a command with one argument, such as +select|2. It heeds it all the same, and
// without the argument the user could do more.
//
// # mutexgen doctor
//
// Looks at the servers that the definitions name, and says whether locks on them are safe, and what to do if they are not.
//
//	mutexgen doctor [-timeout 5s] [-format text] [file ...]
//
// Without a file it is the current folder's mutexes.yaml. The ${VAR}s in URLs, and MUTEX_<NAME>_URL, are looked up in the
// environment: run it where the application runs. What the options of Open change, it doesn't know; for that there is the
// method Check of the generated Mutexes. The flags:
//
//	-timeout d      how long to wait for servers that don't answer
//	-format name    how findings are written: text, json or github
//
// It takes no lock and writes nothing; what its user may not read stands in the server's ACL LOG afterwards. Of each server it
// tells the version, the role, the time that it takes to answer, how far its clock is off, what it keeps on disk, and what it
// does when its memory is full; and it looks what the user may do, whether two servers of a quorum are one, and whether the
// sentinels or the servers of a cluster are all there. What it finds is
//
//	error    locks can't be taken, or can be held twice
//	warning  so it is after a failure that may well happen, or soon
//	note     nothing is wrong, or could not be read
//
// each with a code in brackets that stays the same. It exits with 1 if there is an error. With -format json it prints one object
// with the facts and the findings; times in it are in nanoseconds.
//
// # mutexgen status
//
// Tells who holds the mutexes now.
//
//	mutexgen status [-config mutexes.yaml] [-scan n] [-watch 2s] [-timeout 5s] [-format text] [name [value ...]]
//
// Without a name it looks at all mutexes without key parameters, with one at that mutex, whose key parameters have the values
// that follow: mutexgen status AccountTransfer 4711. Values that begin with a dash and are no numbers stand behind --. The flags:
//
//	-config file    the definitions (default mutexes.yaml)
//	-scan n         list up to n keys that are locked of each mutex with key parameters
//	-watch d        look again after that time, until interrupted
//	-timeout d      how long to wait for servers that don't answer
//	-format name    how findings are written: text, json or github
//
// A mutex is held if a majority of its servers has the same owner's value, which names host and process if it is ours; how long
// it lasts is how long a majority keeps it. Where servers disagree, each one's vote is shown: held, other (for another owner),
// free, wrong-type (for what is no string) or unreachable. It reads, and so may be outdated when it is printed. Who
// waits is counted by processes.
//
// With -scan it asks the servers with SCAN, which has them look at all their keys, a few at a time, for half of -timeout at
// most. It exits with 1 if too few servers answer to tell.
package main
