package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/dhow-containers/dhow/rootless/enter"
	"github.com/dhow-containers/dhow/rootless/paths"
)

// configLimit bounds docker's config.json.
const configLimit = 1 << 20

// dockerConfig is what of docker's config.json is not about accounts (docker CLI reference,
// "Configuration files"); those are the affair of storage/registry.
type dockerConfig struct {
	Proxies map[string]map[string]string `json:"proxies"`
	// DetachKeys stand in for --detach-keys.
	DetachKeys string `json:"detachKeys"`
	// The formats of lists for which no --format is given.
	PsFormat      string `json:"psFormat"`
	ImagesFormat  string `json:"imagesFormat"`
	VolumesFormat string `json:"volumesFormat"`
	StatsFormat   string `json:"statsFormat"`
}

// config reads docker's config.json, once. A file that can not be read is worth a warning, as for
// docker.
func (c *call) config() dockerConfig {
	if c.settings == nil {
		settings, err := readDockerConfig()
		if err != nil {
			c.warn(err.Error())
		}
		c.settings = &settings
	}
	return *c.settings
}

func readDockerConfig() (dockerConfig, error) {
	var config dockerConfig
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		if home := paths.Home(enter.Current().CallerUID); home != "" {
			dir = filepath.Join(home, ".docker")
		}
	}
	if dir == "" {
		return config, nil
	}
	name := filepath.Join(dir, "config.json")
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe waits for nobody
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err != nil {
		return config, fmt.Errorf("reading docker's configuration: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return config, err
	}
	if err := json.NewDecoder(io.LimitReader(f, configLimit)).Decode(&config); err != nil && !errors.Is(err, io.EOF) {
		return dockerConfig{}, fmt.Errorf("reading %s: %w", name, err)
	}
	return config, nil
}

// detachKeys are the keys that leave a container's terminal: the flag's, or those of config.json.
func (c *call) detachKeys() string {
	if c.IsSet("detach-keys") {
		return c.text("detach-keys")
	}
	return c.config().DetachKeys
}
