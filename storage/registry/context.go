package registry

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
)

// Access is what one transfer adds to the settings.
type Access struct {
	Platform           string // "os/arch[/variant]", "" for the host's
	Username, Password string // "" for what the auth files say
	Insecure           bool
	// Domain is the registry's host and port; a loopback one is talked to in plain http when it
	// does not answer in TLS, as docker does.
	Domain string
}

// Context gives the library's view of the settings. close ends its files.
func (s Settings) Context(a Access) (sys *types.SystemContext, closeContext func(), err error) {
	if !filepath.IsAbs(os.Getenv("HOME")) {
		// The library would take uid 0's home, which the caller may not read, or a place in the present directory.
		home := s.Home
		if home == "" {
			home = s.TempDir
		}
		os.Setenv("HOME", home)
	}
	sys = &types.SystemContext{
		SystemRegistriesConfPath: s.RegistryConf,
		RegistriesDirPath:        s.registriesDir(),
		BlobInfoCacheDir:         s.CacheDir,
		BigFilesTemporaryDir:     s.TempDir,
		DockerRegistryUserAgent:  s.UserAgent,
		OSChoice:                 "linux",
	}
	if s.CacheDir == "" {
		s.CacheDir = s.TempDir
	}
	if sys.UserShortNameAliasConfPath = s.aliasFile(); sys.UserShortNameAliasConfPath == "" {
		sys.UserShortNameAliasConfPath = filepath.Join(s.CacheDir, "short-name-aliases.conf")
	}
	if s.RegistryConf != "" {
		// As the library does for the variable: the drop-ins belong to the default file.
		sys.SystemRegistriesConfDirPath = filepath.Join(s.TempDir, "no-drop-ins")
	}
	if err := setPlatform(sys, a.Platform); err != nil {
		return nil, nil, err
	}
	sys.DockerPerHostCertDirPath = s.certsDir(a.Domain)
	if err := sane(sys, a.Domain); err != nil {
		return nil, nil, err
	}
	if a.Domain != "" {
		sys.DockerProxy = a.proxyOf(sys)
	}
	if a.Insecure || loopback(a.Domain) {
		sys.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	if a.Username != "" {
		sys.DockerAuthConfig = &types.DockerAuthConfig{Username: a.Username, Password: a.Password}
		return sys, func() {}, nil
	}
	auth, err := s.mergeAuth(a.Domain)
	if err != nil {
		return nil, nil, err
	}
	path, file, err := memoryFile(auth)
	if err != nil {
		return nil, nil, err
	}
	sys.AuthFilePath = path
	return sys, func() { file.Close() }, nil
}

// aliasFile is where the containers tools remember what people chose for short names, when there is
// one: the library would make it.
func (s Settings) aliasFile() string {
	name := "/var/cache/containers/short-name-aliases.conf"
	if s.UID != 0 {
		name = filepath.Join(s.Home, ".cache", "containers", "short-name-aliases.conf")
	}
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	return name
}

func (s Settings) registriesDir() string {
	if s.ConfigHome != "" && s.UID != 0 {
		if dir := filepath.Join(s.ConfigHome, "containers", "registries.d"); isDir(dir) {
			return dir
		}
	}
	return ""
}

// certsDir is the user's own docker directory of certificates when it has some for the registry and
// the containers tools' has none; "" leaves the search to the library, which looks into
// ~/.config/containers, /etc/containers and /etc/docker.
func (s Settings) certsDir(domain string) string {
	if domain == "" || s.ConfigHome != "" && isDir(filepath.Join(s.ConfigHome, "containers", "certs.d", domain)) {
		return ""
	}
	for _, base := range []string{filepath.Join(s.ConfigHome, "docker"), s.DockerConfig} {
		if dir := filepath.Join(base, "certs.d"); base != "" && filepath.IsAbs(base) && isDir(filepath.Join(dir, domain)) {
			return dir
		}
	}
	return ""
}

// setPlatform reads "os/arch[/variant]"; docker takes "arch" alone too.
func setPlatform(sys *types.SystemContext, platform string) error {
	if platform == "" {
		return nil // the library knows the host's variants
	}
	os, arch, variant, err := ParsePlatform(platform)
	if err != nil {
		return err
	}
	sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = os, arch, variant
	return nil
}

// ParsePlatform reads "os/arch[/variant]", "arch" or "" (the host's) into the names images use.
func ParsePlatform(platform string) (os, arch, variant string, err error) {
	if platform == "" {
		return "linux", runtime.GOARCH, "", nil
	}
	parts := strings.Split(strings.ToLower(platform), "/")
	switch {
	case len(parts) == 1 && (parts[0] == "linux" || parts[0] == "windows" || parts[0] == "freebsd"):
		parts = append(parts, runtime.GOARCH)
	case len(parts) == 1:
		parts = append([]string{"linux"}, parts...)
	}
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return "", "", "", fmt.Errorf("platform %q is not os/arch[/variant]", platform)
	}
	arch = parts[1]
	if len(parts) == 3 {
		variant = parts[2]
	}
	switch arch {
	case "x86_64", "x86-64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	case "armhf":
		arch, variant = "arm", "v7"
	case "armel":
		arch, variant = "arm", "v6"
	case "i386", "i686":
		arch = "386"
	}
	if arch == "arm64" && (variant == "8" || variant == "v8") {
		variant = ""
	}
	return parts[0], arch, variant, nil
}

// loopback reports whether the registry is on this machine.
func loopback(domain string) bool {
	host := domain
	if h, _, err := net.SplitHostPort(domain); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// Policy gives the verdict of policy.json on images; without one every image is accepted. The caller
// destroys it.
func Policy(sys *types.SystemContext) (*signature.PolicyContext, error) {
	policy, err := signature.DefaultPolicy(sys)
	if errors.Is(err, configfile.ErrConfigFileNotFound) {
		return AcceptAnything()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the signature policy: %w", err)
	}
	return signature.NewPolicyContext(policy)
}

// AcceptAnything is the policy for what does not come from a registry.
func AcceptAnything() (*signature.PolicyContext, error) {
	return signature.NewPolicyContext(&signature.Policy{
		Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()},
	})
}
