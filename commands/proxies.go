package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// configLimit bounds docker's config.json.
const configLimit = 1 << 20

// proxyVariables are what "proxies" of docker's config.json sets, by its keys (docker CLI reference,
// "Automatic proxy configuration for containers").
var proxyVariables = []struct{ key, name string }{
	{"httpProxy", "HTTP_PROXY"}, {"httpsProxy", "HTTPS_PROXY"}, {"ftpProxy", "FTP_PROXY"}, {"noProxy", "NO_PROXY"}, {"allProxy", "ALL_PROXY"},
}

// proxies gives "NAME=value" for containers and builds from the "default" entry of docker's
// config.json, each in upper and lower case. A name that given holds, in either case, is the person's
// own matter. A file that can not be read is worth a warning, as for docker.
func (c *call) proxies(given []string) []string {
	entry, err := defaultProxies()
	if err != nil {
		c.warn(err.Error())
	}
	var out []string
	for _, v := range proxyVariables {
		value := entry[v.key]
		if value == "" || names(given, v.name) {
			continue
		}
		out = append(out, v.name+"="+value, strings.ToLower(v.name)+"="+value)
	}
	return out
}

// names reports whether list sets name, in upper or lower case.
func names(list []string, name string) bool {
	for _, entry := range list {
		if got, _, _ := strings.Cut(entry, "="); strings.EqualFold(got, name) {
			return true
		}
	}
	return false
}

func defaultProxies() (map[string]string, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		if home := os.Getenv("HOME"); home != "" {
			dir = filepath.Join(home, ".docker")
		}
	}
	if dir == "" {
		return nil, nil
	}
	name := filepath.Join(dir, "config.json")
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the proxies: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, err
	}
	var config struct {
		Proxies map[string]map[string]string `json:"proxies"`
	}
	if err := json.NewDecoder(io.LimitReader(f, configLimit)).Decode(&config); err != nil {
		return nil, fmt.Errorf("reading the proxies of %s: %w", name, err)
	}
	return config.Proxies["default"], nil
}
