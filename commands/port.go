package commands

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/run/network/port"
)

var portVerb = verb{
	name: "port", also: []string{"container port"},
	short: "Show the published ports of a container",
	usage: "CONTAINER [PORT[/PROTO]]",
	example: `dhow port web
dhow port web 80/tcp`,
	min: 1, max: 2, names: aContainer,
	run: func(c *call) error {
		f, err := c.container(c.Args().First())
		if err != nil {
			return err
		}
		table := port.Table(f.State.Ports)
		wanted := c.Args().Get(1)
		if wanted != "" && !strings.Contains(wanted, "/") {
			wanted += "/tcp"
		}
		keys := make([]string, 0, len(table))
		for k := range table {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b string) int {
			var x, y int
			_, _ = fmt.Sscanf(a, "%d/", &x)
			_, _ = fmt.Sscanf(b, "%d/", &y)
			if x != y {
				return x - y
			}
			return strings.Compare(a, b)
		})
		found := false
		for _, k := range keys {
			if wanted != "" && k != wanted {
				continue
			}
			for _, b := range table[k] {
				found = true
				ip := b.HostIp
				if strings.Contains(ip, ":") {
					ip = "[" + ip + "]"
				}
				line := fmt.Sprintf("%s:%s\n", ip, b.HostPort)
				if wanted == "" {
					line = k + " -> " + line
				}
				if _, err := io.WriteString(c.out, line); err != nil {
					return err
				}
			}
		}
		if wanted != "" && !found {
			return &explain.Error{Text: fmt.Sprintf("no public port '%s' published for %s", wanted, c.Args().First()), Status: 1}
		}
		return nil
	},
}
