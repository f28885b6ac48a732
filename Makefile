# `make test` is the whole test: CI runs the same (.ci/run).

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.NOTPARALLEL:

# Some tests time what others would delay: their packages go one after the other. The rest need not wait, and those that take
# longest begin.
UNTIMED = ./templates/... ./internal/acl ./cmd/... ./internal/definition/... ./internal/compat ./internal/checkup ./docs/... ./internal/model \
	. ./internal/ring ./internal/targets ./examples/mymutex/locks
TIMED = $(filter-out $(shell go list $(UNTIMED) ./internal/mutants),$(shell go list ./...))

# What needs the processor and no clock goes aside, at the lowest priority: the rest waits for servers half of the time.
.PHONY: test
test: tools check
	nice -n 19 $(MAKE) test-application test-faults & aside=$$!; trap 'trap - TERM; kill 0' INT TERM; \
		$(MAKE) test-ahead; ahead=$$?; wait $$aside && exit $$ahead

.PHONY: test-ahead
test-ahead:
	go test -race -p 3 -parallel 4 -timeout 8m $(UNTIMED)
	go test -race -p 1 -parallel 4 -timeout 8m $(TIMED)
	$(MAKE) test-otelmutex test-bench & bench=$$!; $(MAKE) test-interop; interop=$$?; wait $$bench && exit $$interop
	$(MAKE) test-chaos

# What the race detector leaves no time for: the model within its full bounds, thousands of schedules, and deliberate bugs,
# of which the go command does not know what they are made of, so that it must not take an old result for theirs.
.PHONY: test-faults
test-faults:
	go test ./internal/model
	go test -count 1 ./internal/mutants
	go test ./internal/engine -run '^TestSchedules$$' -schedules 4000

# internal/application, internal/chaos, interop, otelmutex and bench are modules of their own, for their dependencies are.
.PHONY: test-application
test-application:
	cd internal/application && go vet -tags application ./... && go test -count 1 ./...

# That all of it compiles for systems that the tests don't run on.
.PHONY: platforms
platforms:
	for system in darwin/arm64 freebsd/amd64 linux/arm64 linux/386 windows/amd64; do \
		echo $$system && CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go vet ./... || exit 1; \
	done

.PHONY: test-chaos
test-chaos:
	cd internal/chaos && go vet ./... && go test -count 1 -p 1 ./...

.PHONY: test-otelmutex
test-otelmutex:
	cd otelmutex && go vet ./... && go test -race -count 1 ./...
	cd otelmutex/internal/monitoring && go vet ./... && go test -count 1 ./...

# Other libraries on our locks. What is not for Go is skipped on a machine without node or Python, see interop/README.md; with
# MUTEXGEN_INTEROP=required it fails.
.PHONY: test-interop
test-interop:
	cd interop && go vet ./... && go test -count 1 ./...

.PHONY: test-bench
test-bench:
	cd bench && go vet ./... && go test -p 1 ./...

# What the tests need besides Go: redis-server, and a C compiler for the race detector.
.PHONY: tools
tools:
	@.ci/tools

.PHONY: check
check:
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then \
		echo "not formatted (make fmt does it):"; echo "$$unformatted"; exit 1; \
	fi
	go vet ./...
	go run $(STATICCHECK) ./...
	go run ./cmd/mutexgen check
	cd bench && go tool mutexgen check
	cd internal/chaos && go tool mutexgen check
	cd interop && go tool mutexgen check

.PHONY: fmt
fmt:
	gofmt -w .

# Writes the Go code of mutexes.yaml.
.PHONY: generate
generate:
	go generate ./...

# Measures this library and others side by side; takes nearly ten minutes. ARGS are those of the program: see bench/README.md.
.PHONY: bench
bench: tools
	cd bench && go run . $(ARGS)

# Faults by the thousand on real servers, how soon a loss is noticed, and a soak: see internal/chaos/README.md. DURATION is
# how long each goes on, ARGS are further flags: make chaos DURATION=5m ARGS='-seed 4711'.
CHAOS = cd internal/chaos && go test -count 1 -timeout 0 -v . -run

.PHONY: chaos
chaos: tools
	$(CHAOS) '^TestChaos$$' -duration $(or $(DURATION),30m) $(ARGS)

.PHONY: loss
loss: tools
	$(CHAOS) '^TestLoss$$' -duration $(or $(DURATION),5m) $(ARGS)

.PHONY: soak
soak: tools
	$(CHAOS) '^TestSoak$$' -duration $(or $(DURATION),1h) $(ARGS)
