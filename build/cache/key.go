// Package cache knows which result belongs to which step: the key of a step, complete by
// construction, and the records that lead from keys to layers.
package cache

import "github.com/dhow-containers/dhow/build/plan"

// Inputs are what a step reads besides its own Op, as its executor found it out.
type Inputs struct {
	// Parent is the key of Node.Parent; "" for none.
	Parent string
	// Inputs are keys of Node.Inputs, or digests of what is read of them (which lead to more hits);
	// either way one for each, in order. They never mix up: give keys as Key returns them and
	// digests as source.Digest does.
	Inputs []string
	// Items are the digests (source.Digest) of each of CopyOp.Items that comes from a context, and
	// the content digests of its URLs, in the order of Items; "" for those from a node and for
	// inline ones.
	Items []string
	// Mounts are the digests of each of RunOp.Mounts that shows a context; "" for the others.
	Mounts []string
	// Platform is the one built for.
	Platform plan.Platform
}

// Part is one labelled piece of a key, so that two keys can be compared by a person.
type Part struct{ Name, Value string }

// Key gives the cache key of n, "key:" and 64 hex digits, and the parts it was made of.
func Key(n *plan.Node, in Inputs) (string, []Part, error) { return "", nil, nil }
