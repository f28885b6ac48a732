// Package chaos tries the mutexes on real servers, in several processes, while everything fails that can fail. All of it is
// in the tests: see README.md.
package chaos
