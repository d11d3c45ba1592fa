// Package registry says how registries are reached: which configuration, policy, credentials and
// certificates apply to the person who called, and what a reference without a host means.
//
// The files are those of the containers tools and of docker: registries.conf(5) with its drop-ins,
// policy.json(5), auth.json(5), docker's config.json, certs.d(5), registries.d(5). Where the library
// would go by the uid, which is 0 inside a user namespace, the caller's places are named explicitly.
// Without any policy.json every image is accepted, as docker does.
package registry

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Settings are the places configuration is read from; an empty field means there is none.
type Settings struct {
	Home         string // the caller's home
	ConfigHome   string // $XDG_CONFIG_HOME, or .config in Home
	RuntimeDir   string // $XDG_RUNTIME_DIR when it exists
	RegistryConf string // $CONTAINERS_REGISTRIES_CONF or $REGISTRIES_CONFIG_PATH
	AuthFile     string // $REGISTRY_AUTH_FILE
	DockerConfig string // $DOCKER_CONFIG, or .docker in Home
	DockerAuth   string // $DOCKER_AUTH_CONFIG: the text of an auth file
	UID          int    // the caller's uid on the host
	CacheDir     string // where locations of blobs are remembered
	TempDir      string // where big blobs are spooled
	UserAgent    string
	// AsCaller makes a child process see itself as the caller (rootless/enter.AsCaller); credential
	// helpers look for the caller's keyring.
	AsCaller *syscall.SysProcAttr
	// Canceled, when it is closed, ends a credential helper that is being waited for.
	Canceled <-chan struct{}
}

// FromEnvironment reads the settings of a process whose caller has the given uid on the host. home
// is used when HOME is not set, or names no place by itself.
func FromEnvironment(getenv func(string) string, home string, uid int) Settings {
	s := Settings{Home: getenv("HOME"), UID: uid, UserAgent: "dhow"}
	if !filepath.IsAbs(s.Home) {
		s.Home = home
	}
	s.ConfigHome = getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(s.ConfigHome) && s.Home != "" {
		s.ConfigHome = filepath.Join(s.Home, ".config")
	}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && isDir(dir) {
		s.RuntimeDir = dir
	}
	if s.RegistryConf = getenv("CONTAINERS_REGISTRIES_CONF"); s.RegistryConf == "" {
		s.RegistryConf = getenv("REGISTRIES_CONFIG_PATH")
	}
	s.AuthFile = getenv("REGISTRY_AUTH_FILE")
	if s.DockerConfig = getenv("DOCKER_CONFIG"); s.DockerConfig == "" && s.Home != "" {
		s.DockerConfig = filepath.Join(s.Home, ".docker")
	}
	s.DockerAuth = getenv("DOCKER_AUTH_CONFIG")
	return s
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// authFiles gives the places credentials are looked for, best first.
func (s Settings) authFiles() []string {
	if s.AuthFile != "" {
		return []string{s.AuthFile}
	}
	var files []string
	if s.RuntimeDir != "" {
		files = append(files, filepath.Join(s.RuntimeDir, "containers", "auth.json"))
	} else {
		files = append(files, filepath.Join("/run/containers", strconv.Itoa(s.UID), "auth.json"))
	}
	if s.ConfigHome != "" {
		files = append(files, filepath.Join(s.ConfigHome, "containers", "auth.json"))
	}
	if s.DockerConfig != "" {
		files = append(files, filepath.Join(s.DockerConfig, "config.json"))
	}
	return files
}
