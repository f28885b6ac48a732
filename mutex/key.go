package mutex

import (
	"fmt"
	"strconv"
)

// Key is a Redis key in the making: literal text and the values of parameters, one after the other, unescaped. Generated
// code builds it; the first error stays with it until it is rendered.
type Key struct {
	text string
	err  error
}

// NewKey begins a key with literal text, which may be empty.
func NewKey(text string) Key { return Key{text: text} }

// Text appends literal text.
func (k Key) Text(text string) Key { return k.add(text) }

// String appends a string parameter, which must not be empty.
func (k Key) String(name, value string) Key {
	if value == "" && k.err == nil {
		k.err = fmt.Errorf("key parameter %s is empty", name)
	}
	return k.add(value)
}

// Int appends an int parameter.
func (k Key) Int(name string, value int) Key { return k.add(strconv.Itoa(value)) }

// Int64 appends an int64 parameter.
func (k Key) Int64(name string, value int64) Key { return k.add(strconv.FormatInt(value, 10)) }

// Uint64 appends a uint64 parameter.
func (k Key) Uint64(name string, value uint64) Key { return k.add(strconv.FormatUint(value, 10)) }

// Bool appends a bool parameter: true or false.
func (k Key) Bool(name string, value bool) Key { return k.add(strconv.FormatBool(value)) }

// Stringer appends a parameter's own text, which must not be empty. A String method that panics, as one on a nil pointer
// may, is an error of the key.
func (k Key) Stringer(name string, value fmt.Stringer) (key Key) {
	if k.err != nil {
		return k
	}
	defer func() {
		if r := recover(); r != nil {
			key = Key{err: fmt.Errorf("key parameter %s has no text: its String method panicked: %v", name, r)}
		}
	}()
	if value == nil {
		k.err = fmt.Errorf("key parameter %s is nil", name)
		return k
	}
	return k.String(name, value.String())
}

func (k Key) add(text string) Key {
	if k.err == nil {
		k.text += text
	}
	return k
}

// Render is the finished key.
func (k Key) Render() (string, error) {
	if k.err != nil {
		return "", k.err
	}
	return k.text, nil
}
