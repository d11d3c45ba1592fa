package sandbox

import (
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/dhow-containers/dhow/rootless/cgroup"
)

// Limit changes what the processes of a container's control group may use, while they run. What r does
// not mention stays as it is.
func Limit(group string, r *specs.LinuxResources) error {
	config, err := specconv.CreateCgroupConfig(&specconv.CreateOpts{
		Spec: &specs.Spec{Linux: &specs.Linux{CgroupsPath: group, Resources: r}},
	}, nil)
	if err != nil {
		return err
	}
	config.Resources.Devices, config.Resources.SkipDevices = nil, true // see configure
	m, err := fs2.NewManager(config, cgroup.Root+group)
	if err != nil {
		return err
	}
	return m.Set(config.Resources)
}
