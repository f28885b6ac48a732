module github.com/mutexgen/mutexgen/internal/chaos

go 1.26.0

tool github.com/mutexgen/mutexgen/cmd/mutexgen

replace github.com/mutexgen/mutexgen => ../../

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/mutexgen/mutexgen v0.0.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/aymanbagabas/go-udiff v0.4.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dave/jennifer v1.7.1 // indirect
	github.com/redis/go-redis/v9 v9.23.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
