package commands

import (
	"errors"
	"os"
	"path"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/monitor"
	"github.com/dhow-containers/dhow/run/record"
)

var execVerb = verb{
	name: "exec", also: []string{"container exec"},
	short: "Run a command in a running container",
	usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
	example: `dhow exec -it web sh
dhow exec db pg_dump -U postgres app > app.sql`,
	detail: `Exit status: the command's own; 127 when it is not found, 126 when it can not be invoked, 125 when dhow
failed, 1 when the container does not run.`,
	min: 2, max: -1, stop: true, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("detach", "d", "Do not wait for the command"),
			text("detach-keys", "", "`keys` Keys that leave the command running, ctrl-p,ctrl-q"),
			list("env", "e", "`NAME=value` Set a variable; NAME alone takes it from the environment"),
			list("env-file", "", "Read variables from a `file`"),
			yes("interactive", "i", "Keep stdin open"),
			yes("privileged", "", "Give the command all capabilities of the container's user namespace"),
			yes("tty", "t", "Give the command a terminal"),
			text("user", "u", "`user[:group]` Run as this user, by name or number"),
			text("workdir", "w", "Working `directory`"),
		}
	},
	run: runExec,
}

func runExec(c *call) error {
	args := c.Args().Slice()
	e := monitor.Exec{
		Args: args[1:], WorkingDir: c.text("workdir"), User: c.text("user"),
		Terminal: c.Bool("tty"), Privileged: c.Bool("privileged"), Detach: c.Bool("detach"),
	}
	if e.WorkingDir != "" && !path.IsAbs(e.WorkingDir) {
		return explain.Usage(errors.New("the working directory '" + e.WorkingDir + "' is invalid, it needs to be an absolute path"))
	}
	keys, err := monitor.ParseKeys(c.detachKeys())
	if err != nil {
		return explain.Usage(err)
	}
	if e.Env, err = run.Environment(c.list("env-file"), c.list("env")); err != nil {
		return explain.Usage(err)
	}
	f, err := c.container(args[0])
	if err != nil {
		return err
	}
	if err := notRestarting(f); err != nil {
		return err
	}
	if f.State.Status != record.Running {
		return &explain.Error{Text: "container " + f.ID + " is not running", Status: 1}
	}
	if err := notPaused(f, "Container %s is paused, unpause the container before exec"); err != nil {
		return err
	}
	who := monitor.Caller{Out: c.out, Err: c.err, Keys: keys}
	if c.Bool("interactive") && !e.Detach {
		if e.Terminal && !ui.Terminal(os.Stdin) {
			return &explain.Error{Text: "the input device is not a TTY", Hint: "leave out -t", Status: 1}
		}
		who.In = os.Stdin
	}
	status, err := monitor.Join(f.Dir, e, who)
	if errors.Is(err, monitor.ErrGone) {
		return &explain.Error{Text: "container " + f.ID + " is not running", Status: 1}
	}
	var refused *monitor.Refusal
	if errors.As(err, &refused) {
		return &explain.Error{Text: strings.TrimSpace(refused.Text), Status: refused.Code}
	}
	if err != nil && !errors.Is(err, monitor.ErrDetached) {
		return explain.Tool(err)
	}
	return c.attached(status, err)
}
