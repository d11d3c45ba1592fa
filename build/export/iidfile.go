package export

import (
	"fmt"
	"os"

	"github.com/dhow-containers/dhow/storage/journal"
)

// IIDFile writes the id of an image to a file, as --iidfile wants it: "sha256:" and 64 digits, no
// newline, all at once. A device such as /dev/stdout or a pipe is written to.
func IIDFile(path, id string) error {
	data := []byte("sha256:" + id)
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		err = os.WriteFile(path, data, 0o644)
	} else {
		err = journal.Replace(path, data, 0o644, false)
	}
	if err != nil {
		return fmt.Errorf("writing the image id: %w", err)
	}
	return nil
}
