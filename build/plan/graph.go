// Package plan turns a parsed Dockerfile into a graph of steps: the hand-over between what the
// text says and what is to be done.
//
// It follows BuildKit's own conversion (frontend/dockerfile/dockerfile2llb) in every rule: scope
// and precedence of ARG and ENV, ONBUILD, names, history, defaults. It is pure: it reads no file,
// touches no store, and asks for base images only through a Resolver. Words are expanded here and
// nowhere later; what a step needs stands in its Op.
package plan

import (
	"time"

	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/storage/image"
)

// Graph is everything to be done for one target. It holds only what the target needs.
type Graph struct {
	// Nodes are all steps, each after its Parent and Inputs; the order is the same for the same
	// input.
	Nodes []*Node
	// Final is the step whose filesystem is the result; nil when the target is an empty scratch
	// image, or one that consists of metadata alone.
	Final *Node
	// Image is the result's configuration without RootFS.DiffIDs and Created: those are known only
	// when the layers are. History holds the base's entries and one for each instruction; those
	// without EmptyLayer are, in order, the base's layers and then one per node on the chain from
	// the base to Final. An entry without Created gets the time its layer was made, an empty one
	// that of the entry before it.
	Image image.Config
	// Base is the BaseOp under Final, nil when the result stands on scratch.
	Base *Node
	// Stages are the stages the target needs, in the order of the Dockerfile.
	Stages []Stage
	// Target is the stage built.
	Target string
	// Epoch is SOURCE_DATE_EPOCH, when given: the time of every file, layer and history entry made.
	Epoch *time.Time
	// Findings are the warnings of reading and planning, in order of line.
	Findings []dockerfile.Finding
	File     *dockerfile.File
}

// Stage is a stage of the Dockerfile that takes part.
type Stage struct {
	Name  string // "build", or "stage-2" when unnamed
	Index int
	Last  *Node // its filesystem; nil when it is empty
	Span  dockerfile.Span
}

// Node is one step. Nodes are compared by pointer; they are read-only once Make has returned.
type Node struct {
	ID int // its index in Graph.Nodes
	Op Op
	// Parent is the step whose filesystem this one changes; nil is an empty one (scratch). A BaseOp
	// has none.
	Parent *Node
	// Inputs are the steps whose filesystems are read besides Parent's: COPY --from and bind or
	// cache mounts with from. Each stands once, in the order the Op mentions it.
	Inputs []*Node
	// Name is what BuildKit's progress prints: "[build 2/7] RUN make".
	Name string
	Span dockerfile.Span
	// Stage is the name of the stage it was first needed in.
	Stage string
	// NoCache forbids to take the result from the cache: --no-cache.
	NoCache bool
	// History is the entry of this step in the image's history, also contained in Graph.Image.
	// A BaseOp has none.
	History image.History
}

// Chain gives the nodes from the base (or the first step on scratch) to n, in the order their
// layers lie on each other. A nil n gives none.
func (n *Node) Chain() []*Node {
	var out []*Node
	for ; n != nil; n = n.Parent {
		out = append(out, n)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
