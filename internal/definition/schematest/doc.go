// Package schematest compares the JSON Schema of mutexes.yaml with the parser, by a validator of schemas. It stands apart
// from package definition so that `go mod tidy` fetches the validator for nobody who uses mutexgen.
package schematest
