//go:build application

package application

// What an application imports: all that these need is among this module's requirements, and therefore there for its scripts.
import (
	_ "github.com/mutexgen/mutexgen/mutex"
	_ "github.com/mutexgen/mutexgen/mutex/mutextest"
)
