package commands

import (
	"strings"

	"github.com/dhow-containers/dhow/run"
	"github.com/dhow-containers/dhow/run/record"
)

// listFormat gives the format of a list: --format, or what config.json has for this list unless only
// ids are wanted. "raw" is the format of that name, one "key: value" a line.
func (c *call) listFormat(configured, raw string) string {
	format := c.text("format")
	if format == "" && !c.Bool("quiet") {
		format = configured
	}
	if format == "raw" {
		return raw
	}
	return format
}

// listTime is how lists show a time that is asked for as such.
const listTime = "2006-01-02 15:04:05 -0700 MST"

// containerIP is one address of a container and the network it belongs to.
type containerIP struct {
	Network string `json:",omitempty"`
	IP      string
}

func (a containerIP) String() string { return a.Network + "/" + a.IP }

// addressesOf gives the addresses of a container that runs, by network.
func addressesOf(f record.Found) []containerIP {
	out := []containerIP{}
	own, _ := run.Addresses(f)
	for _, a := range own {
		out = append(out, containerIP{networkName(f.Network), a.Addr().String()})
	}
	return out
}

// platformOf gives a container's platform, "linux/amd64"; empty when its image is gone.
func (c *call) platformOf(f record.Found) string {
	img, err := c.image(f.ImageID)
	if err != nil || img.Config.OS == "" {
		return ""
	}
	p := img.Config.OS + "/" + img.Config.Architecture
	if img.Config.Variant != "" {
		p += "/" + img.Config.Variant
	}
	return p
}

// healthIn finds the health in a container's status, "Up 2 hours (healthy)", as docker's ps does; empty
// when there is none.
func healthIn(status string) string {
	_, words, _ := strings.Cut(status, "(")
	words = strings.TrimPrefix(strings.TrimSuffix(words, ")"), "health: ")
	if contains([]string{"starting", "healthy", "unhealthy"}, words) {
		return words
	}
	return ""
}
