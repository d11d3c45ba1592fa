package network

import (
	"context"
	"errors"
)

// Stack is the running network of one container.
type Stack struct{}

// Attach gives the network namespace of process pid the private network described by cfg.
func Attach(ctx context.Context, pid int, cfg Config) (*Stack, error) {
	return nil, errors.New("private network is being written")
}

// Close ends the network: open connections are cut.
func (s *Stack) Close() error { return nil }

// Check tells whether the private network can be made here; the error names the cure.
func Check() error { return nil }
