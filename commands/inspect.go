package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage/image"
)

var inspectVerb = verb{
	name:  "inspect",
	short: "Show all about containers, images or volumes",
	usage: "[OPTIONS] NAME|ID [NAME|ID...]",
	example: `dhow inspect app
dhow inspect --format '{{json .Config.Env}}' app`,
	min: 1, max: -1, names: anObject,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("format", "f", "Print with a Go `template` or \"json\""),
			yes("size", "s", "Show the sizes of containers"),
			text("type", "", "Look only for this `kind`: container, image or volume"),
		}
	},
	run: func(c *call) error {
		look := map[string]inspector{"": inspectAny, "container": inspectContainer, "image": inspectImage, "volume": inspectVolume}[c.text("type")]
		if look == nil {
			return &explain.Error{Text: fmt.Sprintf("%q is not a valid value for --type", c.text("type")), Hint: "container, image or volume", Status: 1}
		}
		return c.inspect(look)
	},
}

var imageInspectVerb = verb{
	name:    "image inspect",
	short:   "Show all about images",
	usage:   "[OPTIONS] IMAGE [IMAGE...]",
	example: `dhow image inspect --format '{{.Architecture}}' app`,
	min:     1, max: -1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("format", "f", "Print with a Go `template` or \"json\""),
			text("platform", "", "`os[/arch[/variant]]` Show this platform of an index"),
		}
	},
	run: func(c *call) error {
		return c.inspect(func(c *call, name string) (any, error) { return inspectPlatform(c, name, c.text("platform")) })
	},
}

var containerInspectVerb = verb{
	name:    "container inspect",
	short:   "Show all about containers",
	usage:   "[OPTIONS] CONTAINER [CONTAINER...]",
	example: `dhow container inspect --format '{{.State.ExitCode}}' web`,
	min:     1, max: -1, names: aContainer,
	flags: func() []cli.Flag {
		return []cli.Flag{
			text("format", "f", "Print with a Go `template` or \"json\""),
			yes("size", "s", "Show how much was written (SizeRw) and all sizes together (SizeRootFs)"),
		}
	},
	run: func(c *call) error { return c.inspect(inspectContainer) },
}

// inspector finds one object and gives its document.
type inspector func(c *call, name string) (any, error)

// inspect prints the documents of all operands: an array of JSON, or a template's result for each.
// What is missing is told on stderr; the rest is printed all the same.
func (c *call) inspect(look inspector) error {
	var tmpl *template.Template
	format := c.text("format")
	if format != "" && format != "json" {
		f, err := ui.Template(format)
		if err != nil {
			return &explain.Error{Text: err.Error(), Status: 64}
		}
		tmpl = f
	}
	var found []any
	var out bytes.Buffer
	failed := c.each(func(name string) error {
		doc, err := look(c, name)
		if err != nil {
			return err
		}
		if tmpl == nil {
			found = append(found, doc)
			return nil
		}
		text, err := ui.Execute(tmpl, doc)
		if err != nil {
			return err
		}
		out.WriteString(text + "\n")
		return nil
	})
	if tmpl == nil {
		text, err := ui.Documents(found, format == "json")
		if err != nil {
			return err
		}
		out.WriteString(text)
	} else if out.Len() == 0 {
		out.WriteByte('\n')
	}
	text := out.String()
	if c.terminal() {
		text = ui.EscapeLines(text)
	}
	_, err := io.WriteString(c.out, text)
	return errors.Join(failed, err)
}

// inspectAny looks for a container, then an image, then a volume.
func inspectAny(c *call, name string) (any, error) {
	for _, look := range []inspector{inspectContainer, inspectImage, inspectVolume} {
		doc, err := look(c, name)
		if err == nil {
			return doc, nil
		}
		var missing *explain.Error
		if !errors.As(err, &missing) {
			return nil, err
		}
	}
	return nil, &explain.Error{Text: "No such object: " + name, Status: 1}
}

// imageDocument is what inspect shows of an image, in docker's names.
type imageDocument struct {
	Id            string // docker's spelling, which templates use
	RepoTags      []string
	RepoDigests   []string
	Parent        string
	Comment       string
	Created       string
	DockerVersion string
	Author        string
	Config        image.ContainerConfig
	Architecture  string
	Variant       string `json:",omitempty"`
	Os            string
	OsVersion     string `json:",omitempty"`
	Size          int64
	GraphDriver   struct {
		Name string
		Data map[string]string
	}
	RootFS struct {
		Type   string
		Layers []string
	}
	Descriptor struct {
		MediaType string `json:"mediaType,omitempty"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
}

func inspectImage(c *call, name string) (any, error) { return inspectPlatform(c, name, "") }

func inspectPlatform(c *call, name, platform string) (any, error) {
	img, err := c.imageFor(name, platform)
	if err != nil {
		return nil, err
	}
	d := imageDocument{Id: "sha256:" + img.ID, RepoTags: []string{}, RepoDigests: []string{}, Author: img.Config.Author, Config: img.Config.Config,
		Architecture: img.Config.Architecture, Variant: img.Config.Variant, Os: img.Config.OS, OsVersion: img.Config.OSVersion, Size: img.Size}
	for _, n := range img.Names {
		if f := familiar(n); !strings.Contains(f, "@") {
			d.RepoTags = append(d.RepoTags, f)
		}
	}
	for _, n := range repoDigests(img) {
		d.RepoDigests = append(d.RepoDigests, familiar(n))
	}
	if !img.Created.IsZero() {
		d.Created = img.Created.UTC().Format(time.RFC3339Nano)
	}
	if h := img.Config.History; len(h) > 0 {
		d.Comment = h[len(h)-1].Comment
	}
	d.GraphDriver.Name, d.GraphDriver.Data = "overlay", imageLayers(img)
	d.RootFS.Type, d.RootFS.Layers = "layers", []string{}
	for _, l := range img.Config.RootFS.DiffIDs {
		d.RootFS.Layers = append(d.RootFS.Layers, l.String())
	}
	d.Descriptor.Digest, d.Descriptor.Size = img.Digest.String(), len(img.RawManifest)
	var m struct{ MediaType string }
	if json.Unmarshal(img.RawManifest, &m) == nil {
		d.Descriptor.MediaType = m.MediaType
	}
	return d, nil
}
