module github.com/mutexgen/mutexgen/internal/application

go 1.26.0

replace github.com/mutexgen/mutexgen => ../../

require github.com/rogpeppe/go-internal v1.16.0

require (
	golang.org/x/sys v0.26.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)
