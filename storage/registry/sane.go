package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/pkg/unshare"

	"github.com/dhow-containers/dhow/storage/given"
)

const maxConfigBytes = 4 << 20 // of one file

// sane looks at the files of the containers tools, which the library reads as a whole and without a
// question: one that is a pipe would hold the command up for ever, one without end take all memory.
func sane(sys *types.SystemContext, domain string) error {
	uid := unshare.GetRootlessUID()
	var files []string
	for _, k := range []configfile.File{
		{Name: "registries", Extension: "conf", EnvironmentName: "CONTAINERS_REGISTRIES_CONF", UserId: uid,
			CustomConfigFilePath: sys.SystemRegistriesConfPath, CustomConfigFileDropInDirectory: sys.SystemRegistriesConfDirPath},
		{Name: "policy", Extension: "json", EnvironmentName: "CONTAINERS_POLICY_JSON", DoNotLoadDropInFiles: true},
		{Name: "registries", Extension: "yaml", DoNotLoadMainFiles: true, DoNotUseExtensionForConfigName: true, UserId: uid,
			CustomConfigFileDropInDirectory: sys.RegistriesDirPath},
	} {
		paths, err := configfile.GetSearchPaths(&k)
		if err != nil {
			continue // the library's to tell
		}
		files = append(files, paths.MainFiles...)
		for _, dir := range paths.DropInDirectories {
			files = append(files, ending(dir, "."+k.Extension)...)
		}
	}
	files = append(files, sys.UserShortNameAliasConfPath)
	if domain != "" && filepath.IsLocal(domain) {
		for _, dir := range certDirs(sys, uid) {
			files = append(files, ending(filepath.Join(dir, domain), ".crt", ".cert", ".key")...)
		}
	}
	for _, f := range files {
		if err := given.Check(f, maxConfigBytes); err != nil {
			return fmt.Errorf("reading settings: %w", err)
		}
	}
	return nil
}

// certDirs are where the library looks for a registry's certificates.
func certDirs(sys *types.SystemContext, uid int) []string {
	if sys.DockerPerHostCertDirPath != "" {
		return []string{sys.DockerPerHostCertDirPath}
	}
	paths, _ := configfile.GetSearchPaths(&configfile.File{Name: "certs", Extension: "d", DoNotUseExtensionForConfigName: true, UserId: uid})
	return append(paths.DropInDirectories, "/etc/docker/certs.d")
}

// ending gives the files of a directory whose names end so.
func ending(dir string, ends ...string) (files []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		for _, end := range ends {
			if strings.HasSuffix(e.Name(), end) {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	return files
}
