package commands

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dhow-containers/dhow/commands/ui"
	"github.com/dhow-containers/dhow/storage"
)

var imagesVerb = verb{
	name: "images", also: []string{"image ls", "image list"},
	short: "List images",
	usage: "[OPTIONS] [REPOSITORY[:TAG]]",
	example: `dhow images
dhow images --filter label=stage=test --format '{{.ID}} {{.Repository}}'`,
	detail: `Filters: before=IMAGE, since=IMAGE, until=TIME, dangling=true|false, label=KEY[=VALUE],
reference=PATTERN. Columns: .ID .Repository .Tag .Digest .CreatedSince .CreatedAt .Size .Containers
.SharedSize .UniqueSize. config.json's imagesFormat stands in for --format.`,
	max: 1, names: anImage,
	flags: func() []cli.Flag {
		return []cli.Flag{
			yes("all", "a", "Show all images; dhow keeps no intermediate ones"),
			yes("digests", "", "Show digests"),
			list("filter", "f", "Show only images for which `key=value` holds"),
			text("format", "", "Print with a Go `template`, \"table TEMPLATE\" or \"json\""),
			yes("no-trunc", "", "Show whole ids"),
			yes("quiet", "q", "Show only ids"),
			yes("tree", "", "Draw which image builds on which, with the sizes shared with others and its own"),
		}
	},
	run: runImages,
}

// imageRow is one line of the list: one name of an image.
type imageRow struct {
	ID           string `header:"IMAGE ID"`
	Repository   string `header:"REPOSITORY"`
	Tag          string `header:"TAG"`
	Digest       string `header:"DIGEST"`
	CreatedSince string `header:"CREATED"`
	CreatedAt    string `header:"CREATED AT"`
	Size         string `header:"SIZE"`
	Containers   string `header:"CONTAINERS"`
	VirtualSize  string `header:"SIZE"`
	SharedSize   string `header:"SHARED SIZE"`
	UniqueSize   string `header:"UNIQUE SIZE"`
}

const (
	imagesTable       = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}"
	imagesDigestTable = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}"
	imagesRaw         = "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
	onlyID            = "{{.ID}}"
)

func runImages(c *call) error {
	standard := imagesTable
	switch {
	case c.Bool("quiet"):
		standard = onlyID
	case c.Bool("digests"):
		standard = imagesDigestTable
	}
	source := c.listFormat(c.config().ImagesFormat, imagesRaw)
	if c.Bool("digests") && strings.HasPrefix(source, "table ") && !strings.Contains(source, "{{.Digest}}") {
		source += "\t{{.Digest}}"
	}
	f, err := ui.ParseFormat(source, standard)
	if err != nil {
		return err
	}
	s, err := c.store()
	if err != nil {
		return err
	}
	keep, err := imageFilters(c.list("filter"), s)
	if err != nil {
		return err
	}
	all := s.Overview
	if c.Bool("tree") || len(keep.labels) > 0 {
		all = s.Images
	}
	images, err := all()
	if err != nil {
		return err
	}
	if len(images) == 0 {
		c.mentionOtherStores()
	}
	if c.Bool("tree") {
		return imagesTree(c, s, func(img storage.Image) bool {
			return keep.image(img) && slices.ContainsFunc(imageRows(img, true, true), func(row imageRow) bool {
				return keep.name(row.Repository, row.Tag) && fits(c.Args().First(), row)
			})
		})
	}
	var rows []imageRow
	seen := map[string]bool{}
	behind := storage.Behind(images)
	for _, img := range images {
		if behind[img.ID] != "" || !keep.image(img) {
			continue
		}
		for _, row := range imageRows(img, c.Bool("digests") || f.Uses("Digest"), !c.Bool("no-trunc")) {
			if !keep.name(row.Repository, row.Tag) || !fits(c.Args().First(), row) {
				continue
			}
			if c.Bool("quiet") && c.text("format") == "" {
				if seen[row.ID] {
					continue
				}
				seen[row.ID] = true
			}
			rows = append(rows, row)
		}
	}
	return ui.Write(c.out, f, rows, c.terminal())
}

// fits reports whether a row is what the operand REPOSITORY[:TAG] asks for; a name with "*" is a
// pattern.
func fits(operand string, row imageRow) bool {
	if operand == "" {
		return true
	}
	if matchReference(operand, row.Repository, row.Tag) {
		return true
	}
	ref, err := parseReference(operand)
	if err != nil {
		return false
	}
	return ref.familiarName() == row.Repository && (ref.defaulted || ref.tag == row.Tag) && (ref.digest == "" || ref.digest == row.Digest)
}

// imageRows gives a row for each name, as docker does: tags by repository, digests beside them when
// asked for, names without a tag, and "<none>" for an image without any.
func imageRows(img storage.Image, digests, short bool) []imageRow {
	base := imageRow{
		ID: "sha256:" + img.ID, CreatedAt: img.Created.Local().Format(listTime), Size: ui.Size(img.Size),
		Containers: "N/A", VirtualSize: ui.Size(img.Size), SharedSize: "N/A", UniqueSize: "N/A",
	}
	if short {
		base.ID = ui.ShortID(img.ID)
	}
	if !img.Created.IsZero() && img.Created.Unix() > 0 {
		base.CreatedSince = ui.Since(img.Created)
	}
	byRepo := map[string][]string{}
	for _, d := range repoDigests(img) {
		if r, err := parseReference(d); err == nil {
			byRepo[r.familiarName()] = append(byRepo[r.familiarName()], r.digest)
		}
	}
	var rows []imageRow
	tagged := map[string]bool{}
	for _, n := range img.Names {
		r, err := parseReference(n)
		if err != nil || r.tag == "" {
			continue
		}
		row := base
		row.Repository, row.Tag, row.Digest = r.familiarName(), r.tag, "<none>"
		tagged[row.Repository] = true
		if !digests || len(byRepo[row.Repository]) == 0 {
			rows = append(rows, row)
			continue
		}
		for _, d := range byRepo[row.Repository] {
			row.Digest = d
			rows = append(rows, row)
		}
	}
	for repo, ds := range byRepo {
		if tagged[repo] {
			continue
		}
		row := base
		row.Repository, row.Tag, row.Digest = repo, "<none>", "<none>"
		if !digests {
			ds = ds[:1]
		}
		for _, d := range ds {
			if digests {
				row.Digest = d
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		base.Repository, base.Tag, base.Digest = "<none>", "<none>", "<none>"
		rows = append(rows, base)
	}
	slices.SortStableFunc(rows, func(a, b imageRow) int {
		return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(a.Tag, b.Tag))
	})
	return rows
}

// repoDigests gives the digests under which registries have the image, as docker lists them: the
// digest of an index stands for that of the image's own manifest in it.
func repoDigests(img storage.Image) []string {
	count := map[string]int{}
	for _, d := range img.Digests {
		name, _, _ := strings.Cut(d, "@")
		count[name]++
	}
	var out []string
	for _, d := range img.Digests {
		name, digest, _ := strings.Cut(d, "@")
		if count[name] > 1 && digest == img.Digest.String() {
			continue
		}
		out = append(out, d)
	}
	return out
}

// mentionOtherStores tells on stderr where this user's images are when this store has none: after a
// change of the id mapping another store is open.
func (c *call) mentionOtherStores() {
	for _, o := range c.otherStores() {
		if o.Images > 0 {
			plural := "s"
			if o.Images == 1 {
				plural = ""
			}
			fmt.Fprintf(c.err, "dhow: another store holds %d image%s: that of mapping %q (%s); this one is %q\n", o.Images, plural, o.Kind, o.Dir, c.kind())
		}
	}
}

// since1970 reads a time of --filter until=: a duration back from now or a timestamp; one in seconds may
// have a fraction (docker's "seconds[.nanoseconds]").
func since1970(value string) (time.Time, error) {
	if d, err := time.ParseDuration(value); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, value, time.Local); err == nil {
			return t, nil
		}
	}
	whole, part, _ := strings.Cut(value, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	nanoseconds, perr := strconv.ParseUint((part + "000000000")[:max(9, len(part))], 10, 64)
	if err == nil && perr == nil && len(part) <= 9 {
		return time.Unix(seconds, int64(nanoseconds)), nil
	}
	return time.Time{}, fmt.Errorf("--filter until=%s: neither a duration (24h) nor a time (2006-01-02T15:04:05)", value)
}
