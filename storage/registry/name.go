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

// blocked is a registry registries.conf forbids.
type blocked struct{ name string }

func (b blocked) Error() string { return fmt.Sprintf("registries.conf blocks %s", b.name) }
func (blocked) Hint() string {
	return `take "blocked = true" out of registries.conf if it should be asked`
}

// Allowed tells whether registries.conf lets name be asked for. The library asks that of the place a
// name is rewritten to, and not of the name.
func Allowed(sys *types.SystemContext, name reference.Name) error {
	r, err := sysregistriesv2.FindRegistry(sys, name.Repository())
	if err != nil {
		return fmt.Errorf("reading registries.conf: %w", err)
	}
	if r != nil && r.Blocked {
		return blocked{r.Prefix}
	}
	return nil
}

// familiarRepository is the name as it would be typed, without tag and digest.
func familiarRepository(n reference.Name) string {
	n.Tag, n.Digest = "", ""
	return reference.Familiar(n.Repository())
}
