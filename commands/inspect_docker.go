package commands

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
	"github.com/dhow-containers/dhow/run/spec"
	"github.com/dhow-containers/dhow/storage"
)

// What docker's inspect of a container has beyond what dhow itself distinguishes, so that templates
// and programs written for docker find every key. The parts are embedded in containerDocument one step
// deeper than others: a key that another part knows better hides the one here.

type dockerContainer struct{ dockerContainerKeys }

type dockerContainerKeys struct {
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	ExecIDs         []string
}

type dockerHost struct{ dockerHostKeys }

type dockerHostKeys struct {
	ConsoleSize        [2]uint
	Cgroup             string
	Links              []string
	Runtime            string
	BlkioWeightDevice  []string
	CpuRealtimePeriod  int64 // docker's spelling, here and below
	CpuRealtimeRuntime int64
	DeviceCgroupRules  []string
	DeviceRequests     []string
	MemorySwappiness   *int64
	CpuCount           int64
	CpuPercent         int64
	IOMaximumIOps      uint64
	IOMaximumBandwidth uint64
	MaskedPaths        []string
	ReadonlyPaths      []string
}

type dockerConfigKeys struct{ dockerConfigValues }

type dockerConfigValues struct {
	Domainname string
	Volumes    map[string]struct{}
	OnBuild    []string
}

// dockerHostOf fills in what is known of a container's wishes.
func dockerHostOf(f record.Found) (dockerHost, dockerConfigKeys, error) {
	w, err := run.Wished(f)
	if err != nil {
		return dockerHost{}, dockerConfigKeys{}, err
	}
	h := dockerHostKeys{Runtime: "dhow"}
	h.MaskedPaths, h.ReadonlyPaths = spec.Hidden(w)
	config := dockerConfigValues{Domainname: w.Domainname}
	for _, m := range f.Mounts {
		if m.Type != "volume" || !m.Anonymous {
			continue
		}
		if config.Volumes == nil {
			config.Volumes = map[string]struct{}{}
		}
		config.Volumes[m.Target] = struct{}{}
	}
	return dockerHost{h}, dockerConfigKeys{config}, nil
}

// dockerNetwork is NetworkSettings beside Ports.
type dockerNetwork struct {
	Bridge      string
	SandboxID   string
	SandboxKey  string
	EndpointID  string
	Gateway     string
	IPAddress   string
	IPPrefixLen int
	IPv6Gateway string
	// GlobalIPv6Address is empty where the host has no way out by IPv6.
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	MacAddress          string
	Networks            map[string]dockerEndpoint
}

type dockerEndpoint struct {
	IPAMConfig          *struct{}
	Links               []string
	Aliases             []string
	MacAddress          string
	NetworkID           string
	EndpointID          string
	Gateway             string
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	DriverOpts          map[string]string
	DNSNames            []string
}

// dockerNetworkOf gives the addresses of a container that runs, in its one network.
func dockerNetworkOf(f record.Found) dockerNetwork {
	var d dockerNetwork
	var e dockerEndpoint
	own, gateways := run.Addresses(f)
	for i, a := range own {
		if a.Addr().Is4() {
			e.IPAddress, e.IPPrefixLen, e.Gateway = a.Addr().String(), a.Bits(), gateways[i].String()
		} else {
			e.GlobalIPv6Address, e.GlobalIPv6PrefixLen, e.IPv6Gateway = a.Addr().String(), a.Bits(), gateways[i].String()
		}
	}
	if len(own) > 0 {
		d.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", f.State.Pid)
	}
	d.IPAddress, d.IPPrefixLen, d.Gateway = e.IPAddress, e.IPPrefixLen, e.Gateway
	d.GlobalIPv6Address, d.GlobalIPv6PrefixLen, d.IPv6Gateway = e.GlobalIPv6Address, e.GlobalIPv6PrefixLen, e.IPv6Gateway
	d.Networks = map[string]dockerEndpoint{networkName(f.Network): e}
	return d
}

// layerPaths gives the directories of layers as docker's GraphDriver.Data has them: the topmost one
// first, separated by colons. Layers that are not there are left out.
func (c *call) layerPaths(ids []string) string {
	s, err := c.store()
	if err != nil {
		return ""
	}
	var dirs []string
	for _, id := range slices.Backward(ids) {
		if l, err := s.Layer(id); err == nil {
			dirs = append(dirs, l.Dir)
		}
	}
	return strings.Join(dirs, ":")
}

// containerLayers is GraphDriver.Data of a container.
func (c *call) containerLayers(f record.Found) map[string]string {
	return map[string]string{
		"ID": f.ID, "LowerDir": c.layerPaths(f.Layers), "UpperDir": filepath.Join(f.Dir, "upper"),
		"WorkDir": filepath.Join(f.Dir, "work"), "MergedDir": filepath.Join(f.Dir, "merged"),
	}
}

// imageLayers is GraphDriver.Data of an image: its last layer stands alone, as the one it adds.
func imageLayers(img storage.Image) map[string]string {
	data := map[string]string{}
	var dirs []string
	for _, l := range slices.Backward(img.Layers) {
		dirs = append(dirs, l.Dir)
	}
	if len(dirs) > 0 {
		data["UpperDir"] = dirs[0]
	}
	if len(dirs) > 1 {
		data["LowerDir"] = strings.Join(dirs[1:], ":")
	}
	return data
}
