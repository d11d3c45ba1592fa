package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/explain"
	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
	"github.com/dhow-containers/dhow/storage/manifest"
)

var manifestInspectVerb = verb{
	name:  "manifest inspect",
	short: "Show the manifest or index of a list made here, or that a registry has",
	usage: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
	example: `dhow manifest inspect debian:bookworm
dhow manifest inspect --verbose debian:bookworm`,
	detail: "Nothing is pulled.",
	min:    1, max: 2, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("insecure", "", "Allow plain http and unverified certificates"),
			yes("verbose", "v", "Show the manifests an index names, with their descriptors"),
		}
	},
	run: runManifestInspect,
}

func runManifestInspect(c *call) error {
	s, err := c.store()
	if err != nil {
		return err
	}
	name := c.Args().First()
	l, err := s.List(name)
	switch {
	case err == nil:
		return c.inspectList(l)
	case !errors.Is(err, storage.ErrNoList) && c.Args().Len() > 1:
		return err
	case c.Args().Len() > 1:
		return &explain.Error{Text: "No such manifest: " + name, Status: 1}
	}
	insecure := c.Bool("insecure")
	if c.Bool("verbose") {
		entries, err := s.ListEntries(c.cancellable(), "docker://"+name, storage.SourceOptions{All: true, Insecure: insecure})
		if err != nil {
			return err
		}
		return c.verbose(entries)
	}
	raw, _, err := s.RemoteManifest(c.cancellable(), name, nil, insecure)
	if err != nil {
		return err
	}
	return c.indented(raw, name)
}

// inspectList shows a list made here as the index it is to be, or one image of it.
func (c *call) inspectList(l storage.List) error {
	if c.Args().Len() > 1 {
		ref := c.Args().Get(1)
		e := l.Entry(ref)
		if e == nil {
			return noEntry(ref, l.Name)
		}
		if c.Bool("verbose") {
			return c.verbose([]storage.ListEntry{*e})
		}
		return c.indented(e.Manifest, ref)
	}
	if c.Bool("verbose") {
		return c.verbose(l.Entries)
	}
	var entries []v1.Descriptor
	for _, e := range l.Entries {
		entries = append(entries, e.Descriptor)
	}
	raw, err := manifest.Index(entries, false, l.Annotations)
	if err != nil {
		return err
	}
	return c.indented(raw, l.Name)
}

// verboseManifest is what docker manifest inspect --verbose shows of an image.
type verboseManifest struct {
	Ref              string
	Descriptor       v1.Descriptor
	Raw              []byte          `json:",omitempty"`
	SchemaV2Manifest json.RawMessage `json:",omitempty"`
	OCIManifest      json.RawMessage `json:",omitempty"`
}

// verbose shows an object for one image, an array for several.
func (c *call) verbose(entries []storage.ListEntry) error {
	list := make([]verboseManifest, 0, len(entries))
	for _, e := range entries {
		v := verboseManifest{Ref: e.Ref, Descriptor: e.Descriptor, Raw: e.Manifest}
		if e.Descriptor.MediaType == v1.MediaTypeImageManifest {
			v.OCIManifest = e.Manifest
		} else {
			v.SchemaV2Manifest = e.Manifest
		}
		list = append(list, v)
	}
	var doc any = list
	if len(list) == 1 {
		doc = list[0]
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return c.indented(raw, c.Args().First())
}

func (c *call) indented(raw []byte, name string) error {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "   "); err != nil {
		return fmt.Errorf("the manifest of %s is not JSON: %w", name, err)
	}
	text := out.String()
	if c.terminal() {
		text = ui.EscapeLines(text)
	}
	_, err := fmt.Fprintln(c.out, text)
	return err
}

func noEntry(ref, list string) error {
	return &explain.Error{Text: fmt.Sprintf("manifest for image %s does not exist in %s", ref, familiar(list)), Status: 1}
}

// noList says in docker's words that a list is missing.
func noList(err error, name string) error {
	if errors.Is(err, storage.ErrNoList) {
		return &explain.Error{Text: "No such manifest: " + name, Status: 1}
	}
	return err
}

var manifestCreateVerb = verb{
	name:  "manifest create",
	short: "Make a list of images for several platforms, to be pushed",
	usage: "[OPTIONS] MANIFEST_LIST [MANIFEST...]",
	example: `dhow manifest create registry.example.com/app:1 registry.example.com/app:1-amd64 registry.example.com/app:1-arm64
dhow manifest push registry.example.com/app:1`,
	detail: `A MANIFEST is an image of the store or else one at a registry (docker://NAME asks the registry only).
The list is kept apart from the images.`,
	later: "tls-verify",
	min:   1, max: -1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "", "Take every image of an index"),
			yes("amend", "a", "Add to a list that is there"),
			list("annotation", "", "`key=value` Annotate the index"),
			yes("insecure", "", "Allow plain http and unverified certificates"),
		}
	},
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return err
		}
		annotations, err := c.pairs("annotation")
		if err != nil {
			return err
		}
		entries, err := c.manifestEntries(s, c.Args().Tail())
		if err != nil {
			return err
		}
		full, err := s.CreateList(c.Args().First(), c.Bool("amend"), entries, annotations)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.out, "Created manifest list", full)
		return err
	},
}

func (c *call) manifestEntries(s *storage.Store, refs []string) (all []storage.ListEntry, err error) {
	for _, ref := range refs {
		entries, err := s.ListEntries(c.cancellable(), ref, storage.SourceOptions{All: c.Bool("all"), Insecure: c.Bool("insecure")})
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// pairs reads a flag of key=value words.
func (c *call) pairs(flag string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, word := range c.list(flag) {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, explain.Usage(fmt.Errorf("--%s %q: want key=value", flag, word))
		}
		pairs[key] = value
	}
	return pairs, nil
}

// platformFlags are those of docker manifest annotate.
func platformFlags() []cli.Flag {
	return []cli.Flag{
		list("annotation", "", "`key=value` Annotate the entry"),
		text("arch", "", "Set the `architecture`"),
		text("os", "", "Set the operating `system`"),
		list("os-features", "", "Set the `features` of the operating system"),
		text("os-version", "", "Set the `version` of the operating system"),
		text("variant", "", "Set the `variant` of the architecture"),
	}
}

// describe changes an entry as the flags say.
func (c *call) describe(e *storage.ListEntry) error {
	annotations, err := c.pairs("annotation")
	if err != nil {
		return err
	}
	for k, v := range annotations {
		if e.Descriptor.Annotations == nil {
			e.Descriptor.Annotations = map[string]string{}
		}
		e.Descriptor.Annotations[k] = v
	}
	p := v1.Platform{}
	if e.Descriptor.Platform != nil {
		p = *e.Descriptor.Platform
	}
	for flag, to := range map[string]*string{"arch": &p.Architecture, "os": &p.OS, "os-version": &p.OSVersion, "variant": &p.Variant} {
		if c.text(flag) != "" {
			*to = c.text(flag)
		}
	}
	var features []string
	for _, word := range c.list("os-features") {
		features = append(features, strings.Split(word, ",")...)
	}
	if len(features) > 0 {
		p.OSFeatures = features
	}
	e.Descriptor.Platform = &p
	return nil
}

var manifestAnnotateVerb = verb{
	name:    "manifest annotate",
	short:   "Say for which platform an image of a list is",
	usage:   "[OPTIONS] MANIFEST_LIST MANIFEST",
	example: `dhow manifest annotate --arch arm --variant v7 registry.example.com/app:1 registry.example.com/app:1-arm`,
	later:   "features index subject",
	min:     2, max: 2, names: anImage,
	flags: platformFlags,
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return err
		}
		name, ref := c.Args().Get(0), c.Args().Get(1)
		return noList(s.ChangeList(name, func(l *storage.List) error {
			e := l.Entry(ref)
			if e == nil {
				return noEntry(ref, name)
			}
			return c.describe(e)
		}), name)
	},
}

var manifestAddVerb = verb{
	name:  "manifest add",
	short: "Add images to a list",
	usage: "[OPTIONS] MANIFEST_LIST MANIFEST [MANIFEST...]",
	example: `dhow manifest add registry.example.com/app:1 registry.example.com/app:1-riscv64
dhow manifest add --arch arm --variant v7 app:1 app:arm`,
	detail: "Prints the digests of the entries.",
	later:  "artifact artifact-annotation artifact-config artifact-config-type artifact-exclude-titles artifact-layer-type artifact-subject artifact-type authfile cert-dir creds features tls-verify",
	min:    2, max: -1, names: anImage,
	flags: func() []cli.Flag {
		return append([]cli.Flag{
			yes("all", "", "Take every image of an index"),
			yes("insecure", "", "Allow plain http and unverified certificates"),
		}, platformFlags()...)
	},
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return err
		}
		name := c.Args().First()
		if _, err := s.List(name); err != nil {
			return noList(err, name)
		}
		entries, err := c.manifestEntries(s, c.Args().Tail())
		if err != nil {
			return err
		}
		for i := range entries {
			if err := c.describe(&entries[i]); err != nil {
				return err
			}
		}
		if err := s.AddToList(name, entries); err != nil {
			return noList(err, name)
		}
		for _, e := range entries {
			if _, err := fmt.Fprintln(c.out, e.Descriptor.Digest); err != nil {
				return err
			}
		}
		return nil
	},
}

var manifestRemoveVerb = verb{
	name:    "manifest remove",
	short:   "Take an image out of a list",
	usage:   "MANIFEST_LIST MANIFEST",
	example: `dhow manifest remove registry.example.com/app:1 sha256:…`,
	min:     2, max: 2, names: anImage,
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return err
		}
		return noList(s.RemoveFromList(c.Args().Get(0), c.Args().Get(1)), c.Args().First())
	},
}

var manifestRmVerb = verb{
	name:    "manifest rm",
	short:   "Delete lists that were made here; their images stay",
	usage:   "MANIFEST_LIST [MANIFEST_LIST...]",
	example: `dhow manifest rm registry.example.com/app:1`,
	min:     1, max: -1, names: anImage,
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return err
		}
		return c.each(func(name string) error { return noList(s.RemoveList(name), name) })
	},
}

var manifestExistsVerb = verb{
	name:    "manifest exists",
	short:   "Tell by the exit status whether a list was made here: 0 or 1",
	usage:   "MANIFEST_LIST",
	example: `dhow manifest exists app:1 || dhow manifest create app:1`,
	min:     1, max: 1, names: anImage,
	run: func(c *call) error {
		s, err := c.store()
		if err != nil {
			return err
		}
		_, err = s.List(c.Args().First())
		if errors.Is(err, storage.ErrNoList) {
			return explain.Silent(1)
		}
		return err
	},
}

var manifestPushVerb = verb{
	name:  "manifest push",
	short: "Push a list as an index, with those of its images the registry does not have",
	usage: "[OPTIONS] MANIFEST_LIST [DESTINATION]",
	example: `dhow manifest push registry.example.com/app:1
dhow manifest push --purge --digestfile digest app:1 registry.example.com/app:1`,
	detail: "Prints the digest of the index.",
	later:  "add-compression authfile cert-dir compression-format compression-level creds force-compression remove-signatures sign-by sign-by-sigstore sign-by-sigstore-private-key tls-verify",
	min:    1, max: 2, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "", "Push the images of the list too; that is always so"),
			text("digestfile", "", "Write the digest of the index to a `file`"),
			text("format", "f", "`format` oci or docker: an OCI index, or docker's manifest list and images"),
			yes("insecure", "", "Allow plain http and unverified certificates"),
			&cli.BoolFlag{Name: "purge", Aliases: []string{"p", "rm"}, Usage: "Delete the list here when it is pushed", DisableDefaultText: true},
			yes("quiet", "q", "Show no progress"),
		}
	},
	run: runManifestPush,
}

func runManifestPush(c *call) error {
	o := storage.PushOptions{Insecure: c.Bool("insecure")}
	switch c.text("format") {
	case "", "oci":
	case "docker", "v2s2":
		o.Format = "docker"
	default:
		return explain.Usage(fmt.Errorf("--format %q: oci and docker are known", c.text("format")))
	}
	if c.IsSet("all") && !c.Bool("all") {
		return explain.Usage(errors.New("--all=false: an index without its images is of no use to a registry"))
	}
	dest := strings.TrimPrefix(c.Args().Get(1), "docker://")
	if strings.Contains(dest, "://") {
		return explain.Usage(fmt.Errorf("%s: lists are pushed to registries", dest))
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	name, quiet := c.Args().First(), c.Bool("quiet")
	if _, err := s.List(name); errors.Is(err, storage.ErrNoList) {
		return &explain.Error{Text: name + " not found", Hint: "make it with dhow manifest create", Status: 1}
	}
	d := ui.NewTransfer(ui.Pushing, c.err, quiet)
	o.Progress = d.Event
	var refs []string
	sum, err := s.PushList(c.cancellable(), name, dest, o, func(ref string, at digest.Digest) {
		refs = append(refs, fmt.Sprintf("Pushed ref %s with digest: %s", ref, at))
	})
	d.Close()
	for _, line := range refs {
		if !quiet {
			fmt.Fprintln(c.err, line)
		}
	}
	if err != nil {
		return err
	}
	if file := c.text("digestfile"); file != "" {
		err := replaceFile(c.cancellable(), file, func(w io.Writer) error {
			_, err := io.WriteString(w, sum.String())
			return err
		})
		if err != nil {
			return err
		}
	}
	if c.Bool("purge") {
		if err := s.RemoveList(name); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(c.out, sum)
	return err
}
