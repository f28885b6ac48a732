# `make test` is the whole test: CI runs the same (.ci/run).

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.NOTPARALLEL:

# One package after the other, for some tests time what others would delay.
.PHONY: test
test: tools check
	go build -race ./...
	go test -race -p 1 -timeout 8m ./...
	$(MAKE) test-bench

# bench is a module of its own, for its dependencies are.
.PHONY: test-bench
test-bench:
	cd bench && go vet ./... && go test -p 1 ./...

# What the tests need besides Go: redis-server, and a C compiler for the race detector.
.PHONY: tools
tools:
	@.ci/tools

# That the generated code is up to date is a test (examples/mymutex/locks).
.PHONY: check
check:
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then \
		echo "not formatted (make fmt does it):"; echo "$$unformatted"; exit 1; \
	fi
	go vet ./...
	go run $(STATICCHECK) ./...

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
