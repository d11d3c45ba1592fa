package commands

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage/registry"
)

var loginVerb = verb{
	name:  "login",
	short: "Keep an account of a registry",
	usage: "[OPTIONS] [SERVER]",
	example: `dhow login
echo "$TOKEN" | dhow login -u ci --password-stdin registry.example.com/team`,
	detail: `SERVER is HOST[:PORT], docker.io when it is left out; with a path behind it the account is
used for what is below that path only. The account is kept by the credential helper that docker's
config.json configures, else in that file or the one REGISTRY_AUTH_FILE names.`,
	max: 1,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("password", "p", "`password` or token; seen by everybody who lists processes"),
			yes("password-stdin", "", "Read the password from stdin"),
			text("username", "u", "`name` of the user"),
		}
	},
	run: runLogin,
}

// maxPasswordBytes bounds what is read as a password; registries' tokens have some kilobytes.
const maxPasswordBytes = 64 << 10

func runLogin(c *call) error {
	username, password := c.text("username"), c.text("password")
	switch {
	case c.Bool("password-stdin") && c.IsSet("password"):
		return &explain.Error{Text: "conflicting options: cannot specify both --password and --password-stdin", Status: 1}
	case c.Bool("password-stdin") && username == "":
		return &explain.Error{Text: "the --password-stdin option requires --username to be set", Status: 1}
	case c.IsSet("password"):
		fmt.Fprintln(c.err, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
	case c.Bool("password-stdin"):
		data, err := io.ReadAll(io.LimitReader(os.Stdin, maxPasswordBytes+1))
		if err != nil {
			return fmt.Errorf("reading the password: %w", err)
		}
		if len(data) > maxPasswordBytes {
			return fmt.Errorf("the password is longer than %d bytes", maxPasswordBytes)
		}
		password = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		if password == "" {
			return &explain.Error{Text: "the password is empty: stdin has none", Status: 1}
		}
	}
	key, err := registry.ServerKey(c.Args().First())
	if err != nil {
		return explain.Usage(err)
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	set, err := s.Registry()
	if err != nil {
		return err
	}
	if set.DockerAuth != "" {
		c.warn("the environment variable DOCKER_AUTH_CONFIG is set: its accounts go before the ones that are kept")
	}
	ctx := c.cancellable()
	if username == "" && password == "" {
		if user, secret, err := set.Account(key); err == nil && user != "" {
			fmt.Fprintf(c.err, "Authenticating with existing credentials... [Username: %s]\n", ui.Escape(user))
			if err = set.Check(ctx, key, user, secret); err == nil {
				_, err = fmt.Fprintln(c.out, "Login Succeeded")
				return err
			}
			if !errors.Is(err, registry.ErrCredentials) {
				return err
			}
			fmt.Fprintln(c.err, "Login did not succeed, error: "+ui.Escape(err.Error()))
		}
	}
	if username == "" || password == "" {
		if !ui.Terminal(os.Stdin) {
			return &explain.Error{Text: "cannot perform an interactive login from a non TTY device", Hint: "use -u NAME --password-stdin", Status: 1}
		}
		if username == "" {
			if username, err = ui.Ask(ctx, c.err, "Username: ", false); err != nil {
				return err
			}
		}
		if password == "" && username != "" {
			if password, err = ui.Ask(ctx, c.err, "Password: ", true); err != nil {
				return err
			}
		}
		if username == "" || password == "" {
			return &explain.Error{Text: "username and password are both required", Status: 1}
		}
	}
	kept, err := set.Login(ctx, key, username, password)
	if errors.Is(err, registry.ErrCredentials) {
		return &explain.Error{Text: err.Error(), Hint: "for many registries the password is a token made on their web page", Status: 1}
	}
	if err != nil {
		return err
	}
	if kept.File != "" {
		fmt.Fprintf(c.err, "\nWARNING! Your credentials are stored unencrypted in '%s'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n", ui.Escape(kept.File))
	}
	_, err = fmt.Fprintln(c.out, "Login Succeeded")
	return err
}

var logoutVerb = verb{
	name:    "logout",
	short:   "Forget an account of a registry",
	usage:   "[SERVER]",
	example: `dhow logout registry.example.com`,
	detail:  "SERVER is what login was given, docker.io when it is left out.",
	max:     1,
	run: func(c *call) error {
		key, err := registry.ServerKey(c.Args().First())
		if err != nil {
			return explain.Usage(err)
		}
		s, err := c.store()
		if err != nil {
			return err
		}
		set, err := s.Registry()
		if err != nil {
			return err
		}
		kept, err := set.Logout(key)
		if err != nil {
			return err
		}
		if len(kept) == 0 {
			_, err = fmt.Fprintf(c.out, "Not logged in to %s\n", key)
			return err
		}
		name := key
		if key == "docker.io" {
			name = "https://index.docker.io/v1/"
		}
		_, err = fmt.Fprintf(c.out, "Removing login credentials for %s\n", name)
		return err
	},
}
