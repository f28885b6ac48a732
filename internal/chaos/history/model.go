package history

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// lockState is the state of the model: a lock with a counter.
type lockState struct {
	holder int   // a hold's number among those of the key; free if none has it
	token  int64 // the last that was handed out
}

const free = -1

// step is what porcupine puts in order: a hold's beginning, at some time while it was being acquired, and its end. The lock
// is got only when it is free, with a larger token than any before, if it has tokens, and is free again with the end.
type step struct {
	hold  int
	token int64
	end   bool
}

var lockModel = porcupine.Model{
	Init: func() any { return lockState{holder: free} },
	Step: func(state, input, _ any) (bool, any) {
		lock, s := state.(lockState), input.(step)
		switch {
		case s.end:
			return lock.holder == s.hold, lockState{holder: free, token: lock.token}
		case lock.holder != free || s.token != 0 && s.token <= lock.token:
			return false, lock
		default:
			return true, lockState{holder: s.hold, token: s.token}
		}
	},
	DescribeOperation: func(input, _ any) string {
		s := input.(step)
		if s.end {
			return fmt.Sprintf("end %d", s.hold)
		}
		return fmt.Sprintf("acquire %d token %d", s.hold, s.token)
	},
	DescribeState: func(state any) string {
		lock := state.(lockState)
		return fmt.Sprintf("holder %d token %d", lock.holder, lock.token)
	},
}

// CheckModel has porcupine look for an order of the holds' beginnings and ends that the model allows, for each key, and gives
// up after the limit.
//
// It asks for more than the intervals of Judge do: also who heard of the lock only when it had ended must have had it, some
// time before.
func CheckModel(holds []Hold, limit time.Duration) []Violation {
	var found []Violation
	for _, holds := range byKey(holds) {
		result, _ := porcupine.CheckOperationsVerbose(lockModel, steps(holds), limit)
		if result != porcupine.Ok {
			key := holds[0].Key
			found = append(found, Violation{Model, key, fmt.Sprintf("%s: %d holds: %s", key, len(holds), result)})
		}
	}
	return found
}

// steps are the operations of one key.
func steps(holds []*Hold) []porcupine.Operation {
	var operations []porcupine.Operation
	for i, h := range holds {
		operations = append(operations,
			porcupine.Operation{ClientId: h.Process, Input: step{hold: i, token: h.Token}, Call: h.Asked, Return: min(h.Got, h.End)},
			// Nothing can keep the lock from ending as soon as the holder lets it.
			porcupine.Operation{ClientId: h.Process, Input: step{hold: i, end: true}, Call: h.End, Return: h.End + 1},
		)
	}
	return operations
}
