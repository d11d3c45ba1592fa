package run

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dhow-containers/dhow/rootless/idmap"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/run/record"
)

// readModes reads whose namespaces the container gets. Names of other containers become their ids.
func (o Options) readModes(w *wishes) error {
	if err := o.readPIDMode(w); err != nil {
		return err
	}
	if err := o.readIPCMode(w); err != nil {
		return err
	}
	switch o.UTS {
	case "", "private":
	case "host":
		if o.Hostname != "" || o.Domainname != "" {
			return errors.New("conflicting options: hostname and the UTS mode")
		}
		w.HostUTS = true
	default:
		return fmt.Errorf("invalid UTS mode: %s", o.UTS)
	}
	return o.readUserns(w)
}

func (o Options) readPIDMode(w *wishes) (err error) {
	switch other, ok := strings.CutPrefix(o.PID, "container:"); {
	case ok:
		f, err := o.donor(other)
		if err != nil {
			return err
		}
		if w.HostPID = f.Asked.PidMode == "host"; !w.HostPID {
			w.Join.PID = f.ID
		}
	case o.PID == "" || o.PID == "private":
	case o.PID == "host":
		w.HostPID = true
	default:
		err = fmt.Errorf("invalid PID mode: %s", o.PID)
	}
	return err
}

func (o Options) readIPCMode(w *wishes) (err error) {
	switch other, ok := strings.CutPrefix(o.IPC, "container:"); {
	case ok:
		f, err := o.donor(other)
		if err != nil {
			return err
		}
		if w.HostIPC = f.Asked.IpcMode == "host"; !w.HostIPC {
			w.Join.IPC = f.ID
		}
	case o.IPC == "" || o.IPC == "private":
	case o.IPC == "shareable":
		w.ShareIPC = true
	case o.IPC == "none":
		w.NoShm = true
	case o.IPC == "host":
		w.HostIPC = true
	default:
		err = fmt.Errorf("invalid IPC mode: %s", o.IPC)
	}
	if err == nil && o.ShmSize != "" && (w.HostIPC || w.NoShm || w.Join.IPC != "") {
		err = errors.New("conflicting options: --shm-size and the IPC mode: there is no shared memory of the container's own")
	}
	return err
}

// donor finds the container whose namespace is to be joined. One that has the host's has none to give:
// who joins it has the host's too.
func (o Options) donor(name string) (record.Found, error) {
	if name == "" {
		return record.Found{}, errors.New("a container's name is missing behind \"container:\"")
	}
	f, err := o.book().Find(name)
	return f, noSuch(err, name)
}

// joinNetwork reads --network container:NAME, with what it can not be combined with (moby:
// runconfig, validateNetContainerMode).
func (o Options) joinNetwork(w *wishes, other string) error {
	for _, c := range []struct {
		given bool
		what  string
	}{
		{o.Hostname != "", "hostname and the network mode"},
		{len(o.DNS)+len(o.DNSSearch)+len(o.DNSOptions) > 0, "dns and the network mode"},
		{len(o.AddHosts) > 0, "custom host-to-IP mapping and the network mode"},
		{len(o.Publish) > 0 || o.PublishAll, "port publishing and the container type network mode"},
		{len(o.Expose) > 0, "port exposing and the container type network mode"},
	} {
		if c.given {
			return errors.New("conflicting options: " + c.what)
		}
	}
	f, err := o.donor(other)
	if err != nil {
		return err
	}
	if f.Network == string(network.Host) {
		w.network.Mode, w.HostNetwork = network.Host, true
		return nil
	}
	w.network.Mode = network.None // no stack of its own
	w.Join.Network, w.Hostname = f.ID, f.Hostname
	return nil
}

// networkName is the network as the record has it.
func (w *wishes) networkName() string {
	if w.Join.Network != "" {
		return "container:" + w.Join.Network
	}
	return string(w.network.Mode)
}

// readUserns reads --userns: host is the namespace every container of dhow's lives in, keep-id shows the
// caller's own ids.
func (o Options) readUserns(w *wishes) error {
	kind, values, _ := strings.Cut(o.Userns, ":")
	switch kind {
	case "", "host", "private":
		if values == "" && kind != "private" {
			return nil
		}
	case "keep-id":
		return o.readKeepID(w, values)
	}
	return fmt.Errorf("invalid USER mode: %s: there are host and keep-id", o.Userns)
}

// keepGroups is podman's --group-add keep-groups: the caller's own supplementary groups, which open
// files and devices of the host.
const keepGroups = "keep-groups"

func (o Options) readGroups(w *wishes) error {
	if !slices.Contains(o.GroupAdd, keepGroups) {
		return nil
	}
	if len(o.GroupAdd) > 1 {
		return errors.New("the '--group-add keep-groups' option is not allowed with any other --group-add options")
	}
	w.GroupAdd = nil
	switch o.Mapping.Kind {
	case idmap.Subids:
		return curable{errors.New("--group-add keep-groups: the caller's groups have no number among the subordinate ids"),
			"DHOW_MAPPING=single keeps them, with images of its own"}
	case idmap.Root:
		groups, err := os.Getgroups()
		if err != nil {
			return fmt.Errorf("reading the caller's groups: %w", err)
		}
		for _, g := range groups {
			w.GroupAdd = append(w.GroupAdd, strconv.Itoa(g))
		}
	}
	return nil // a single-id map can not take them away
}
