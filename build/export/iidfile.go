package export

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/dhow-containers/dhow/storage/callerfile"
	"github.com/dhow-containers/dhow/storage/journal"
)

// IIDFile writes the id of an image to a file, as --iidfile wants it: "sha256:" and 64 digits, no
// newline, all at once. A device such as /dev/stdout or a pipe is written to.
func IIDFile(ctx context.Context, path, id string) error {
	data := []byte("sha256:" + id)
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		err = callerfile.Write(ctx, path, data)
	} else {
		err = place(path, data)
	}
	if err != nil {
		return fmt.Errorf("writing the image id: %w", err)
	}
	return nil
}

func place(path string, data []byte) error {
	claim, err := journal.Beside(path)
	if err != nil {
		return err
	}
	_, err = claim.File().Write(data)
	if err = errors.Join(err, claim.File().Chmod(0o644)); err == nil {
		err = claim.Place(path)
	}
	return errors.Join(err, claim.Close())
}
