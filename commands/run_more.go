package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
)

// moreRunFlags are the flags of run and create about namespaces, devices and rights, and those that
// podman's users know.
func moreRunFlags() []cli.Flag {
	return append([]cli.Flag{
		list("annotation", "", "`key=value` Add an annotation to the runtime's specification"),
		list("attach", "a", "`stream` Connect only to this one: stdin, stdout, stderr"),
		list("device", "", "`device[:path]` Give a device of the host, or a directory of them, that the caller may open"),
		yes("env-host", "", "Pass all of the caller's variables on"),
		&cli.BoolFlag{Name: "http-proxy", Value: true, Usage: "Pass the proxies of the configuration on"},
		text("ipc", "", "`mode` Shared memory and queues: private, shareable, none, host or container:NAME"),
		yes("no-hosts", "", "Leave the image's /etc/hosts"),
		text("pid", "", "`mode` Processes: private, host or container:NAME"),
		yes("privileged", "", "Give all capabilities, all devices the caller may open, and hide nothing"),
		yes("replace", "", "Remove a container that has the name before"),
		hidden(text("systemd", "", "false")),
		number("timeout", "", 0, "`seconds` Kill the container when it has run this long"),
		text("umask", "", "`octal` The umask of the container's process"),
		list("unsetenv", "", "Take a `variable` of the image away"),
		text("userns", "", "`mode` User namespace: host (the default), or keep-id[:uid=N,gid=N] to see the caller's own ids"),
		text("uts", "", "`mode` Host name: private or host"),
	}, refusedFlags()...)
}

// refusedRunFlags are docker's flags that can not work here, and why. Values in accept mean what is so
// anyway.
var refusedRunFlags = []struct {
	name   string
	why    string
	accept []string
}{
	{"cpu-count", "it is only supported on Windows", nil},
	{"cpu-percent", "it is only supported on Windows", nil},
	{"device-cgroup-rule", "devices are given as nodes, not by number: use --device", nil},
	{"gpus", "device requests need CDI specifications, which are not supported: give the nodes, as in --device /dev/dri", nil},
	{"io-maxbandwidth", "it is only supported on Windows", nil},
	{"io-maxiops", "it is only supported on Windows", nil},
	{"ip", "user specified IP address is supported on user defined networks only", nil},
	{"ip6", "user specified IP address is supported on user defined networks only", nil},
	{"isolation", "on Linux there is only default", []string{"", "default"}},
	{"link", "a private network holds one container: join that one's with --network container:NAME, or publish a port", nil},
	{"link-local-ip", "user specified IP address is supported on user defined networks only", nil},
	{"mac-address", "the private network carries IP packets and has no such address", nil},
	{"network-alias", "network-scoped aliases are only supported for user-defined networks", nil},
	{"runtime", "containers are started by dhow itself", nil},
	{"storage-opt", "--storage-opt is supported only for overlay over xfs with 'pquota' mount option", nil},
}

// refusedFlags are their definitions, shown nowhere.
func refusedFlags() []cli.Flag {
	out := []cli.Flag{
		hidden(&cli.BoolFlag{Name: "disable-content-trust", Value: true}),
		hidden(yes("use-api-socket", "", "")),
	}
	for _, r := range refusedRunFlags {
		f := text(r.name, "", "")
		if r.name == "network-alias" {
			f = also(f, "net-alias")
		}
		out = append(out, hidden(f))
	}
	return out
}

// refuse tells of a flag that can not work.
func (c *call) refuseRunFlags() error {
	no := func(name, why string) error {
		return &explain.Error{Text: fmt.Sprintf("--%s: %s", name, strings.TrimPrefix(why, "--"+name+" ")), Status: 125}
	}
	for _, r := range refusedRunFlags {
		if c.IsSet(r.name) && !slices.Contains(r.accept, c.text(r.name)) {
			return no(r.name, r.why)
		}
	}
	if !c.Bool("disable-content-trust") {
		return no("disable-content-trust=false", "Notary's signatures are not checked: policy.json says what is trusted")
	}
	if c.Bool("use-api-socket") {
		return no("use-api-socket", "there is no daemon with a socket")
	}
	if s := c.text("systemd"); s != "" && s != "false" {
		return no("systemd="+s, "containers get nothing special for systemd: leave it out")
	}
	return nil
}

// moreRunOptions reads the flags of moreRunFlags.
func (c *call) moreRunOptions(o *run.Options) error {
	if err := c.refuseRunFlags(); err != nil {
		return err
	}
	o.Annotations, o.Devices, o.Privileged = c.list("annotation"), c.list("device"), c.Bool("privileged")
	o.IPC, o.PID, o.UTS, o.Userns = c.text("ipc"), c.text("pid"), c.text("uts"), c.text("userns")
	o.HostEnv, o.UnsetEnv, o.Umask, o.TimeoutSeconds, o.NoHosts = c.Bool("env-host"), c.list("unsetenv"), c.text("umask"), c.Int("timeout"), c.Bool("no-hosts")
	if !c.Bool("http-proxy") {
		o.Proxies = nil
	}
	for _, s := range c.list("attach") {
		s = strings.ToLower(s)
		if s != "stdin" && s != "stdout" && s != "stderr" {
			return explain.Usage(errors.New("valid streams are STDIN, STDOUT and STDERR"))
		}
		o.Attached = append(o.Attached, s)
	}
	if len(o.Attached) > 0 && o.Detached {
		return explain.Usage(errors.New("conflicting options: cannot specify both --attach and --detach"))
	}
	if c.Bool("replace") && o.Name == "" {
		return explain.Usage(errors.New("cannot replace container without --name being set"))
	}
	return nil
}

// attachOnly leaves out the streams that -a does not name.
func attachOnly(o *run.Options) error {
	if len(o.Attached) == 0 {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if !slices.Contains(o.Attached, "stdout") {
		o.Stdout = null
	}
	if !slices.Contains(o.Attached, "stderr") {
		o.Stderr = null
	}
	if !slices.Contains(o.Attached, "stdin") {
		o.Interactive, o.Stdin = false, null
	}
	return nil
}

// makesDo reports whether an image that could not be pulled is good as it is there: --pull newer.
func (c *call) makesDo(o run.Options) bool {
	if c.text("pull") != "newer" {
		return false
	}
	_, err := o.Store.Lookup(o.Image)
	return err == nil
}

// feeds reports whether the caller gives the container its input and goes, as -a stdin alone does.
func feeds(o run.Options) bool {
	return len(o.Attached) > 0 && !slices.Contains(o.Attached, "stdout") && !slices.Contains(o.Attached, "stderr")
}

// feed runs a container whose output goes to its log alone. As with docker its id is told at once, and the
// caller is done when its input is: the container goes on.
func (c *call) feed(o run.Options) error {
	id, err := run.Create(c.cancellable(), o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c.out, id); err != nil {
		return err
	}
	who := monitor.Caller{SigProxy: c.Bool("sig-proxy")}
	if o.Interactive {
		who.In = o.Stdin
	}
	return run.Feed(context.Background(), o, id, who)
}

// replaced removes the container that has the name of a new one, when that was asked for.
func (c *call) replaced(o run.Options) error {
	if !c.Bool("replace") {
		return nil
	}
	b, err := c.book()
	if err != nil {
		return err
	}
	f, err := b.Find(o.Name)
	if errors.Is(err, record.ErrNotFound) || err == nil && f.Name != o.Name {
		return nil
	}
	if err != nil {
		return err
	}
	return c.remove(f.ID, true)
}
