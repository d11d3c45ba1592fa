package build

import (
	"fmt"
	"os"

	"github.com/dhow-containers/dhow/build/mount"
	"github.com/dhow-containers/dhow/storage/given"
)

// maxSecretBytes bounds one secret; BuildKit takes 500 KB.
const maxSecretBytes = 4 << 20

// checkSecrets finds a secret that can not be read before any work is done.
func checkSecrets(list []Secret) error {
	seen := map[string]bool{}
	for _, s := range list {
		switch {
		case s.ID == "":
			return fmt.Errorf("a secret without an id")
		case seen[s.ID]:
			return fmt.Errorf("secret %q is given twice", s.ID)
		case s.Env != "":
			if _, ok := os.LookupEnv(s.Env); !ok {
				return fmt.Errorf("secret %q: the variable %s is not set", s.ID, s.Env)
			}
		default:
			st, err := os.Stat(s.File)
			if err != nil {
				return fmt.Errorf("secret %q: %w", s.ID, err)
			}
			if st.IsDir() {
				return fmt.Errorf("secret %q: %s is a directory", s.ID, s.File)
			}
		}
		seen[s.ID] = true
	}
	return nil
}

// secrets gives values when a step asks for them: nothing keeps them in between.
func secrets(list []Secret) mount.Secrets {
	return func(id string) ([]byte, bool, error) {
		for _, s := range list {
			if s.ID != id {
				continue
			}
			if s.Env != "" {
				return []byte(os.Getenv(s.Env)), true, nil
			}
			data, err := given.Read(s.File, maxSecretBytes)
			return data, true, err
		}
		return nil, false, nil
	}
}
