package step

import (
	"fmt"
	"path/filepath"

	"github.com/dhow-containers/dhow/build/cache"
	"github.com/dhow-containers/dhow/build/plan"
)

// workdir makes the directory of WORKDIR where it is missing.
func (b *Bench) workdir(t *Task, op *plan.WorkdirOp) (cache.Made, error) {
	dir := filepath.Join(t.Scratch.Dir, "upper")
	u, done, err := b.union(dir, t.Parent)
	if err != nil {
		return cache.Made{}, err
	}
	defer done()
	var who owner
	if op.User != "" {
		// Like BuildKit: who is not in the image's passwd file leaves root as the owner.
		if o, err := parseOwner(op.User, u.lower, b.Mapping); err == nil {
			who = o
		}
	}
	rel, err := u.resolve(op.Path)
	if err == nil {
		err = u.mkdirAll(rel, who, 0o755, op.Epoch)
	}
	if err != nil {
		return cache.Made{}, fmt.Errorf("making the working directory %s: %w", op.Path, err)
	}
	return cache.Made{Dir: dir, Links: u.owners.Links, Name: t.Node.Name}, nil
}
