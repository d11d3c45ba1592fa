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
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/storage"
)

var runVerb = verb{
	name: "run", also: []string{"container run"},
	short: "Run a command in a new container",
	usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	example: `dhow run --rm -it debian bash
dhow run -d --name web -p 8080:80 nginx
dhow run --rm -v "$PWD:/src" -w /src golang go test ./...
echo data | dhow run -i --rm alpine wc -c`,
	detail: `Exit status: the command's own; 128 and the signal's number when a signal ended it; 127 when the
command is not found, 126 when it can not be invoked, 125 when dhow failed.

A published port is open on every address of the host unless one is named, as in -p 127.0.0.1:8080:80.
The container sees its clients' own addresses, and clients of the host's loopback device as the gateway.
The host itself is host.docker.internal; what listens on its loopback device alone is out of reach.

--privileged takes away what dhow itself restricts. It gives no right the caller has not got: a user's container
stays a user's.

--userns keep-id runs the command as the caller, who has the same number inside (or that of uid= and gid=): files of
bind mounts are the caller's on both sides, and the image's files are their owners' of the image. Named volumes show
other owners to containers without it. With subordinate ids the first use of an image makes an entry with other owners
for each of its files; "dhow system df" counts them, and they go with the image. Whose own number lies above those in
/etc/subuid takes another: --userns keep-id:uid=1000,gid=1000.

--restart is kept by the container's own monitor: after 100 ms, then twice as long each time up to a minute, and
from the beginning once it has run for ten seconds. stop, and kill with the stop signal or SIGKILL, end it. There is
no daemon: nothing starts again by itself after the machine does, or when the monitor was killed. What would have
been started is listed by a filter of ps, for a line of crontab or a unit of systemd:

  @reboot dhow ps -aq --filter should-start-on-boot=true | xargs -r dhow start`,
	later: laterRunFlags,
	min:   1, max: -1, stop: true, names: anImage,
	flags: runFlags,
	run:   runRun,
}

// laterRunFlags are docker's flags of run and create that are not there yet.
const laterRunFlags = `blkio-weight-device`

func runFlags() []cli.Flag {
	return slices.Concat(runLimitFlags(), moreRunFlags(), keepingFlags(), []cli.Flag{
		list("add-host", "", "`name:ip` Add a line to /etc/hosts"),
		list("cap-add", "", "Add a `capability`"),
		list("cap-drop", "", "Drop a `capability`, or ALL"),
		text("cidfile", "", "Write the container's id to a `file`"),
		yes("detach", "d", "Run in the background and print the container's id"),
		text("detach-keys", "", "`keys` Keys that leave the container running, ctrl-p,ctrl-q"),
		list("dns", "", "Ask this `address` for names instead of the host's resolvers"),
		also(list("dns-option", "", "Set a resolver `option`"), "dns-opt"),
		list("dns-search", "", "Set a search `domain`"),
		text("domainname", "", "`name` NIS domain name"),
		text("entrypoint", "", "Run this `program` instead of the image's entrypoint"),
		list("env", "e", "`NAME=value` Set a variable; NAME alone takes it from the environment"),
		list("env-file", "", "Read variables from a `file`"),
		list("expose", "", "Make a `port` known, as EXPOSE of an image does: 80, 53/udp, 8000-8010"),
		list("group-add", "", "Join one more `group`; keep-groups keeps the caller's"),
		text("hostname", "h", "`name` Host name"),
		yes("init", "", "Run an init that passes signals on and reaps processes"),
		yes("interactive", "i", "Keep stdin open"),
		list("label", "l", "`key=value` Set metadata"),
		list("label-file", "", "Read labels from a `file`"),
		text("log-driver", "", "`driver` How the output is kept: json-file (the default) or none"),
		list("log-opt", "", "`key=value` Bound the log: max-size=10m, max-file=3"),
		list("mount", "", "`key=value,…` Mount something: type=bind|volume|tmpfs|image,src=…,dst=…[,ro]"),
		text("name", "", "`name` Name of the container"),
		also(text("network", "", "`mode` Network: bridge (a private one, the default), none, host or container:NAME"), "net"),
		text("platform", "", "`os/arch[/variant]` Platform of the image"),
		textOr("pull", "", "missing", "`policy` Pull the image before: always, missing, newer or never"),
		list("publish", "p", "`[ip:][host:]port` Open a port of the host that leads to one of the container; 53/udp for UDP"),
		yes("publish-all", "P", "Publish every exposed port to a free one of the host"),
		yes("quiet", "q", "Show no progress of a pull"),
		yes("read-only", "", "Mount the root filesystem read-only"),
		yes("rm", "", "Remove the container when it ends"),
		list("security-opt", "", "Security `option`: no-new-privileges, seccomp=unconfined|FILE, mask=PATH, unmask=PATH|ALL, systempaths=unconfined, proc-opts=OPTIONS"),
		text("shm-size", "", "`size` Size of /dev/shm"),
		&cli.BoolFlag{Name: "sig-proxy", Value: true, Usage: "Pass signals on to the container"},
		text("stop-signal", "", "`signal` Signal that stops the container"),
		text("stop-timeout", "", "`seconds` Time between the stop signal and the kill"),
		list("sysctl", "", "`name=value` Set a kernel parameter"),
		list("tmpfs", "", "`path[:options]` Mount a tmpfs"),
		yes("tty", "t", "Give the container a terminal"),
		list("ulimit", "", "`name=soft[:hard]` Set a limit"),
		text("user", "u", "`user[:group]` Run as this user, by name or number"),
		list("volume", "v", "`source:path[:options]` Mount a directory or volume: ro, nocopy, O (changes are thrown away), U (its owner becomes the user)"),
		text("volume-driver", "", "`driver` Driver of new volumes: local"),
		list("volumes-from", "", "`container[:ro]` Mount the volumes and directories of a container too"),
		text("workdir", "w", "Working `directory`"),
	})
}

func runRun(c *call) error {
	status, id := 0, ""
	err := c.withImage(func(o run.Options) (err error) {
		if o.Detached {
			id, err = run.Detach(c.cancellable(), o)
			return err
		}
		if err := attachOnly(&o); err != nil {
			return err
		}
		if feeds(o) {
			return c.feed(o)
		}
		o.Interruptible = func() (context.Context, func()) { return c.cancellable(), c.release }
		if o.Terminal && (ui.Terminal(os.Stdin) || ui.Terminal(c.out)) || o.Joins() || o.Outlives() {
			status, err = c.runOnTerminal(o)
			return err
		}
		status, err = run.Run(context.Background(), o)
		return err
	})
	if errors.Is(err, monitor.ErrDetached) {
		fmt.Fprintln(c.err, monitor.ErrDetached)
		return nil
	}
	if err != nil {
		return err
	}
	if id != "" {
		_, err := fmt.Fprintln(c.out, id)
		return err
	}
	if status != 0 {
		return explain.Silent(status)
	}
	return nil
}

// runOnTerminal runs a container that the person can leave and come back to.
func (c *call) runOnTerminal(o run.Options) (int, error) {
	keys, err := monitor.ParseKeys(c.detachKeys())
	if err != nil {
		return 125, err
	}
	proxy := c.Bool("sig-proxy")
	who := monitor.Caller{Out: o.Stdout, Err: o.Stderr, Keys: keys, SigProxy: proxy, SigProxyTerminal: proxy}
	if o.Interactive {
		who.In = o.Stdin
	}
	return run.RunAttached(context.Background(), o, who)
}

// withImage calls do with the options of the flags, and once more when the image had to be pulled.
func (c *call) withImage(do func(run.Options) error) error {
	o, policy, err := c.runOptions()
	if err != nil {
		return err
	}
	p, err := c.here()
	if err != nil {
		return explain.Tool(err)
	}
	if o.Store, err = c.store(); err != nil {
		return explain.Tool(err)
	}
	o.Dir, o.Mapping, o.Warn, o.Tell = p.store, p.mapping, c.warn, c.say
	if err := c.replaced(o); err != nil {
		return explain.Tool(err)
	}
	// The image is asked for only when it is missing: what is there starts without a second look.
	o.Pull = string(storage.PullNever)
	if policy == storage.PullAlways {
		if err := c.pullFor(o, true); err != nil && !c.makesDo(o) {
			return explain.Tool(err)
		}
	}
	err = do(o)
	if errors.Is(err, storage.ErrNotFound) && policy == storage.PullMissing {
		if err := c.pullFor(o, false); err != nil {
			return explain.Tool(err)
		}
		err = do(o)
	}
	if storage.OtherPlatform(err) {
		return &explain.Error{Text: err.Error(), Status: 125}
	}
	if errors.Is(err, storage.ErrNotFound) {
		return &explain.Error{Text: "No such image: " + o.Image, Status: 125}
	}
	return explain.Tool(err)
}

// pullFor brings the image of a run, with docker's words on stderr.
func (c *call) pullFor(o run.Options, asked bool) error {
	ref, err := parseReference(o.Image)
	if err != nil {
		return err
	}
	quiet := c.Bool("quiet")
	if !asked && !quiet {
		fmt.Fprintf(c.err, "Unable to find image '%s' locally\n", ref.familiar())
	}
	if !quiet {
		fmt.Fprintf(c.err, "%s: Pulling from %s\n", ref.tagOrDigest(), ref.path)
	}
	before, _ := o.Store.Lookup(o.Image)
	d := ui.NewTransfer(ui.Pulling, c.err, quiet)
	img, err := o.Store.Pull(c.cancellable(), o.Image, storage.PullOptions{Platform: o.Platform, Policy: storage.PullAlways, Progress: d.Event})
	d.Close()
	if err != nil {
		return err
	}
	c.release()
	if !quiet {
		fmt.Fprintln(c.err, "Digest:", digestFor(img, ref))
		fmt.Fprintln(c.err, "Status:", pullStatus(before, img), ref.familiar())
	}
	return nil
}

func (c *call) runOptions() (run.Options, storage.PullPolicy, error) {
	args := c.Args().Slice()
	o := run.Options{
		Image: args[0], Args: args[1:],
		Name: c.text("name"), Remove: c.Bool("rm"), Interactive: c.Bool("interactive"), Terminal: c.Bool("tty"), CIDFile: c.text("cidfile"),
		Env: c.list("env"), Proxies: c.proxies(nil), EnvFiles: c.list("env-file"), WorkingDir: c.text("workdir"), User: c.text("user"), GroupAdd: c.list("group-add"),
		Entrypoint: c.text("entrypoint"), EntrypointSet: c.IsSet("entrypoint"), Hostname: c.text("hostname"), Domainname: c.text("domainname"),
		Labels: c.list("label"), LabelFiles: c.list("label-file"),
		Volumes: c.list("volume"), VolumesFrom: c.list("volumes-from"), VolumeDriver: c.text("volume-driver"), Mounts: c.list("mount"), Tmpfs: c.list("tmpfs"), ReadOnly: c.Bool("read-only"), ShmSize: c.text("shm-size"),
		CapAdd: c.list("cap-add"), CapDrop: c.list("cap-drop"), SecurityOpt: c.list("security-opt"), Init: c.Bool("init"),
		Ulimits: c.list("ulimit"), Sysctls: c.list("sysctl"), StopSignal: c.text("stop-signal"),
		Limits: c.limits(), CgroupParent: c.text("cgroup-parent"), CgroupNS: c.text("cgroupns"), OOMScoreAdj: c.text("oom-score-adj"),
		Network: c.text("network"), AddHosts: c.list("add-host"), DNS: c.list("dns"), DNSSearch: c.list("dns-search"), DNSOptions: c.list("dns-option"),
		Publish: c.list("publish"), PublishAll: c.Bool("publish-all"), Expose: c.list("expose"),
		LogDriver: c.text("log-driver"), LogOptions: c.list("log-opt"), Detached: c.Bool("detach"),
		NoSigProxy: !c.Bool("sig-proxy"), Stdin: os.Stdin, Stdout: c.out, Stderr: c.err,
	}
	policy := storage.PullPolicy(c.text("pull"))
	switch policy {
	case storage.PullAlways, storage.PullMissing, storage.PullNever:
	case "true", "newer": // newer makes do with what is there when there is nothing to be had
		policy = storage.PullAlways
	default:
		return o, "", explain.Usage(fmt.Errorf("invalid pull option: %q: must be one of \"always\", \"missing\" or \"never\"", policy))
	}
	if err := c.noOldLimits(); err != nil {
		return o, "", err
	}
	err := errors.Join(c.moreRunOptions(&o), c.keeping(&o))
	if err != nil {
		return o, "", err
	}
	if o.StopTimeout, err = c.seconds("stop-timeout"); err != nil {
		return o, "", err
	}
	if o.Platform, err = platform(c.text("platform")); err != nil {
		return o, "", err
	}
	if strings.TrimSpace(o.Image) == "" {
		return o, "", explain.Usage(errors.New("invalid reference format: the image's name is empty"))
	}
	if c.verb.name == "run" && !o.Detached && o.Terminal && o.Interactive && !ui.Terminal(os.Stdin) {
		return o, "", &explain.Error{Text: "the input device is not a TTY", Hint: "leave out -t", Status: 1}
	}
	return o, policy, nil
}
