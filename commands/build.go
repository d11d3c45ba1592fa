package commands

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/build"
	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/dockerfile"
	"github.com/dhow-containers/dhow/run/event"
	"github.com/dhow-containers/dhow/run/network"
	"github.com/dhow-containers/dhow/storage"
)

var buildVerb = verb{
	name: "build", also: []string{"image build", "builder build", "buildx build", "buildx b", "bud"},
	short: "Build an image from a Dockerfile",
	usage: "[OPTIONS] PATH|-",
	example: `dhow build -t app .
dhow build -t app --target test --build-arg VERSION=1.2 --secret id=token,env=TOKEN .
tar c . | dhow build -t app -`,
	detail: `PATH is the context directory; "-" reads a tar (plain or compressed) or a Dockerfile from stdin.
The Dockerfile is PATH/Containerfile or PATH/Dockerfile unless -f says otherwise; .dockerignore,
.containerignore and FILE.dockerignore are read.`,
	later: `allow annotation attest builder cache-from cache-to call cgroup-parent check compress cpu-period cpu-quota
c/cpu-shares cpuset-cpus cpuset-mems D/debug disable-content-trust isolation m/memory memory-swap metadata-file no-cache-filter
o/output policy push resource security-opt shm-size squash ssh ulimit`,
	min: 1, max: 1, names: aFile,
	flags: func() []cli.Flag {
		return []cli.Flag{
			list("add-host", "", "`name:ip` Add a line to /etc/hosts of RUN steps"),
			list("build-arg", "", "`NAME=value` Set an ARG; NAME alone takes it from the environment"),
			list("build-context", "", "`name=context` Name one more context, a directory or docker-image://REF"),
			text("file", "f", "`path` The Dockerfile; \"-\" is stdin"),
			hidden(yes("force-rm", "", "Always remove containers of steps; always so")),
			text("iidfile", "", "Write the image's id to a `file`"),
			list("label", "", "`key=value` Set a label"),
			yes("load", "", "Keep the result in the store, as always"),
			text("network", "", "`mode` Network of RUN steps: default, none or host"),
			yes("no-cache", "", "Carry out every step again"),
			text("platform", "", "`os/arch[/variant]` Platform to build for"),
			text("progress", "", "`mode` How to show progress: auto, plain, tty, rawjson or quiet (BUILDKIT_PROGRESS)"),
			attestation("provenance"),
			perhaps("pull", "", "`policy` Ask the registry for newer base images; =never asks for none"),
			yes("quiet", "q", "Print nothing but the image's id"),
			hidden(yes("rm", "", "Remove containers of steps; always so")),
			attestation("sbom"),
			list("secret", "", "`id=name,src=file` Give a secret to RUN steps; or id=name,env=variable"),
			list("tag", "t", "`name[:tag]` Name the result"),
			text("target", "", "Build this `stage`"),
		}
	},
	run: runBuild,
}

// attestation is a flag that CI jobs give to say that they want none, which is what they get.
func attestation(name string) cli.Flag {
	return hidden(text(name, "", "`false` Make no "+name+" attestation, as always"))
}

func runBuild(c *call) error {
	o, mode, err := c.buildOptions()
	if err != nil {
		return err
	}
	display, err := ui.NewBuildDisplay(mode, c.err)
	if err != nil {
		return explain.Usage(err)
	}
	defer display.Close(false)
	p, err := c.here()
	if err != nil {
		return err
	}
	if o.Store, err = c.store(); err != nil {
		return err
	}
	stdin, err := c.stdin()
	if err != nil {
		return err
	}
	o.Dir, o.Mapping, o.Progress, o.Stdin = p.store, p.mapping, display.Event, stdin
	result, err := build.Build(c.cancellable(), o)
	display.Close(err != nil && c.signalled() == 0)
	if err != nil {
		return c.buildError(err)
	}
	if result.ImageID != "" {
		c.tellOf(event.ImageType, "build", "sha256:"+result.ImageID, "name", strings.Join(c.list("tag"), ","))
	}
	if c.Bool("quiet") {
		_, err = fmt.Fprintln(c.out, "sha256:"+result.ImageID)
	}
	return err
}

// buildError prints the lines of the Dockerfile the error stands in, and gives it its place when it
// does not name it itself.
func (c *call) buildError(err error) error {
	if c.signalled() != 0 {
		return err
	}
	var located *dockerfile.Error
	if errors.As(err, &located) {
		fmt.Fprint(c.err, ui.EscapeLines(located.Excerpt()))
		return err
	}
	var step *build.StepError
	if errors.As(err, &step) && step.File != "" && step.Span.Start > 0 {
		if place := fmt.Sprintf("%s:%d", step.File, step.Span.Start); !strings.Contains(err.Error(), place) {
			return fmt.Errorf("%s: %w", place, err)
		}
	}
	return err
}

// buildOptions reads what the flags say; mode is the progress display.
func (c *call) buildOptions() (o build.Options, mode string, err error) {
	o = build.Options{
		Context: c.Args().First(), Dockerfile: c.text("file"), Target: c.text("target"), Network: c.text("network"),
		AddHosts: c.list("add-host"), NoCache: c.Bool("no-cache"), Pull: storage.PullMissing, Tags: c.list("tag"), IIDFile: c.text("iidfile"),
	}
	for _, name := range []string{"provenance", "sbom"} {
		if on, err := strconv.ParseBool(c.text(name)); c.IsSet(name) && (err != nil || on) {
			return o, "", explain.Usage(fmt.Errorf("--%s %q: attestations are not supported yet, only false is", name, c.text(name)))
		}
	}
	if err := (network.Config{Hosts: o.AddHosts}).Validate(); err != nil {
		return o, "", explain.Usage(err)
	}
	if remote(o.Context) {
		return o, "", &explain.Error{Text: fmt.Sprintf("remote contexts are not supported yet: %q", o.Context), Status: 1}
	}
	if o.Context == "-" && o.Dockerfile == "-" {
		return o, "", &explain.Error{Text: "stdin can not be both the context and the Dockerfile", Status: 1}
	}
	args := c.list("build-arg")
	if o.BuildArgs, err = pairs("build-arg", append(c.proxies(args), args...), true); err != nil {
		return o, "", explain.Usage(err)
	}
	if o.Labels, err = pairs("label", c.list("label"), false); err != nil {
		return o, "", explain.Usage(err)
	}
	if o.Secrets, err = secrets(c.list("secret")); err != nil {
		return o, "", err
	}
	if o.Contexts, err = buildContexts(c.list("build-context")); err != nil {
		return o, "", err
	}
	if o.Platform, err = platform(c.text("platform")); err != nil {
		return o, "", err
	}
	if err := validTags(o.Tags); err != nil {
		return o, "", err
	}
	switch o.Network {
	case "", "default", "none", "host":
	default:
		return o, "", explain.Usage(fmt.Errorf("--network %q: a build has default, none and host", o.Network))
	}
	if policy, given := c.perhaps("pull"); given {
		switch policy {
		case "", "true", "always", "newer":
			o.Pull = storage.PullAlways
		case "false", "missing":
		case "never":
			o.Pull = storage.PullNever
		default:
			return o, "", explain.Usage(fmt.Errorf("--pull=%s: want always, missing or never", policy))
		}
	}
	if o.Epoch, err = epoch(o.BuildArgs); err != nil {
		return o, "", err
	}
	mode = c.text("progress")
	if mode == "" {
		mode = os.Getenv("BUILDKIT_PROGRESS")
	}
	if c.Bool("quiet") {
		mode = "quiet"
	}
	return o, mode, nil
}

// remote reports whether a context is a place elsewhere (BuildKit's and docker's rule); a directory
// that has such a name goes first.
func remote(context string) bool {
	if _, err := os.Stat(context); err == nil {
		return false
	}
	for _, p := range []string{"http://", "https://", "git://", "git@", "ssh://", "github.com/"} {
		if strings.HasPrefix(context, p) {
			return true
		}
	}
	return false
}

// platform checks a single platform; DOCKER_DEFAULT_PLATFORM stands in for a flag that was not
// given.
func platform(flag string) (string, error) {
	if flag == "" {
		flag = os.Getenv("DOCKER_DEFAULT_PLATFORM")
	}
	if strings.Contains(flag, ",") {
		return "", &explain.Error{Text: fmt.Sprintf("--platform %q: several platforms are not supported yet", flag), Status: 125}
	}
	return flag, nil
}

func validTags(tags []string) error {
	for _, t := range tags {
		r, err := parseReference(t)
		if err != nil {
			return fmt.Errorf("invalid tag %q: %w", t, errors.Unwrap(err))
		}
		if r.digest != "" {
			return fmt.Errorf("invalid tag %q: it has a digest", t)
		}
	}
	return nil
}

// epoch reads SOURCE_DATE_EPOCH of the build arguments or else of the environment, which then
// becomes an argument, as with buildx.
func epoch(args map[string]string) (*time.Time, error) {
	value, ok := args["SOURCE_DATE_EPOCH"]
	if !ok {
		if value = os.Getenv("SOURCE_DATE_EPOCH"); value != "" {
			args["SOURCE_DATE_EPOCH"] = value
		}
	}
	if value == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH=%q: not a number of seconds", value)
	}
	t := time.Unix(seconds, 0).UTC()
	return &t, nil
}
