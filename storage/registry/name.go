package registry

import (
	"fmt"
	"slices"

	imageref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/dhow-containers/dhow/storage/reference"
)

// Resolve gives the full reference a name stands for. A name with a host stands for itself. A short
// one is docker.io's unless registries.conf says otherwise: by an alias, or by naming other
// registries for unqualified names. Several are never searched: docker.io is taken when it is among
// them, else the first.
func Resolve(sys *types.SystemContext, name string) (reference.Name, error) {
	full, err := reference.Parse(name)
	if err != nil {
		return reference.Name{}, err
	}
	if !reference.IsShort(name) {
		return full, nil
	}
	short := full
	if alias, _, err := sysregistriesv2.ResolveShortNameAlias(sys, familiarRepository(full)); err != nil {
		return reference.Name{}, fmt.Errorf("resolving %q: %w", name, err)
	} else if alias != nil {
		short.Domain, short.Path = imageref.Domain(alias), imageref.Path(alias)
		return short, nil
	}
	hosts, err := sysregistriesv2.UnqualifiedSearchRegistries(sys)
	if err != nil {
		return reference.Name{}, fmt.Errorf("resolving %q: %w", name, err)
	}
	if len(hosts) == 0 || slices.Contains(hosts, "docker.io") {
		return full, nil
	}
	return reference.Parse(hosts[0] + "/" + reference.Familiar(full.String()))
}

// familiarRepository is the name as it would be typed, without tag and digest.
func familiarRepository(n reference.Name) string {
	n.Tag, n.Digest = "", ""
	return reference.Familiar(n.Repository())
}
