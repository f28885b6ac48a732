module github.com/mutexgen/mutexgen/internal/chaos

go 1.26.0

tool github.com/mutexgen/mutexgen/cmd/mutexgen

replace github.com/mutexgen/mutexgen => ../../

require github.com/mutexgen/mutexgen v0.0.0

require (
	github.com/anishathalye/porcupine v1.3.1 // indirect
	github.com/dave/jennifer v1.7.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
